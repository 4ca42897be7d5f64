package streams

import (
	"context"
	"sync"
)

// Create returns the Observable that run produces. Each subscription calls run in
// the subscriber's goroutine; run calls emit with each value, and the stream ends
// when run returns: with nil it completes, with an error it fails.
//
// When emit returns false, or ctx is cancelled, run must release what it holds and
// return (context.Cause(ctx) or ctx.Err() for a cancellation). emit returning false
// also cancels ctx, so that a run that waits for something else hears of it.
//
// emit is meant for run's own goroutine, and must not be called inside itself. It
// stands up to more than that: calls from several goroutines are put in a row, and
// once emit has returned false, or run has returned, the value is dropped and the
// result is false. A panic downstream of a call from another goroutine, however, is
// that goroutine's panic and cannot become the stream's error.
func Create[T any](run func(ctx context.Context, emit func(T) bool) error) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var (
			mu     sync.Mutex
			closed bool
		)
		defer func() {
			mu.Lock() // waits for a call from another goroutine
			closed = true
			mu.Unlock()
		}()
		return run(ctx, func(v T) bool {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				return false
			}
			closed = true // stays so if emit does not return
			if !emit(v) {
				cancel()
				return false
			}
			closed = false
			return true
		})
	}}
}
