// Package reading is how package hub shows a topic to the drivers of package handlers.
// It is the wall between the two: a driver has so many subscribers that it keeps a
// [Spot] for each instead of a cursor, and asks a [Reader] once for all of those that
// are at the same spot. None of that is of use to a user of hub, so hub does not export
// it.
//
// Start with [Hub], which package hub fills in when it is initialized.
package reading

import (
	"context"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Spot is a position between two events of a topic, for a subscriber whose next event
// is in the topic's window or yet to come. It holds on to nothing.
type Spot struct {
	At    uint64 // number of the next event wanted
	Stamp uint32 // stamp of the event before it; 0 means unknown
	Life  uint32 // the incarnation of the log in which the events have these numbers
}

// Pos returns the position of the event before s: the one to resume at.
func (s Spot) Pos() eventlog.Pos { return eventlog.Pos{Seq: s.At - 1, Stamp: s.Stamp} }

// Pending is what can be read at a [Spot]: frames, or a gap, or an end, or nothing.
type Pending struct {
	// Frames holds whole events one behind the other in the wire format, up to the end
	// of a segment of the window. It is shared and must not be changed. It stays as it
	// is, and keeps its segment in memory, for as long as it is held.
	Frames []byte
	// Count is how many events there are in Frames.
	Count int
	// Next is the spot behind Frames, or behind the gap, or the one that was asked for.
	Next Spot
	// More reports whether there was something behind Next when it was read. An end
	// counts.
	More bool
	// Gap, if not nil, is to be told before anything else. Then there are no Frames.
	Gap *sse.Gap
	// Ended reports that nothing is pending here and nothing will ever be.
	Ended bool
	// Err says how it has ended: nil when the topic is complete, else the topic's
	// failure, hub.ErrClosed, or hub.ErrCut when the subscriber has to resume by a
	// cursor: because the policy says so, or because the spot was never in the topic's
	// present window, where only the log may still know it.
	Err error
}

// A Reader reads one topic for any number of spots, one after the other. Its methods
// never wait, but for Watch. Read must not be called by two goroutines at once; the
// others may be called by any number.
type Reader interface {
	// Read returns what is pending at s. It does not allocate but for a gap.
	//
	// The topic counts a subscriber that was told of a gap, or was cut, for each Read
	// that returns one. So frames may be used for all subscribers at the same spot, but
	// a gap or an end has to be read for each of them.
	Read(s Spot) Pending

	// Newest returns the number that the next event will get.
	Newest() uint64

	// Watch calls changed once, and then whenever there may be something new to read at
	// the end of the window: events, or an end. It returns when ctx ends or the topic
	// has ended; in the second case the last call comes after the end.
	Watch(ctx context.Context, changed func())

	// Join counts one more subscriber of the topic, and Leave one less: for a
	// subscriber that is read for by its spot, whose cursor has been closed.
	Join()
	Leave()
}

// Hub opens what package hub keeps unexported. Package hub sets it when it is
// initialized, so any caller that has a topic can use it.
var Hub struct {
	// Reader returns a new reader of feed, which is a *hub.Feed, that treats
	// subscribers who are too slow by policy, which is a hub.Policy.
	Reader func(feed any, policy int) Reader

	// Spot returns the spot of cursor, which is a *hub.Cursor, for a Reader of the same
	// feed to continue there. It returns false for a cursor that needs more than the
	// window: one that replays, has a gap to tell or a filter, or has ended. The cursor
	// stays as it is.
	Spot func(cursor any) (Spot, bool)
}
