package streams

import "context"

// Scan emits the running result of f: f(seed, first value), then f(that result,
// second value), and so on. The seed itself is not emitted. Each subscription starts
// with seed again, so f must return a new value and not change a map or a slice that
// it was given.
func Scan[T, A any](o Observable[T], seed A, f func(acc A, v T) A) Observable[A] {
	if f == nil {
		return invalid[A]("Scan: nil function")
	}
	return Observable[A]{func(ctx context.Context, emit func(A) bool) error {
		acc := seed
		return o.subscribe(ctx, func(v T) bool {
			acc = f(acc, v)
			return emit(acc)
		})
	}}
}
