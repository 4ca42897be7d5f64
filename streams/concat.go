package streams

import (
	"context"
	"slices"
)

// Concat emits the values of one source after the other. It subscribes to a source
// when the one before it has completed. An error ends the stream, and Concat does not
// subscribe to the sources after it.
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

// StartWith emits vs, then subscribes to o and emits its values.
func (o Observable[T]) StartWith(vs ...T) Observable[T] { return Concat(Of(vs...), o) }
