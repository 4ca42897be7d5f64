package streams

import "context"

// Create returns a stream of the values that run emits. Each subscription calls run
// once, in the subscriber's goroutine, and run calls emit with each value. The stream
// ends when run returns: it completes if the result is nil, and fails otherwise.
//
// When the subscriber stops the stream, or its context is cancelled, emit returns
// false and ctx is cancelled. Then run must release what it holds and return. Its
// result does not matter after emit has returned false. If run notices a cancellation
// by ctx, and not by emit, it should return context.Cause(ctx) or ctx.Err().
//
// emit is meant for run's own goroutine, and must not be called inside itself. Calls
// from other goroutines are allowed: they run one at a time, and a call after emit
// has returned false, or after run has returned, drops its value and returns false.
// The subscription ends when no such call is running. If the subscriber's code panics
// in a call from another goroutine, it is that goroutine that panics; the panic does
// not become the stream's error.
func Create[T any](run func(ctx context.Context, emit func(T) bool) error) Observable[T] {
	if run == nil {
		return invalid[T]("Create: nil function")
	}
	return Observable[T]{func(ctx context.Context, emit func(T) bool) (err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var (
			closed    bool
			cancelled bool // closed because ctx ended
			// turn guards both, and is held while emit runs. It is a channel because
			// a goroutine that waits for a mutex stops virtual time in a test.
			turn = make(chan struct{}, 1)
		)
		defer func() {
			turn <- struct{}{} // waits for a call of emit from another goroutine
			closed = true
			if cancelled {
				err = withPanic(context.Cause(ctx), err)
			}
			<-turn
		}()
		return run(ctx, func(v T) bool {
			turn <- struct{}{}
			defer func() {
				if closed {
					cancel() // also if emit panics or calls Goexit
				}
				<-turn
			}()
			if !closed && ctx.Err() != nil {
				closed, cancelled = true, true
			}
			if closed {
				return false
			}
			closed = true // stays true if emit panics or calls Goexit
			closed = !emit(v)
			return !closed
		})
	}}
}
