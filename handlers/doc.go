// Package handlers serves streams over HTTP: it is the last room of the flow,
// where an Observable, an imperative emitter or a Subject meets one request.
//
// Begin with a [Server], which owns every stream it opens, and wrap a source:
//
//	srv, err := handlers.New(handlers.Config{})
//	…
//	mux.Handle("/ticks", handlers.Events(srv, ticks))
//
// [Events] serves typed [sse.ServerSentEvent] values, [Values] plain ones,
// [Emit] an imperative emitter, and [Subject] a hot stream that all its
// subscribers share. Each is a [Handler], which is an [http.Handler]. Package
// echov4 fits it to Echo.
//
// One request is answered in the form its Accept header asks for: an event
// stream (the default, and what a browser's navigation gets), newline-delimited
// JSON, or, when it is bounded, one JSON array. Everything that can fail before
// the first byte fails with a status and a problem document (RFC 9457); what
// fails later is told in the stream by an event named stream.error. Events
// whose names begin with "stream." are the server's own and refused elsewhere.
//
// Backpressure is the call: a source that is run for one request is held up
// while its client's connection is, until the write deadline ends the stream.
package handlers
