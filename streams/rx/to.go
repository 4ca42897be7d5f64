package rx

import (
	"context"
	"slices"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// To returns o as an RxGo Observable. It can also be the argument of an RxGo operator
// (StartWith, Sample, ZipFromIterable) or of rxgo.Assert, because every
// rxgo.Observable is an rxgo.Iterable.
//
// Each value becomes one item. That holds for nil, slices and errors too, for which
// rxgo.Just panics, emits the elements, and makes an error item. An error of o becomes
// the last item, an error item; a panic of o becomes a [*streams.PanicError].
//
// The Observable is cold: each Observe is one subscription in its own goroutine. It
// ends when o does or when the context given to Observe with rxgo.WithContext is
// cancelled. A cancelled observation gets no error item; its channel is closed.
// Without a context the goroutine of an observer that stops reading never ends, as
// everywhere in RxGo.
//
// opts are the options of the source, such as rxgo.WithBufferedChannel.
func To[T any](o streams.Observable[T], opts ...rxgo.Option) rxgo.Observable {
	// RxGo appends to this slice in each Observe, which is a data race if the slice has
	// spare capacity.
	return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
		send(ctx, o, next)
	}}, slices.Clip(opts)...)
}

// send runs o and sends its values and its error to next. It returns the error if
// that was sent.
func send[T any](ctx context.Context, o streams.Observable[T], next chan<- rxgo.Item) error {
	err := o.Run(ctx, func(v T) bool { return rxgo.Of(v).SendContext(ctx, next) })
	if err == nil || !rxgo.Error(err).SendContext(ctx, next) {
		return nil
	}
	return err
}
