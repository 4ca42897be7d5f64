package streams

import "context"

// Filter emits the values for which keep returns true.
func (o Observable[T]) Filter(keep func(T) bool) Observable[T] {
	if keep == nil {
		return invalid[T]("Filter: nil function")
	}
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		return o.subscribe(ctx, func(v T) bool { return !keep(v) || emit(v) })
	}}
}

// DistinctUntilChanged emits the first value and then each value that is not equal
// to the one before it.
func DistinctUntilChanged[T comparable](o Observable[T]) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		var last T
		first := true
		return o.subscribe(ctx, func(v T) bool {
			if !first && v == last {
				return true
			}
			first, last = false, v
			return emit(v)
		})
	}}
}
