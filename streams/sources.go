package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// Of emits vs in order and completes.
func Of[T any](vs ...T) Observable[T] {
	vs = slices.Clone(vs)
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		for _, v := range vs {
			select {
			case <-done:
				return context.Cause(ctx)
			default:
			}
			if !emit(v) {
				return nil
			}
		}
		return nil
	}}
}

// Range emits start, start+1, … : count values, and completes. A negative count, or
// one that would pass the largest int, is an error of the stream.
func Range(start, count int) Observable[int] {
	return Observable[int]{func(ctx context.Context, emit func(int) bool) error {
		if count < 0 {
			return fmt.Errorf("streams: Range: count %d is negative", count)
		}
		if count > 0 && start > math.MaxInt-(count-1) {
			return fmt.Errorf("streams: Range: %d values from %d on pass the largest int", count, start)
		}
		done := ctx.Done()
		for i := range count {
			select {
			case <-done:
				return context.Cause(ctx)
			default:
			}
			if !emit(start + i) {
				return nil
			}
		}
		return nil
	}}
}

// FromSeq emits the values of seq and completes when seq ends. Each subscription
// ranges over seq anew.
//
// A cancelled context is noticed before each value; a seq that waits must notice it
// by itself, or be written with [Create].
func FromSeq[T any](seq iter.Seq[T]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		for v := range seq {
			select {
			case <-done:
				return context.Cause(ctx)
			default:
			}
			if !emit(v) {
				return nil
			}
		}
		return nil
	}}
}

// FromSeq2 is [FromSeq] for a sequence that can fail: the first error that is not
// nil ends the stream, and the value beside it is ignored.
func FromSeq2[T any](seq iter.Seq2[T, error]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		for v, err := range seq {
			if err != nil {
				return err
			}
			select {
			case <-done:
				return context.Cause(ctx)
			default:
			}
			if !emit(v) {
				return nil
			}
		}
		return nil
	}}
}

// FromChannel emits what it receives from ch and completes when ch is closed.
//
// The channel is shared: with several subscriptions at once each value goes to one
// of them, as with any channel. Use a [Subject] to give each value to all. A value
// that was received is always emitted, so that none is lost between subscriptions.
func FromChannel[T any](ch <-chan T) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		for {
			select { // first alone: with both ready, the other select would choose by lot
			case <-done:
				return context.Cause(ctx)
			default:
			}
			select {
			case <-done:
				return context.Cause(ctx)
			case v, ok := <-ch:
				if !ok || !emit(v) {
					return nil
				}
			}
		}
	}}
}

// Defer calls build for each subscription, with its context, and runs what it
// returns.
func Defer[T any](build func(ctx context.Context) Observable[T]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		return build(ctx).subscribe(ctx, emit)
	}}
}

// Empty completes at once.
func Empty[T any]() Observable[T] { return Observable[T]{} }

// Never emits nothing and lasts until its context is cancelled.
func Never[T any]() Observable[T] {
	return Observable[T]{func(ctx context.Context, _ func(T) bool) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
}

// Throw emits nothing and fails with err, which must not be nil.
func Throw[T any](err error) Observable[T] {
	if err == nil {
		err = errors.New("streams: Throw: the error is nil; use Empty for a stream that completes")
	}
	return Observable[T]{func(context.Context, func(T) bool) error { return err }}
}
