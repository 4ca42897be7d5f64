// Package sse is the text/event-stream wire format (HTML standard, section 9.2),
// both ways: [ServerSentEvent] values in, bytes out, and back. Servers and clients
// share it, and it imports nothing outside the standard library.
//
// To write, start with [Append], or with an [Encoder] to write many events of one
// type. Strings, byte slices and text marshalers are written as they are, everything
// else as JSON; a [Codec] replaces that. [AppendComment], [AppendRetry] and [AppendID]
// write blocks that carry no event.
//
// To read, wrap the response body in a [Decoder]. It returns an [Event] as soon as the
// last byte of the event has arrived, no matter how the network has split the bytes.
//
// Servers that store events, and programs that write one end of the protocol
// themselves, find here also the control events ([Control], [Gap], [Bye], [Problem])
// and functions that take stored frames apart ([Frames], [ParseFrame]).
//
// One promise is easy to miss: no value can forge a field. A line break in a comment
// or in data starts another line of the same field; in an id or an event name it is
// an error, and nothing is written.
package sse
