package rx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

var (
	// ErrItemType is matched when an RxGo item does not have the type that [From],
	// [Via] or a wrapped function expects. The message names both types. Use the type
	// that the pipeline emits, or convert the items in a Map.
	ErrItemType = errors.New("rx: wrong item type")

	// ErrNoObservable is matched when a function that should return an
	// rxgo.Observable returns nil, or an Observable whose Observe returns nil.
	ErrNoObservable = errors.New("rx: no Observable")
)

// A subscription that ends waits this long for RxGo to close its channel.
const (
	// drainIdle is the longest wait for one item. A goroutine that was cancelled
	// notices it far sooner, on a busy machine too.
	drainIdle = 100 * time.Millisecond
	// drainTotal is the longest wait in total. It is for producers that ignore their
	// context but end by themselves.
	drainTotal = time.Second
)

// From returns a stream of the values that an RxGo pipeline emits, in the pipeline's
// order.
//
// Each subscription calls build once, and build must make a new pipeline each time:
// most RxGo sources start when they are built, and many RxGo operators end the process
// when they are observed twice. ctx ends with the subscription. Pass it on, with
// rxgo.WithContext, to every source and operator that starts something or takes a
// second Observable (Interval, FromEventSource, FlatMap, ZipFromIterable, StartWith,
// Retry, Sample, Debounce, BufferWithTime, GroupBy). Operators that take one item at a
// time get it from From.
//
// The stream ends
//
//   - with nil, when RxGo closes its channel;
//   - with the error of the first error item, unchanged;
//   - with [ErrItemType], when an item is not a T. A nil item is a value if T is an
//     interface type, and an error otherwise;
//   - with [ErrNoObservable], when build returns nil;
//   - with a [*streams.PanicError], when build panics or a function wrapped by [Func]
//     or another wrapper does. Functions that are not wrapped run on RxGo's
//     goroutines, where a panic ends the process;
//   - with context.Cause(ctx), when the subscription is cancelled, whether or not
//     RxGo notices.
//
// Then From cancels ctx and keeps receiving in the subscriber's goroutine until RxGo
// closes the channel. Receiving frees an operator that sends without checking its
// context, and the close is the last thing an operator does. From waits 100 ms for an
// item or the close, and one second in total, because some sources never close their
// channel when they are cancelled: Range, FromChannel and Never, and Interval and
// FromEventSource when an item is waiting to be received. An operator behind them
// does close. From drops the items that it receives during this time. To read a
// channel that outlives the subscription, use [streams.FromChannel], not RxGo's.
//
// From itself leaves no goroutine behind. RxGo gives no way to wait for the goroutines
// in front of its last operator. Those of the operators that docs/rxgo.md calls sound
// end with the context.
func From[T any](build func(ctx context.Context) rxgo.Observable) streams.Observable[T] {
	if build == nil {
		return streams.Throw[T](errors.New("rx: From: nil function"))
	}
	return streams.Create(func(ctx context.Context, emit func(T) bool) error {
		_, err := receive(ctx, &subscription{}, build, emit)
		return err
	})
}

// receive runs one subscription to the pipeline that build makes. It reports whether
// the pipeline completed by itself.
func receive[T any](ctx context.Context, sub *subscription, build func(context.Context) rxgo.Observable, emit func(T) bool) (completed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sub.fail = cancel

	ctx = context.WithValue(ctx, subscriptionKey{}, sub)
	pipeline := build(ctx)
	if isNil(pipeline) {
		return false, fmt.Errorf("%w: build returned nil", ErrNoObservable)
	}
	items := pipeline.Observe(rxgo.WithContext(ctx))
	if items == nil {
		return false, fmt.Errorf("%w: Observe of %T returned no channel", ErrNoObservable, pipeline)
	}
	defer func() {
		cancel(nil)
		drain(items)
	}()

	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case item, ok := <-items:
			switch {
			// select picks at random, RxGo closes channels on cancellation as it does on
			// completion, and a wrapped function may just have failed the subscription.
			case ctx.Err() != nil:
				return false, context.Cause(ctx)
			case !ok:
				return true, nil
			case item.E != nil:
				return false, item.E
			}
			v, err := value[T](item.V)
			if err != nil {
				return false, err
			}
			if !emit(v) {
				return false, nil
			}
		}
	}
}

// value returns v as a T. A nil v is a T if T is an interface type.
func value[T any](v any) (T, error) {
	t, ok := v.(T)
	if ok || v == nil && reflect.TypeFor[T]().Kind() == reflect.Interface {
		return t, nil
	}
	return t, fmt.Errorf("%w: want %v, got %T", ErrItemType, reflect.TypeFor[T](), v)
}

// drain receives from items until RxGo closes it, but waits no longer than
// drainIdle for an item and drainTotal in all.
func drain(items <-chan rxgo.Item) {
	end := time.Now().Add(drainTotal)
	timer := time.NewTimer(drainIdle)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case _, ok := <-items:
			left := time.Until(end)
			if !ok || left <= 0 {
				return
			}
			timer.Reset(min(drainIdle, left))
		}
	}
}
