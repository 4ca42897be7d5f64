package eventlog

import (
	"errors"
	"fmt"
)

var (
	// ErrPurged is matched by [PurgedError]: events that the reader has not seen are no
	// longer kept. The reader should tell of the gap and go on at the oldest event, or
	// at the newest.
	ErrPurged = errors.New("eventlog: events after this position are no longer kept")

	// ErrAhead is returned to a reader whose position the log has not got to yet. The
	// position is of another log or of another life of this one: see ErrForeign.
	ErrAhead = errors.New("eventlog: the log has not got to this position")

	// ErrForeign is returned to a reader whose position has another stamp than the
	// event with that number: it was handed out in another life of the log. The reader
	// should tell of a gap of unknown size and go on at the oldest event.
	ErrForeign = errors.New("eventlog: the position is from another life of the log")

	// ErrUnavailable is returned by Read and Bounds when the store cannot be asked now,
	// or gives an answer that may be stale. The caller should try again, with backoff.
	ErrUnavailable = errors.New("eventlog: the store is unavailable")

	// ErrBadPos is returned by [ParsePos] for a text that no log has handed out.
	ErrBadPos = errors.New("eventlog: unreadable position")

	// ErrConflict is returned by Append when the last event is not the one that the
	// record expects. Nothing was stored. Another writer has been faster: one that
	// writes under a lease has lost it.
	ErrConflict = errors.New("eventlog: append: the last event is not the expected one")

	// ErrTooLarge is matched by [TooLargeError]: the record is over a limit of the
	// engine. Nothing was stored, and trying again does not help.
	ErrTooLarge = errors.New("eventlog: append: the record is too large")

	// ErrBadRecord is returned by Append for a record whose block is no wire block, or
	// whose key cannot be one. Nothing was stored, and trying again does not help.
	ErrBadRecord = errors.New("eventlog: append: bad record")

	// ErrUncertain is returned by Append when the store did not answer in time: the
	// event may be stored or not. The caller should append it again with the same Key.
	ErrUncertain = errors.New("eventlog: append: the store has not answered, the event may be stored or not")

	// ErrClosed is returned by all methods after Close.
	ErrClosed = errors.New("eventlog: the log is closed")
)

// A PurgedError says which events a reader has missed. It matches [ErrPurged].
type PurgedError struct {
	Asked  Pos    // the position after which the reader wanted to read on
	Bounds Bounds // what was kept at that moment
}

// Missed returns how many events are gone: those behind Asked and before Bounds.First.
func (e *PurgedError) Missed() uint64 { return e.Bounds.First - e.Asked.Seq - 1 }

func (e *PurgedError) Error() string {
	return fmt.Sprintf("%v: asked for what follows %v, %d are gone, the oldest kept is %d", ErrPurged, e.Asked, e.Missed(), e.Bounds.First)
}

// Unwrap returns [ErrPurged].
func (e *PurgedError) Unwrap() error { return ErrPurged }

// A TooLargeError says which part of a record is over which limit. It matches
// [ErrTooLarge].
type TooLargeError struct {
	What string // "block" or "key"
	Size int    // its bytes
	Max  int    // the bytes that are allowed
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: the %s has %d bytes, at most %d are allowed", ErrTooLarge, e.What, e.Size, e.Max)
}

// Unwrap returns [ErrTooLarge].
func (e *TooLargeError) Unwrap() error { return ErrTooLarge }
