package streams

import (
	"context"
	"errors"
	"iter"
)

// An Observable is a cold stream of values: a description of how to produce them,
// which may be run any number of times. Each run is one subscription with a state
// of its own. An Observable is a small value, is safe for concurrent use, and its
// zero value is a stream that completes at once.
type Observable[T any] struct {
	run func(ctx context.Context, emit func(T) bool) error
}

// Run subscribes once: it calls emit with every value, one after the other, in the
// calling goroutine, and returns when the subscription has ended and nothing of it
// is left running. Backpressure is the call: the source waits while emit is busy.
//
// The result is the one end of the stream:
//
//   - nil: the stream completed, or emit returned false. After that emit is not
//     called again, and what the source says while it stops is not reported.
//   - context.Cause(ctx): ctx was cancelled before the stream had ended. Sources look
//     for that before each value and while they wait. A stream that completes after
//     its last value, or is stopped by emit, has ended well even if ctx was cancelled
//     meanwhile: nothing was missed. An error of the source's own is not replaced by a
//     cancellation either. With a ctx that is cancelled from the start nothing is
//     subscribed to.
//   - a [*PanicError]: a source or a function given to an operator panicked.
//   - any other error: the stream's own.
//
// A panic in emit itself is the caller's: it passes through Run as it is, once the
// source has been stopped.
func (o Observable[T]) Run(ctx context.Context, emit func(T) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return o.protect(ctx, emit)
}

// All is Run for a range loop: each value comes with a nil error; an error, as Run
// would return it, comes last and alone.
//
// Nothing runs until the result is ranged over, and each range is a subscription.
// Leaving the loop stops the source before the loop statement ends. A source that
// panics while it is being stopped by that panics out of the loop: no iteration is
// left to hand the error to.
func (o Observable[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		left := false
		err := o.Run(ctx, func(v T) bool {
			left = !yield(v, nil)
			return !left
		})
		switch {
		case err == nil:
		case left:
			panic(err)
		default:
			var none T
			yield(none, err)
		}
	}
}

// subscribe runs o without any protection: how operators run their source.
func (o Observable[T]) subscribe(ctx context.Context, emit func(T) bool) error {
	if o.run == nil {
		return nil
	}
	return o.run(ctx, emit)
}

// protect runs o, turns a panic of o into an error, and lets one of emit pass. It
// also settles what o's own word for a cancellation, and for having been stopped, is
// worth: see Run.
func (o Observable[T]) protect(ctx context.Context, emit func(T) bool) (err error) {
	inside := false // emit is running, or did not return: it panicked or called Goexit
	stopped := false
	defer func() {
		if inside {
			return // not recovering keeps the stack of the panic
		}
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
	}()
	err = o.subscribe(ctx, func(v T) bool {
		inside = true
		stopped = !emit(v)
		inside = false
		return !stopped
	})
	switch {
	case stopped:
		return withPanic(nil, err)
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return context.Cause(ctx)
	}
	return err
}
