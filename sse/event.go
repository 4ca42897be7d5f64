package sse

import (
	"bytes"
	"time"
)

// A ServerSentEvent is one typed event of a text/event-stream: what a server
// writes, and what a client hands on once the data has been decoded.
type ServerSentEvent[T any] struct {
	// ID is the event's own id field; "" writes none. (To reset the reader's last
	// event id, see [AppendID].)
	ID string
	// Event is the event's name; "" is what a browser dispatches as "message".
	Event string
	// Data is the payload. An event always has data, be it empty.
	Data T
	// Retry, when not zero, asks the client to wait so long before it reconnects.
	// It is written in whole milliseconds, at least one.
	Retry time.Duration
	// Comment is text that clients ignore; "" writes none.
	Comment string
}

// Named returns an event with a name and data, for the many that have nothing
// else.
func Named[T any](name string, data T) ServerSentEvent[T] {
	return ServerSentEvent[T]{Event: name, Data: data}
}

// As returns a function that makes events of one name out of values: what a stream
// of values is mapped with to become a stream of events.
func As[T any](name string) func(data T) ServerSentEvent[T] {
	return func(data T) ServerSentEvent[T] { return Named(name, data) }
}

// Validate reports the first field of ev that an event stream cannot carry, as
// a [*FieldError]. It does not look at Data, which only its encoding shows.
// [Append] checks the same; Validate is for code that writes events in another
// format and must refuse the events that an event stream would refuse.
func (ev ServerSentEvent[T]) Validate() error {
	return checkFields(ev.ID, ev.Event, ev.Retry, ev.Comment)
}

// An Event is one event as it was read: the fields of its block, with the data
// still in the form it had on the wire. A [Codec] turns Data into a value.
type Event struct {
	// Event is the event's name; "" means that the block named none, which
	// browsers call "message".
	Event string
	// ID is the id field of this very block, and HasID tells whether there was
	// one: an empty id resets the last event id, no id leaves it.
	ID    string
	HasID bool
	// LastEventID is the last id seen up to and including this event, on this
	// connection or, if the decoder was told, on those before.
	LastEventID string
	// Data holds the data lines, joined by line feeds. It is valid UTF-8, and it
	// belongs to the decoder: it is overwritten by the next call of Decode.
	Data []byte
	// Retry is the reconnection time this block set, and HasRetry tells whether
	// it set one.
	Retry    time.Duration
	HasRetry bool
	// Comment holds the comment lines of the block, joined by line feeds, without
	// the colon and one space after it.
	Comment string
}

// Clone returns a copy of e that stays as it is when the decoder goes on.
func (e Event) Clone() Event {
	e.Data = bytes.Clone(e.Data)
	return e
}
