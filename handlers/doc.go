// Package handlers serves streams over HTTP. It connects a topic, an Observable, an
// emitter or a Subject to the requests that ask for it.
//
// Begin with a [Server], which owns every stream it opens, and wrap a source:
//
//	srv, err := handlers.New(handlers.Config{})
//	…
//	mux.Handle("/orders", handlers.Topic(srv, orders))
//
// [Topic] serves events that are numbered and kept, so that a client resumes where it
// was. [Events] runs a source of typed [sse.ServerSentEvent] values for each request,
// [Values] one of plain values, and [Emit] a function that sends. [Subject] serves
// events that all clients share and nobody keeps. Each of them returns a [Handler],
// which is an [http.Handler]. Package echov4 fits it to Echo.
//
// The Accept header of a request chooses the form of the answer: an event stream (the
// default, also for a browser's navigation), newline-delimited JSON or, if the stream is
// bounded, one JSON array. An error before the first byte is answered with a status and
// a problem document (RFC 9457). A later one is sent in the stream, as an event named
// stream.error. Names that begin with "stream." are reserved for such control events:
// other events must not have them.
//
// A source that runs for one request waits while its client's connection does, until
// the write deadline ends the stream.
package handlers
