package rx

import (
	"context"
	"slices"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// To returns o as an RxGo Observable.
func To[T any](o streams.Observable[T], opts ...rxgo.Option) rxgo.Observable {
	// RxGo appends to this slice on each Observe: spare capacity would be a data race.
	return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
		send(ctx, o, next)
	}}, slices.Clip(opts)...)
}

// An Iterable is an Observable as the argument of an RxGo operator: convert with
// rx.Iterable[T](o).
type Iterable[T any] streams.Observable[T]

// Observe runs the stream once.
func (i Iterable[T]) Observe(opts ...rxgo.Option) <-chan rxgo.Item {
	return To(streams.Observable[T](i)).Observe(opts...)
}

// send runs o into next. It returns the error that o ended with if that was
// sent, too.
func send[T any](ctx context.Context, o streams.Observable[T], next chan<- rxgo.Item) error {
	err := o.Run(ctx, func(v T) bool { return rxgo.Of(v).SendContext(ctx, next) })
	if err == nil || !rxgo.Error(err).SendContext(ctx, next) {
		return nil
	}
	return err
}
