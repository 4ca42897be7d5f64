package rx

import (
	"context"

	"github.com/fluxwire-go/fluxwire/streams"
)

// collect runs o to its end.
func collect[T any](ctx context.Context, o streams.Observable[T]) ([]T, error) {
	var got []T
	err := o.Run(ctx, func(v T) bool { got = append(got, v); return true })
	return got, err
}
