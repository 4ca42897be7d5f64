package client

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A Subscription is a stream that runs on its own: see [Subscribe]. Its methods
// may be called by any goroutine, and as often as one likes.
type Subscription struct {
	cancel    context.CancelFunc
	cancelled atomic.Bool
	done      chan struct{}
	err       error // set before done is closed
}

// Subscribe follows the stream at url, as [Follow] does, in one goroutine of its
// own, which ends with the stream and belongs to the Subscription.
//
// next is called for every event, in order. After the last one exactly one of
// onError and complete is called, once: complete if the stream ended without an
// error, otherwise onError with what Follow would have yielded, the cause of a
// cancelled ctx included. (Of what is asked to [PolicySurface] onError hears too, in
// its place.) Either may be nil, and is then left out; a nil next is an error. All
// calls come from the one goroutine, and the stream waits for each.
//
// A function that panics takes the process down, as in any goroutine.
func Subscribe[T any](ctx context.Context, url string, next func(sse.ServerSentEvent[T]), onError func(error), complete func(), opts ...Option) *Subscription {
	s := &Subscription{cancel: func() {}, done: make(chan struct{})}
	if ctx != nil {
		ctx, s.cancel = context.WithCancel(ctx)
	}
	if onError == nil {
		onError = func(error) {}
	}
	if complete == nil {
		complete = func() {}
	}
	go func() {
		defer close(s.done)
		defer s.cancel()
		c, err := configFor[T](ctx, url, opts)
		if next == nil {
			err = errors.Join(errors.New("client: Subscribe: next is nil"), err)
		}
		if err == nil {
			err = follow(ctx, c, typed(c, func(ev sse.ServerSentEvent[T], err error) bool {
				switch {
				case s.cancelled.Load():
					return false
				case err != nil:
					onError(err)
				default:
					next(ev)
				}
				return true
			}))
		}
		switch {
		case s.cancelled.Load():
			s.err = context.Canceled
			if e, ok := errors.AsType[*CursorError](err); ok {
				s.err = errors.Join(s.err, e)
			}
		case err != nil:
			s.err = err
			onError(err)
		default:
			complete()
		}
	}()
	return s
}

// Cancel ends the subscription: the connection is closed, and no function is
// called any more, neither next nor onError nor complete. It does not wait, and
// may thus be called from within next: a call that is under way in the
// Subscription's goroutine comes to its end. Who has to be sure that nothing runs
// any more calls [Subscription.Wait] after it.
func (s *Subscription) Cancel() {
	s.cancelled.Store(true)
	s.cancel()
}

// Done is closed when the subscription is over: no function runs any more, and
// the connection is closed.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Wait waits for Done and returns how the stream ended: nil if it was complete,
// context.Canceled after [Subscription.Cancel] (joined with a [*CursorError] if the
// position could not be saved), otherwise what onError was told last. It must not be
// called from next, onError or complete, which it waits for.
func (s *Subscription) Wait() error {
	<-s.done
	return s.err
}
