package eventlog

import (
	"errors"
	"fmt"
)

var (
	// ErrPurged is matched by [PurgedError]: events that the reader has not seen are no
	// longer kept. The reader should report the gap and continue at the oldest event, or
	// at the newest.
	ErrPurged = errors.New("eventlog: events after this position are no longer kept")

	// ErrAhead is returned to a reader whose position the log has not reached yet. The
	// position is from another log or from another incarnation of this one: see
	// ErrForeign.
	ErrAhead = errors.New("eventlog: the log has not reached this position")

	// ErrForeign is returned to a reader whose position has another stamp than the
	// event with that number: it is from another incarnation of the log. The reader
	// should report a gap of unknown size and continue at the oldest event.
	ErrForeign = errors.New("eventlog: the position is from another incarnation of the log")

	// ErrUnavailable is returned by Read and Bounds when the store cannot be asked now,
	// or gives an answer that may be stale. The caller should try again, with backoff.
	ErrUnavailable = errors.New("eventlog: the store is unavailable")

	// ErrBadPos is matched by the errors of [ParsePos]: the text is not a position.
	ErrBadPos = errors.New("eventlog: invalid position")

	// ErrConflict is returned by Append when the last event is not the one that the
	// record expects. Nothing was stored. Another writer was faster; a writer that
	// holds a lease has lost it.
	ErrConflict = errors.New("eventlog: append: the last event is not the expected one")

	// ErrTooLarge is matched by [TooLargeError]: the record is over a limit of the
	// engine. Nothing was stored, and trying again does not help.
	ErrTooLarge = errors.New("eventlog: append: the record is too large")

	// ErrBadRecord is matched by the errors of Append for a record whose block is not
	// the wire block of one event, or whose message id is malformed. Nothing was stored,
	// and trying again does not help.
	ErrBadRecord = errors.New("eventlog: append: bad record")

	// ErrUncertain is returned by Append when the store did not answer in time: the
	// event may be stored or not. The caller should append it again with the same
	// MessageID.
	ErrUncertain = errors.New("eventlog: append: the store has not answered, the event may be stored or not")

	// ErrClosed is returned by all methods after Close.
	ErrClosed = errors.New("eventlog: the log is closed")
)

// A PurgedError says which events a reader has missed. It matches [ErrPurged].
type PurgedError struct {
	Asked  Pos    // the position after which the reader wanted to read
	Bounds Bounds // what was kept at that moment
}

// Missed returns how many events are gone: those after Asked and before Bounds.First.
func (e *PurgedError) Missed() uint64 { return e.Bounds.First.Seq - e.Asked.Seq - 1 }

func (e *PurgedError) Error() string {
	return fmt.Sprintf("%v: asked for what follows %v, %d are gone, the oldest one kept is %d", ErrPurged, e.Asked, e.Missed(), e.Bounds.First.Seq)
}

// Unwrap returns [ErrPurged].
func (e *PurgedError) Unwrap() error { return ErrPurged }

// A TooLargeError says which part of a record is over which limit. It matches
// [ErrTooLarge].
type TooLargeError struct {
	What string // "block" or "message id"
	Size int    // its bytes
	Max  int    // the bytes that are allowed
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: the %s has %d bytes, at most %d are allowed", ErrTooLarge, e.What, e.Size, e.Max)
}

// Unwrap returns [ErrTooLarge].
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }
