package handlers

import (
	"context"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Events serves the events of source. It runs source once for each request, and stops
// it when the client leaves.
//
// An event is sent as source made it, with its id, name, retry and comment; in NDJSON and
// JSON as an object {"id","event","data"}. When source completes, stream.complete is sent
// with the id "end", and a client that resumes from there is answered with 204, so that
// an EventSource stops and does not start the source again. If source fails, or an event
// does not encode, the answer is a problem document (see [Problem]) as long as nothing
// has been sent. After that the stream ends with stream.error.
func Events[T any](s *Server, source streams.Observable[sse.ServerSentEvent[T]], opts ...SourceOption) *Handler {
	h := s.sourceHandler("Events", true, opts)
	observe(h, always(source), (*encoder[T]).event)
	return h
}

// EventsFunc is [Events] with a function that makes a source for each request, by its
// path or query, or its [LastEventID]. An error of the function is answered as a
// [Problem].
func EventsFunc[T any](s *Server, source func(*http.Request) (streams.Observable[sse.ServerSentEvent[T]], error), opts ...SourceOption) *Handler {
	h := s.sourceHandler("EventsFunc", true, opts)
	checkSource("EventsFunc", source == nil)
	observe(h, source, (*encoder[T]).event)
	return h
}

// Values serves the values of source as the data of unnamed events, otherwise as
// [Events] does. In NDJSON a value is a line, and in JSON an element of the array. Lines
// of plain values have no place for an error. If there is one after the first line, or
// the server ends the stream, the connection is aborted, so that the client does not
// take this for a good end.
//
// T must not be a [sse.ServerSentEvent]: Values panics, because a stream of events is
// served by [Events]. An event in an Observable of an interface type ends the stream
// with an error.
func Values[T any](s *Server, source streams.Observable[T], opts ...SourceOption) *Handler {
	h := s.sourceHandler("Values", false, opts)
	checkData[T]("Values", "use Events")
	observe(h, always(source), (*encoder[T]).value)
	return h
}

// ValuesFunc is [Values] with a function that makes a source for each request, as in
// [EventsFunc].
func ValuesFunc[T any](s *Server, source func(*http.Request) (streams.Observable[T], error), opts ...SourceOption) *Handler {
	h := s.sourceHandler("ValuesFunc", false, opts)
	checkSource("ValuesFunc", source == nil)
	checkData[T]("ValuesFunc", "use EventsFunc")
	observe(h, source, (*encoder[T]).value)
	return h
}

// always is the source of a handler that serves the same one to every request.
func always[V any](source streams.Observable[V]) func(*http.Request) (streams.Observable[V], error) {
	return func(*http.Request) (streams.Observable[V], error) { return source, nil }
}

// observe has h serve source's values of type V, whose data is of type T.
func observe[T, V any](h *Handler, source func(*http.Request) (streams.Observable[V], error), encode func(*encoder[T], []byte, V) ([]byte, error)) {
	h.open = func(r *http.Request, _ *carry.Stream, f answer.Format) (opened, error) {
		values, err := source(r)
		if err != nil {
			return opened{}, err
		}
		enc := newEncoder[T](h.codec, f)
		return pushed(func(ctx context.Context, d *carry.Blocking) error {
			return send(ctx, d, values, func(dst []byte, v V) ([]byte, error) { return encode(enc, dst, v) })
		}), nil
	}
}

// pushed returns a source that makes its events for one request.
func pushed(run func(ctx context.Context, d *carry.Blocking) error) opened {
	return opened{run: func(ctx context.Context, d *carry.Blocking, _ func() bool) (bool, error) {
		return false, run(ctx, d)
	}}
}

// send runs values and writes each to d.
func send[V any](ctx context.Context, d *carry.Blocking, values streams.Observable[V], encode func(dst []byte, v V) ([]byte, error)) error {
	var next V // declared here, and encodeNext made once, so that a value needs no allocation
	encodeNext := func(dst []byte) ([]byte, error) { return encode(dst, next) }
	return values.Run(ctx, func(v V) bool {
		next = v
		return d.Push(ctx, encodeNext) == nil
	})
}
