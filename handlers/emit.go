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

// An Emitter sends the events of one stream that [Emit] serves. Their data is of type
// T: an Emitter[any] sends data of any type.
type Emitter[T any] struct {
	ctx     context.Context
	request *http.Request
	out     *carry.Blocking
	enc     *encoder[T]
}

// Send sends ev and returns when it has been written to the connection, so
// that a client that reads slowly slows the sender. Its error, which matches
// [ErrEnded], says why no event can be sent any more: the client has left, the
// stream has reached its age, or ev did not encode, which ends the stream.
//
// The function given to Emit may call Send, and so may goroutines that it starts and
// waits for. The events of one goroutine are written in order.
func (e *Emitter[T]) Send(ev sse.ServerSentEvent[T]) error {
	err := e.out.Push(e.ctx, func(dst []byte) ([]byte, error) { return e.enc.event(dst, ev) })
	if err != nil && !errors.Is(err, ErrEnded) {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return err
}

// Request returns the request that opened the stream. Its body must not be read.
func (e *Emitter[T]) Request() *http.Request { return e.request }

// Emit serves what f sends. It calls f once for each request, on a new goroutine, and
// waits for it. This is the imperative way to write a stream:
//
//	handlers.Emit(srv, func(ctx context.Context, e *handlers.Emitter[string]) error {
//		return e.Send(sse.Named("greeting", "hello"))
//	})
//
// The stream completes when f returns nil, and fails when it returns an error
// or panics, as [Events] says. When the client leaves, the stream reaches its
// age, or the server shuts down, ctx ends and f must return: the client is
// told at once, but the request does not end before f returns.
func Emit[T any](s *Server, f func(ctx context.Context, e *Emitter[T]) error, opts ...SourceOption) *Handler {
	h := s.sourceHandler("Emit", true, opts)
	checkSource("Emit", f == nil)
	checkData[T]("Emit", "use an Emitter of the type of their data")
	h.open = func(r *http.Request, st *carry.Stream, format answer.Format) (opened, error) {
		return pushed(func(ctx context.Context, d *carry.Blocking) error {
			e := &Emitter[T]{ctx: ctx, request: r, out: d, enc: newEncoder[T](h.codec, format)}
			// An Observable turns a panic of f into an error.
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
