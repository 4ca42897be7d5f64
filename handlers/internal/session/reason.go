package session

// A Reason says why a stream has ended, or is to end.
type Reason uint8

// The reasons. [Going] is that of a stream that is not to end.
const (
	Going     Reason = iota
	Completed        // the source had no more
	Failed           // the source failed, or a value did not encode
	Left             // the client closed the connection
	Stalled          // the client took no bytes for the write timeout
	Expired          // the stream reached its age
	Drained          // the server is shutting down
	Revoked          // the grant expired
	Cut              // the client's position in the topic is no longer kept

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
