package hub

import (
	"errors"
	"fmt"
)

var (
	// ErrEnded is returned by Append and Publish once the topic has been completed,
	// has failed, or was closed. To publish more, make a new topic. It is not the
	// ErrEnded of package streams, which a Subject returns, nor that of package handlers,
	// which an emitter returns whose one response has ended: none of the three matches
	// another.
	ErrEnded = errors.New("hub: the topic has ended")

	// ErrClosed is the end that subscribers see when the topic was closed before it
	// had been completed or had failed. They may come back: to another node, or to
	// this one once it runs again.
	ErrClosed = errors.New("hub: the topic was closed")

	// ErrCut ends a cursor with the policy [PolicyCut] that fell out of the window. Its
	// subscriber may resume at the cursor's position and learns then what it missed.
	ErrCut = errors.New("hub: the cursor fell out of the window and is cut")

	// ErrHasID is matched by the error for an event with an ID. The log numbers the
	// events of a topic, and that number is the id on the wire. Leave ID empty, and use
	// MessageID for an event that may be appended again.
	ErrHasID = errors.New("hub: the ID of an event must be empty, since the topic numbers its events (use MessageID to append an event only once)")

	// ErrReservedName is matched by the error for an event whose name begins with
	// [sse.ReservedPrefix]: those names are for control events. Rename the event.
	ErrReservedName = errors.New(`hub: event names that begin with "stream." are reserved for control events`)
)

// A RefusedError is returned for an event that the topic cannot carry. Nothing was
// stored, and the topic is not affected. It matches its cause: [ErrReservedName],
// [ErrHasID], [eventlog.ErrTooLarge], an [*sse.FieldError], or a [*streams.PanicError] if a
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
