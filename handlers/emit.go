package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// An Emitter sends the events of one stream that [Emit] serves.
type Emitter struct {
	ctx     context.Context
	request *http.Request
	out     *carry.Blocking
	enc     *encoder[any]
}

// Send sends ev and returns when it has been written to the connection, so
// that a client that reads slowly slows the sender. Its error, which matches
// [ErrEnded], says why no event can be sent any more: the client has left, the
// stream has reached its age, or ev did not encode, which ends the stream.
//
// Send may be called from any goroutine that f started and waits for. Events
// of one goroutine are written in order.
func (e *Emitter) Send(ev sse.ServerSentEvent[any]) error {
	err := e.out.Push(e.ctx, func(dst []byte) ([]byte, error) { return e.enc.event(dst, ev) })
	if err != nil && !errors.Is(err, ErrEnded) {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return err
}

// Request returns the request that opened the stream. Its body must not be read.
func (e *Emitter) Request() *http.Request { return e.request }

// Emit serves what f sends, one call of f for each request, on a goroutine of
// its own that is waited for. It is the imperative way to write a stream:
//
//	handlers.Emit(srv, func(ctx context.Context, e *handlers.Emitter) error {
//		return e.Send(sse.ServerSentEvent[any]{Event: "greeting", Data: "hello"})
//	})
//
// The stream completes when f returns nil, and fails when it returns an error
// or panics, as [Events] says. When the client leaves, the stream reaches its
// age, or the server shuts down, ctx ends and f must return: the client is
// told at once, but the request is not over before f is.
func Emit(s *Server, f func(ctx context.Context, e *Emitter) error, opts ...Option) *Handler {
	h := s.newHandler(true, opts)
	h.open = func(r *http.Request, st *carry.Stream, format answer.Format) (opened, error) {
		return pushed(func(ctx context.Context, d *carry.Blocking) error {
			e := &Emitter{ctx: ctx, request: r, out: d, enc: newEncoder[any](h.codec, format)}
			// As an Observable f's panics become errors.
			emitting := streams.Create(func(ctx context.Context, _ func(struct{}) bool) error { return f(ctx, e) })
			done := make(chan error, 1)
			st.Work.Go(func() {
				err := error(errGoexit)
				defer func() { done <- err }()
				err = emitting.Run(ctx, func(struct{}) bool { return true })
			})
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}), nil
	}
	return h
}

var errGoexit = errors.New("handlers: the emitter's goroutine has exited")
