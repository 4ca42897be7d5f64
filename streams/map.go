package streams

import "context"

// Map emits f(v) for each value v.
func Map[T, R any](o Observable[T], f func(T) R) Observable[R] {
	if f == nil {
		return invalid[R]("Map: nil function")
	}
	return Observable[R]{func(ctx context.Context, emit func(R) bool) error {
		return o.subscribe(ctx, func(v T) bool { return emit(f(v)) })
	}}
}

// MapErr is [Map] for a function that can fail: its first error stops the source
// and is the stream's error. ctx is the subscription's, for a function that waits.
func MapErr[T, R any](o Observable[T], f func(ctx context.Context, v T) (R, error)) Observable[R] {
	if f == nil {
		return invalid[R]("MapErr: nil function")
	}
	return Observable[R]{func(ctx context.Context, emit func(R) bool) error {
		var failed error
		err := o.subscribe(ctx, func(v T) bool {
			r, err := f(ctx, v)
			if err != nil {
				failed = err
				return false
			}
			return emit(r)
		})
		if failed != nil {
			return withPanic(failed, err)
		}
		return err
	}}
}
