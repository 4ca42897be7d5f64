// Package reading is how hub shows the events of a topic to the drivers of handlers,
// and to nobody else.
package reading

import (
	"context"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A Spot is a position between two events of a topic.
type Spot struct {
	At    uint64 // number of the next event wanted
	Stamp uint32 // of the event before it; 0 is unknown
	Life  uint32 // which incarnation of the log the number counts in
}

// Pending is what can be read at a Spot.
type Pending struct {
	Frames []byte   // whole events, shared, never changed, valid while held
	Count  int      // how many
	Next   Spot     // behind Frames, or behind the gap
	More   bool     // there was something behind Next when it was read; an end counts
	Gap    *sse.Gap // told before anything else; then Frames is empty
	Ended  bool     // nothing is pending and nothing will ever be
	Err    error    // with Ended: nil is completion
}

// A Reader reads one topic for any number of spots, for one goroutine at a time.
type Reader interface {
	Read(Spot) Pending
	Newest() uint64
	Watch(ctx context.Context, changed func())
}

// Hub is filled in by package hub.
var Hub struct {
	Reader func(feed any, policy int) Reader
	Spot   func(cursor any) (Spot, bool)
}
