package hub

import (
	"errors"
	"fmt"
)

var (
	// ErrEnded is returned by Append and Publish once the topic has been completed,
	// has failed, or was closed. Events that go on need a new topic.
	ErrEnded = errors.New("hub: the topic has ended")

	// ErrClosed is the end that subscribers see when the topic was closed before it
	// had been completed or had failed. They may come back: to another node, or to
	// this one once it runs again.
	ErrClosed = errors.New("hub: the topic was closed")

	// ErrCut ends a cursor with the policy [Cut] that fell out of the window. Its
	// subscriber may resume at the cursor's position and learns then what it missed.
	ErrCut = errors.New("hub: the cursor fell out of the window and is cut")

	// ErrReservedName is matched by the error for an event whose name begins with
	// "stream.": those names are for what the server itself has to say. Rename it.
	ErrReservedName = errors.New(`hub: event names that begin with "stream." are reserved`)
)

// A RefusedError is returned for an event that the topic cannot carry. Nothing was
// stored, and the topic goes on. It matches its cause: [ErrReservedName],
// [eventlog.ErrTooLarge], an [*sse.FieldError], or a [*streams.PanicError] if a
// marshaling method panicked.
type RefusedError struct {
	Topic string // the topic's name
	Event string // the event's name
	Err   error  // the cause
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("hub: topic %q: event %q refused: %v", e.Topic, e.Event, e.Err)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }
