package hub

import (
	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Batch is what [Cursor.Next] returns: events, or a gap. What [Cursor.Poll] returns
// may also be empty.
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
	// Frames; the events behind the gap come with the next batch. Hand Gap.ID to the
	// subscriber together with the gap, so that the gap is told only once: a subscriber
	// that resumes at that id has heard of it.
	Gap *sse.Gap
}

// Empty reports whether there is nothing in b.
func (b Batch) Empty() bool { return b.Count == 0 && b.Gap == nil }
