package session

// A Reason is why a stream has ended, or is about to.
type Reason uint8

// The reasons. [Going] is that of a stream whose end is not decided.
const (
	Going    Reason = iota
	Complete        // the source had no more
	Error           // the source failed, or a value did not encode
	Left            // the client closed the connection
	Stalled         // the client took no bytes for the write timeout
	MaxAge          // the stream reached its age
	Shutdown        // the server is shutting down
	Grant           // the grant expired
	Slow            // the client's position in the topic is no longer kept

	Reasons = iota // how many there are
)

var reasons = [Reasons]string{
	"going", "complete", "error", "left", "stalled", "max-age", "shutdown", "grant", "slow",
}

// String returns the reason as clients, logs and metrics see it.
func (r Reason) String() string {
	if int(r) >= len(reasons) {
		return "unknown"
	}
	return reasons[r]
}
