package sse

import (
	"bytes"
	"time"
)

// A ServerSentEvent is one typed event of a text/event-stream: what a server
// writes, and what a client returns once it has decoded the data.
type ServerSentEvent[T any] struct {
	// ID is the event's own id; if it is "", no id is written. (To reset the client's
	// last event id, see [AppendID].)
	ID string
	// Event is the event's name; "" is what a browser dispatches as "message".
	Event string
	// Data is the payload. An event always has data, possibly empty.
	Data T
	// Retry, if not zero, asks the client to wait this long before reconnecting. It
	// is written in whole milliseconds, at least one.
	Retry time.Duration
	// Comment is text that clients ignore; if it is "", no comment is written.
	Comment string
}

// Named returns an event that has a name and data and nothing else.
func Named[T any](name string, data T) ServerSentEvent[T] {
	return ServerSentEvent[T]{Event: name, Data: data}
}

// As returns a function that wraps each value in an event with the given name. Mapping
// a stream of values with it gives a stream of events:
//
//	events := streams.Map(orders, sse.As[Order]("order"))
func As[T any](name string) func(data T) ServerSentEvent[T] {
	return func(data T) ServerSentEvent[T] { return Named(name, data) }
}

// Validate reports the first field of ev that an event stream cannot carry, as
// a [*FieldError]. It does not check Data, which has to be encoded for that.
// [Append] checks the same; Validate is for code that writes events in another
// format and must refuse the events that an event stream would refuse.
func (ev ServerSentEvent[T]) Validate() error {
	return checkFields(ev.ID, ev.Event, ev.Retry, ev.Comment)
}

// An Event is one event as it was read: the fields of its block, with the data as
// it was on the wire. A [Codec] turns Data into a value.
type Event struct {
	// Event is the event's name; "" means that the block has no name. Browsers
	// call such an event "message".
	Event string
	// ID is the id field of this block, and HasID reports whether there is one: an
	// empty id resets the last event id, a missing one keeps it.
	ID    string
	HasID bool
	// LastEventID is the last id up to and including this event, on this connection
	// or, after [Decoder.Reset] or [Decoder.SetLastEventID], on earlier ones.
	LastEventID string
	// Data holds the data lines, joined by line feeds. It is valid UTF-8. It belongs
	// to the decoder, which overwrites it at the next call of Decode.
	Data []byte
	// Retry is the reconnection time that this block sets, and HasRetry reports
	// whether it sets one.
	Retry    time.Duration
	HasRetry bool
	// Comment holds the comment lines of the block, joined by line feeds, without
	// the colon and one space after it.
	Comment string
}

// Clone returns a copy of e that stays valid when the decoder reads the next event.
func (e Event) Clone() Event {
	e.Data = bytes.Clone(e.Data)
	return e
}
