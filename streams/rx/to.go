package rx

import (
	"context"
	"slices"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// To returns o as an RxGo Observable: a value is an item, whatever it is (nil, a
// slice and an error too, which rxgo.Just would panic for, take apart and make an
// error item of), and an error is the last item.
//
// It is cold: each Observe is one subscription, in a goroutine of its own, that
// ends when o does or when the context given to Observe with rxgo.WithContext is
// cancelled. Without a context an observer that stops reading keeps the goroutine
// for ever, as everywhere in RxGo. A cancelled observation has no error item: its
// channel is closed.
//
// opts are the options of the source, such as rxgo.WithBufferedChannel. A panic of
// o is an error item, a [*streams.PanicError].
func To[T any](o streams.Observable[T], opts ...rxgo.Option) rxgo.Observable {
	// RxGo appends to this slice on each Observe: spare capacity would be a data race.
	return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
		send(ctx, o, next)
	}}, slices.Clip(opts)...)
}

// An Iterable is an Observable that can be the argument of an RxGo operator
// (StartWith, Sample, ZipFromIterable) or of rxgo.Assert. Convert with
// rx.Iterable[T](o).
type Iterable[T any] streams.Observable[T]

// Observe subscribes as the Observe of [To] does.
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
