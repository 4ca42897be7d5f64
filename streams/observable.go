// Package streams holds typed, reactive event streams: an [Observable] is a
// cold source of values, operators turn one into another, and a [Subject] is
// the hot one that many subscribers share.
package streams

import (
	"context"
	"time"
)

// An Observable is a cold stream of values: each run is one subscription.
type Observable[T any] struct {
	run func(ctx context.Context, emit func(T) bool) error
}

// Create returns the Observable that run produces.
func Create[T any](run func(ctx context.Context, emit func(T) bool) error) Observable[T] {
	return Observable[T]{run}
}

// Run subscribes once and blocks until the stream has ended.
func (o Observable[T]) Run(ctx context.Context, emit func(T) bool) error {
	return o.run(ctx, emit)
}

// Interval emits 0, 1, 2 … every d.
func Interval(d time.Duration) Observable[int] {
	return Create(func(ctx context.Context, emit func(int) bool) error {
		t := time.NewTicker(d)
		defer t.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-t.C:
				if !emit(i) {
					return nil
				}
			}
		}
	})
}

// Map emits f of every value of o.
func Map[T, R any](o Observable[T], f func(T) R) Observable[R] {
	return Create(func(ctx context.Context, emit func(R) bool) error {
		return o.run(ctx, func(v T) bool { return emit(f(v)) })
	})
}
