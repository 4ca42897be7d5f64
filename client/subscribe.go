package client

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A Subscription is a stream that runs in a goroutine of its own: see [Subscribe]. Its
// methods may be called by any goroutine, any number of times.
type Subscription struct {
	cancel    context.CancelFunc
	cancelled atomic.Bool
	done      chan struct{}
	err       error // set before done is closed
}

// Subscribe follows the stream at url, as [Follow] does, in one goroutine, which
// belongs to the Subscription and ends with the stream.
//
// next is called for every event, in order. After the last event exactly one of onError
// and complete is called, once: complete if the stream ended without an error, otherwise
// onError with the error that Follow would have yielded, such as the cause of ctx. (With
// [ReactionSurface], onError is also called for errors between the events.) onError and
// complete may be nil; a nil next is an error. All calls come from that goroutine, and
// the stream waits for each.
//
// A panic in one of the functions ends the process, as in any goroutine.
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
			if e, ok := errors.AsType[*PositionError](err); ok {
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

// Cancel ends the subscription: it closes the connection, and none of next, onError and
// complete is called any more. It does not wait, so next may call it; a call in progress
// in the Subscription's goroutine continues to its end. Call [Subscription.Wait]
// afterwards to be sure that nothing runs any more.
func (s *Subscription) Cancel() {
	s.cancelled.Store(true)
	s.cancel()
}

// Done returns a channel that is closed when the subscription is over: no function runs
// any more, and the connection is closed.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Wait waits for Done and returns how the stream ended: nil if it was complete,
// context.Canceled after [Subscription.Cancel] (joined with a [*PositionError] if the
// position could not be saved), otherwise the last error that onError got. next, onError
// and complete must not call it, because it waits for them.
func (s *Subscription) Wait() error {
	<-s.done
	return s.err
}
