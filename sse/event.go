// Package sse is the text/event-stream wire format, both ways:
// [ServerSentEvent] values in, bytes out, and back.
package sse

import "time"

// A ServerSentEvent is one typed event of a text/event-stream.
type ServerSentEvent[T any] struct {
	// ID is the event's own id field; "" writes none.
	ID string
	// Event is the event's name; "" is what a browser dispatches as "message".
	Event string
	// Data is the payload.
	Data T
	// Retry, when not zero, asks the client to wait so long before it reconnects.
	Retry time.Duration
	// Comment is text that clients ignore; "" writes none.
	Comment string
}
