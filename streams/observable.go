package streams

import (
	"context"
	"errors"
	"iter"
)

// An Observable is a cold stream of values: a description of how to produce them,
// which may be run any number of times. Each run is one subscription with its own
// state. An Observable is a small value and is safe for concurrent use. The zero
// Observable is a stream that completes at once.
type Observable[T any] struct {
	run func(ctx context.Context, emit func(T) bool) error
}

// Run subscribes once. It calls emit with each value, one after the other, in the
// calling goroutine. It returns when the subscription has ended and nothing of it is
// left running. Backpressure is the call: the source waits while emit runs.
//
// The result is the one end of the stream:
//
//   - nil: the stream completed, or emit returned false. After emit has returned
//     false it is not called again, and an error of the source is dropped.
//   - context.Cause(ctx): ctx was cancelled before the stream ended. Sources check
//     for that before each value and while they wait. If the stream completes after
//     its last value, or emit stops it, the result is nil even if ctx was cancelled
//     in the meantime: no value was missed. A source's own error is not replaced by a
//     cancellation either. If ctx is already cancelled, Run subscribes to nothing.
//   - a [*PanicError]: a source or a function given to an operator panicked.
//   - any other error: the stream's own.
//
// A panic in emit itself is the caller's: it passes through Run unchanged, once the
// source has been stopped.
func (o Observable[T]) Run(ctx context.Context, emit func(T) bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return o.protect(ctx, emit)
}

// All is Run for a range loop. Each value comes with a nil error. The error that Run
// would return, if any, comes last, with a zero value.
//
// Nothing runs until the result is ranged over, and each range is a subscription.
// Leaving the loop stops the source before the loop statement ends. If the source
// panics while it is being stopped, the loop statement panics with the [*PanicError],
// because no iteration is left that could receive it.
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

// subscribe runs o without recovering panics. Operators run their sources with it.
func (o Observable[T]) subscribe(ctx context.Context, emit func(T) bool) error {
	if o.run == nil {
		return nil
	}
	return o.run(ctx, emit)
}

// protect runs o and turns a panic of o into an error; a panic of emit passes. It
// also decides whether o's error counts when o was cancelled or stopped: see Run.
func (o Observable[T]) protect(ctx context.Context, emit func(T) bool) (err error) {
	inside := false // emit is running, or has panicked or called Goexit
	stopped := false
	defer func() {
		if inside {
			return // without a recover, the stack of the panic is kept
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

// invalid returns a stream that fails at once: one of the arguments it was made of
// cannot work.
func invalid[T any](what string) Observable[T] {
	err := errors.New("streams: " + what)
	return Observable[T]{func(context.Context, func(T) bool) error { return err }}
}
