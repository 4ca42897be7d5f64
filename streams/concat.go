package streams

import (
	"context"
	"slices"
)

// Concat emits the values of each source after the other: the next one is
// subscribed to when the one before has completed. An error ends the stream and the
// later sources are not subscribed to.
func Concat[T any](sources ...Observable[T]) Observable[T] {
	sources = slices.Clone(sources)
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		for i, source := range sources {
			if i > 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			stopped := false
			err := source.subscribe(ctx, func(v T) bool {
				stopped = !emit(v)
				return !stopped
			})
			if err != nil || stopped {
				return err
			}
		}
		return nil
	}}
}

// StartWith emits vs and then the values of o, which is subscribed to after that.
func (o Observable[T]) StartWith(vs ...T) Observable[T] { return Concat(Of(vs...), o) }
