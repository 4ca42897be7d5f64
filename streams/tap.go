package streams

import "context"

// Hooks are functions that [Observable.Tap] calls; those that are nil are left out.
type Hooks[T any] struct {
	// Next is called with each value before it is passed on.
	Next func(v T)
	// Error is called with the error that ends the stream: its own, a *PanicError,
	// or the cause of a cancellation.
	Error func(err error)
	// Complete is called when the stream has completed.
	Complete func()
}

// Tap calls hooks with what passes and changes none of it. Neither Error nor
// Complete is called when the subscriber stops the stream. The hooks are called in
// the goroutine that runs the stream; a panic in one ends the stream with a
// [*PanicError] and calls no further hook.
func (o Observable[T]) Tap(hooks Hooks[T]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		stopped := false
		err := o.protect(ctx, func(v T) bool { // so that a panic upstream reaches Error
			if hooks.Next != nil {
				hooks.Next(v)
			}
			stopped = !emit(v)
			return !stopped
		})
		switch {
		case stopped:
		case err != nil && hooks.Error != nil:
			hooks.Error(err)
		case err == nil && hooks.Complete != nil:
			hooks.Complete()
		}
		return err
	}}
}
