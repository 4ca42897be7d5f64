package handlers

import (
	"context"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Events serves source's events: one run of source for each request, ended
// when the client leaves.
//
// The events go out as source made them, their id, event, retry and comment
// included; in NDJSON and JSON as objects {"id","event","data"}. When source
// completes, stream.complete is sent with the id "end", and a client that
// resumes from there is answered with 204, so that an EventSource stops rather
// than starts again. When it fails, or an event does not encode, the answer is
// a problem document (see [Problem]) if nothing has been sent, else the stream
// ends with stream.error.
func Events[T any](s *Server, source streams.Observable[sse.ServerSentEvent[T]], opts ...Option) *Handler {
	return EventsFunc(s, func(*http.Request) (streams.Observable[sse.ServerSentEvent[T]], error) { return source, nil }, opts...)
}

// EventsFunc is [Events] with a source made for each request: by its path or
// query, or its [LastEventID]. An error of source's is answered as a [Problem].
func EventsFunc[T any](s *Server, source func(*http.Request) (streams.Observable[sse.ServerSentEvent[T]], error), opts ...Option) *Handler {
	return observe(s, true, source, (*encoder[T]).event, opts)
}

// Values serves source's values as the data of unnamed events, otherwise as
// [Events] does. In NDJSON each is a line, and in JSON an element, by itself;
// a stream of lines has no place to tell of an error, so when one comes after
// the first line, or the server ends the stream, the connection is aborted
// rather than ended.
func Values[T any](s *Server, source streams.Observable[T], opts ...Option) *Handler {
	return ValuesFunc(s, func(*http.Request) (streams.Observable[T], error) { return source, nil }, opts...)
}

// ValuesFunc is [Values] with a source made for each request, see [EventsFunc].
func ValuesFunc[T any](s *Server, source func(*http.Request) (streams.Observable[T], error), opts ...Option) *Handler {
	return observe(s, false, source, (*encoder[T]).value, opts)
}

// observe serves source's values of type V, whose data is of type T.
func observe[T, V any](s *Server, typed bool, source func(*http.Request) (streams.Observable[V], error), encode func(*encoder[T], []byte, V) ([]byte, error), opts []Option) *Handler {
	h := s.newHandler(typed, opts)
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
	return h
}

// pushed is a source that makes its events for one request.
func pushed(run func(ctx context.Context, d *carry.Blocking) error) opened {
	return opened{run: func(ctx context.Context, d *carry.Blocking, _ func() bool) (bool, error) {
		return false, run(ctx, d)
	}}
}

// send runs values and writes each to d.
func send[V any](ctx context.Context, d *carry.Blocking, values streams.Observable[V], encode func(dst []byte, v V) ([]byte, error)) error {
	var next V // here, and encodeNext made once, so that a value costs no allocation
	encodeNext := func(dst []byte) ([]byte, error) { return encode(dst, next) }
	return values.Run(ctx, func(v V) bool {
		next = v
		return d.Push(ctx, encodeNext) == nil
	})
}
