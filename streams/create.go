package streams

import "context"

// Create returns the Observable that run produces. Each subscription calls run in
// the subscriber's goroutine; run calls emit with each value, and the stream ends
// when run returns: with nil it completes, with an error it fails.
//
// When the subscriber has had enough, or the subscription is cancelled, emit returns
// false and ctx is cancelled. run must then release what it holds and return; what it
// returns does not matter any more. (If it learns of a cancellation from ctx rather
// than from emit: context.Cause(ctx) or ctx.Err().)
//
// emit is meant for run's own goroutine, and must not be called inside itself. It
// stands up to more than that: calls from several goroutines are put in a row, and
// once emit has returned false, or run has returned, the value is dropped and the
// result is false. The subscription ends when no such call is running any more. A
// panic downstream of a call from another goroutine, however, is that goroutine's
// panic, and cannot become the stream's error.
func Create[T any](run func(ctx context.Context, emit func(T) bool) error) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) (err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var (
			closed    bool
			cancelled bool // before it was closed otherwise
			// Guards both, and is held while emit runs. A channel and not a mutex:
			// waiting for a mutex stops the clock of a test in virtual time.
			turn = make(chan struct{}, 1)
		)
		defer func() {
			turn <- struct{}{} // waits for a call from another goroutine
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
					cancel() // also if emit does not return
				}
				<-turn
			}()
			if !closed && ctx.Err() != nil {
				closed, cancelled = true, true
			}
			if closed {
				return false
			}
			closed = true // stays so if emit does not return
			closed = !emit(v)
			return !closed
		})
	}}
}
