package hub

import "github.com/fluxwire-go/fluxwire/eventlog"

// A Batch is what a cursor has to hand on: events, or a gap, or nothing.
type Batch struct {
	// Frames holds whole events one behind the other in the wire format, each with
	// its id line first. It is shared with other readers and must not be changed. It
	// stays as it is for as long as it is held.
	Frames []byte
	// First and Last are the positions of the first and the last event in Frames, and
	// Count is how many there are.
	First, Last eventlog.Pos
	Count       int
	// Gap, if not nil, tells of events that are missing here. Then there are no
	// Frames; what follows the gap comes with the next batch.
	Gap *Gap
}

// Empty reports whether there is nothing in b.
func (b Batch) Empty() bool { return b.Count == 0 && b.Gap == nil }

// The reasons for a [Gap].
const (
	// Retention: the log no longer keeps the place where the subscriber left off.
	Retention = "retention"
	// Slow: the subscriber was too slow and fell out of the window.
	Slow = "slow"
	// Restart: the place belongs to an earlier life of the log, which numbered its
	// events anew.
	Restart = "restart"
	// Malformed: the id is not one that a topic gives out.
	Malformed = "malformed"
	// Future: the id is ahead of all events there are.
	Future = "future"
)

// A Gap says that events are missing between the one before and the one after it. Its
// JSON is the data of a stream.gap event.
type Gap struct {
	// Reason is one of the reasons above.
	Reason string `json:"reason"`
	// From is the id after which events are missing: the last one the subscriber had.
	// It is empty if that is not known.
	From string `json:"from"`
	// To is the id of the last event that is missing, or empty if that is not known.
	To string `json:"to"`
	// Missed is how many events of the topic are missing, nil if nobody can tell. A
	// filter is not taken into account: events that are gone cannot be looked at.
	Missed *uint64 `json:"missed"`
	// ID is the id of the place where the cursor goes on. Who hands it to the
	// subscriber together with the gap has it told only once: a subscriber that
	// resumes there has heard of it.
	ID string `json:"-"`
}
