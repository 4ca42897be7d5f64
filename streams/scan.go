package streams

import "context"

// Scan emits the running result of f: f(seed, first value), then f of that and the
// second value, and so on. The seed itself is not emitted. Each subscription begins
// with seed again, so f must return a new value rather than change a map or a slice
// it was given.
func Scan[T, A any](o Observable[T], seed A, f func(acc A, v T) A) Observable[A] {
	return Observable[A]{func(ctx context.Context, emit func(A) bool) error {
		acc := seed
		return o.subscribe(ctx, func(v T) bool {
			acc = f(acc, v)
			return emit(acc)
		})
	}}
}
