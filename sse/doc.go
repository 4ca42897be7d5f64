// Package sse is the text/event-stream wire format (HTML standard, section 9.2),
// both ways: [ServerSentEvent] values in, bytes out, and back. It is what servers
// and clients share, and it imports nothing outside the standard library.
//
// To write, start with [Append], or with an [Encoder] where many events of one
// type go out. Strings, byte slices and text marshalers are written as they are,
// everything else as JSON; a [Codec] replaces that. Blocks that carry no event
// have functions of their own: [AppendComment], [AppendRetry], [AppendID].
//
// To read, wrap the response body in a [Decoder]. It yields an [Event] the moment
// the last byte it needs has arrived, however the bytes were cut on their way.
//
// What is easy to miss: no value can forge a field. A line break in a comment or
// in data starts another line of the same field; in an id or an event name it is
// an error, and then nothing is written.
package sse
