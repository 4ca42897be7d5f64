package streams

import "context"

// Hooks are functions that [Observable.Tap] calls. Nil hooks are not called.
type Hooks[T any] struct {
	// Next is called with each value before it is passed on.
	Next func(v T)
	// Error is called with the error that ends the stream: the stream's own, a
	// *PanicError, or the cause of a cancellation.
	Error func(err error)
	// Complete is called when the stream has completed.
	Complete func()
}

// Tap emits the values of o unchanged and calls hooks for them and for the end. When
// the subscriber stops the stream, neither Error nor Complete is called. The hooks
// are called in the goroutine that runs the stream. A panic in a hook ends the stream
// with a [*PanicError], and no hook is called after it.
func (o Observable[T]) Tap(hooks Hooks[T]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		stopped := false
		err := o.protect(ctx, func(v T) bool { // turns a panic upstream into an error for hooks.Error
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
