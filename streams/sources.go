package streams

import (
	"context"
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

// Range emits count values, start, start+1, …, and completes. A negative count, or
// one that would exceed the largest int, is an error of the stream.
func Range(start, count int) Observable[int] {
	return Observable[int]{func(ctx context.Context, emit func(int) bool) error {
		if count < 0 {
			return fmt.Errorf("streams: Range: count %d is negative", count)
		}
		if count > 0 && start > math.MaxInt-(count-1) {
			return fmt.Errorf("streams: Range: %d values from %d exceed the largest int", count, start)
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
// ranges over seq again.
//
// FromSeq checks for a cancelled context before each value. A seq that waits must
// check by itself; use [Create], which has the context.
func FromSeq[T any](seq iter.Seq[T]) Observable[T] {
	if seq == nil {
		return invalid[T]("FromSeq: nil sequence")
	}
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
	if seq == nil {
		return invalid[T]("FromSeq2: nil sequence")
	}
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
// Subscriptions that run at the same time share the channel: each value goes to one
// of them. Use a [Subject] to give each value to all. A value that was received is
// always emitted, so that no value is lost between subscriptions. A nil ch is an
// error of the stream.
func FromChannel[T any](ch <-chan T) Observable[T] {
	if ch == nil {
		return invalid[T]("FromChannel: nil channel")
	}
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		for {
			select { // done has priority: with both ready, select picks at random
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

// Defer calls build for each subscription, with the subscription's context, and runs
// the Observable that build returns.
func Defer[T any](build func(ctx context.Context) Observable[T]) Observable[T] {
	if build == nil {
		return invalid[T]("Defer: nil function")
	}
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		return build(ctx).subscribe(ctx, emit)
	}}
}

// Empty completes at once.
func Empty[T any]() Observable[T] { return Observable[T]{} }

// Never emits nothing and does not end until its context is cancelled.
func Never[T any]() Observable[T] {
	return Observable[T]{func(ctx context.Context, _ func(T) bool) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
}

// Throw emits nothing and fails with err, which must not be nil.
func Throw[T any](err error) Observable[T] {
	if err == nil {
		return invalid[T]("Throw: nil error (use Empty for a stream that completes)")
	}
	return Observable[T]{func(context.Context, func(T) bool) error { return err }}
}
