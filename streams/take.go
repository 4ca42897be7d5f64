package streams

import (
	"context"
	"fmt"
)

// Take emits the first n values, stops the source and completes. It does not wait
// for a value after the n-th. Take(0) completes without subscribing to the source. A
// negative n is an error of the stream.
func (o Observable[T]) Take(n int) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		if n < 0 {
			return fmt.Errorf("streams: Take: count %d is negative", n)
		}
		if n == 0 {
			return nil
		}
		left := n
		err := o.subscribe(ctx, func(v T) bool {
			left--
			return emit(v) && left > 0
		})
		if left == 0 {
			return withPanic(nil, err)
		}
		return err
	}}
}

// TakeWhile emits values as long as keep returns true for them. At the first value
// for which keep returns false it stops the source and completes, without emitting
// that value.
func (o Observable[T]) TakeWhile(keep func(T) bool) Observable[T] {
	if keep == nil {
		return invalid[T]("TakeWhile: nil function")
	}
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		ended := false
		err := o.subscribe(ctx, func(v T) bool {
			if !keep(v) {
				ended = true
				return false
			}
			return emit(v)
		})
		if ended {
			return withPanic(nil, err)
		}
		return err
	}}
}

// Skip emits all but the first n values. A negative n is an error of the stream.
func (o Observable[T]) Skip(n int) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		if n < 0 {
			return fmt.Errorf("streams: Skip: count %d is negative", n)
		}
		left := n
		return o.subscribe(ctx, func(v T) bool {
			if left > 0 {
				left--
				return true
			}
			return emit(v)
		})
	}}
}
