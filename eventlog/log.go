package eventlog

import (
	"context"
	"iter"
	"time"
)

// An Event is a stored event.
type Event struct {
	Pos
	// Time is when the event was stored, by the store's clock. It never runs backwards
	// within a log: when the clock is set back, events get the time of the one before.
	Time time.Time
	// Block is the event as it was appended: its wire block without the id line. It may
	// be shared with other readers and must not be changed; it stays what it is for as
	// long as the caller holds it.
	Block []byte
}

// Bounds are the positions of the oldest event that a log keeps and of the newest event
// that it has stored.
//
// A log that keeps no events has a Last too: the event that was stored last, or, if
// there has never been one, the position before the first event, whose Seq is 0 and
// whose Stamp is that of the incarnation if the engine knows it. First.Seq is then
// Last.Seq+1, and First.Stamp is 0. So the next event always follows Last, and First.Seq
// is always the number of the oldest event that Read can return, or of the next one.
type Bounds struct{ First, Last Pos }

// Len returns how many events are kept.
func (b Bounds) Len() uint64 { return b.Last.Seq + 1 - b.First.Seq }

// A Log is a numbered, bounded log of events. These comments are the specification of
// an engine; the package logtest checks them.
//
// All methods may be called by any number of goroutines at once. A method that waits
// returns context.Cause(ctx) when ctx is cancelled, and returns it at once when ctx was
// cancelled before the call. After Close all of them return [ErrClosed].
//
// A log is bounded by the number of events, by their bytes and by their age; what is
// over a bound is dropped from the old end. The bounds are hard: a reader never gets
// an event that is over one of them. The number of a dropped event is never given to
// another event in the same incarnation of the log.
type Log interface {
	// Append stores r as the next event and returns its position. When the error is
	// nil, the event is stored with the durability that the engine declares, and visible
	// to every Read and Bounds that begins after that. The calls of one goroutine are
	// stored in the order of the calls. Append waits for no reader. It keeps nothing of
	// r: the caller may use Block again.
	//
	// dup reports that an event with r.MessageID was stored before, and the engine still
	// remembers that. Then nothing was stored, and pos is the position of the first one,
	// which may be purged by now. The message id is looked at before r.Expect, so that a
	// second try after [ErrUncertain] finds its own event.
	//
	// [ErrBadRecord], [TooLargeError] and [ErrConflict] mean that nothing was stored. So
	// does the cause of ctx, if ctx was cancelled before the call. [ErrUncertain], which
	// wraps the cause, leaves it open.
	Append(ctx context.Context, r Record) (pos Pos, dup bool, err error)

	// Read returns up to max events that follow after, ascending and without holes,
	// without waiting for events yet to come. At the end it returns no events and nil;
	// fewer than max does not mean the end. max must be positive.
	//
	// The zero Pos reads from the oldest event that is kept. Any other position is
	// checked: *[PurgedError] when events between it and the oldest are gone (the one
	// just before the oldest is still good), [ErrAhead] when the log has not got there,
	// [ErrForeign] when the event with that number has another stamp, as far as the
	// engine still knows it; a stamp of zero is not checked. A position that is foreign
	// is never ErrAhead or a PurgedError where the engine can tell. [ErrUnavailable] when
	// the store cannot be asked.
	Read(ctx context.Context, after Pos, max int) ([]Event, error)

	// Tail yields every event that follows after, once, in order and without holes,
	// those that are kept as well as those to come, and waits for them. When the store
	// cannot be reached it waits and tries again: it never yields ErrUnavailable.
	//
	// It ends with exactly one error, which comes with a zero Event: those of Read for
	// the position after, a *PurgedError when retention overtakes it, ErrForeign when
	// the log is created again, the cause of ctx, or ErrClosed. Asked of that PurgedError
	// is the last event that was yielded. Nothing more is yielded once the loop is left.
	//
	// The result may be ranged over more than once and begins at after each time.
	// Nothing is done before that.
	Tail(ctx context.Context, after Pos) iter.Seq2[Event, error]

	// Bounds returns the positions of the oldest and the newest event. They never go
	// back. [ErrUnavailable] when the store cannot be asked, or its answer may be stale.
	Bounds(ctx context.Context) (Bounds, error)

	// Close ends the log: it wakes all calls that wait, and returns when nothing of it
	// runs any more but the loops over its tails, which end by themselves. A second call
	// does nothing.
	Close() error
}
