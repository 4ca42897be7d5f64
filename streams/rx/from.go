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
	// ErrItemType is matched when an RxGo item is not of the type it was announced
	// as: by [From], by [Via] or by the parameter of a wrapped function. The message
	// names both types. Announce the type that the pipeline emits, or convert in a
	// Map.
	ErrItemType = errors.New("rx: wrong item type")

	// ErrNoObservable is matched when a function that should return an
	// rxgo.Observable returns nil, or one whose Observe gives no channel.
	ErrNoObservable = errors.New("rx: no Observable")
)

// How long a subscription that ends waits for RxGo to close its channel.
const (
	// drainIdle is the time without an item after which RxGo is given up. It is
	// far above what a goroutine that has been cancelled takes to notice, on a busy
	// machine too.
	drainIdle = 100 * time.Millisecond
	// drainTotal is the time for a producer that ignores its context but has an end.
	drainTotal = time.Second
)

// From returns the stream of the values that an RxGo pipeline emits, in its order.
//
// build is called once for each subscription, and makes a new pipeline each time:
// most of RxGo's sources start when they are built, and many of its operators end
// the process when they are observed twice. Its context ends with the subscription.
// Pass it on, with rxgo.WithContext, to every source and operator that starts
// something or takes a second Observable (Interval, FromEventSource, FlatMap,
// ZipFromIterable, StartWith, Retry, Sample, Debounce, BufferWithTime, GroupBy); the
// operators that take one item at a time get it from From.
//
// The stream ends
//
//   - with nil, when RxGo closes its channel;
//   - with the error of the first error item, as it is;
//   - with [ErrItemType], when an item is not a T. A nil item is a value if T is an
//     interface type, and is refused otherwise;
//   - with [ErrNoObservable], when build returns nil;
//   - with a [*streams.PanicError], when build panics, or a function that [Func] and
//     its like have wrapped. Other functions run on goroutines of RxGo's, where a
//     panic ends the process;
//   - with context.Cause(ctx), when the subscription is cancelled, whether or not
//     RxGo notices.
//
// Whichever it is, the context of build is cancelled, and From goes on receiving in
// the subscriber's goroutine until RxGo closes the channel: that frees an operator
// that sends without looking at its context, and the close is the last thing an
// operator does. From waits 100 ms for an item or the close, and one second in all,
// because some sources never close their channel when they are cancelled: Range,
// FromChannel and Never, and Interval and FromEventSource when an item is waiting
// to be received. Any operator behind these does close. What is received meanwhile
// is dropped, so a channel that outlives the subscription is better read with
// [streams.FromChannel] than with RxGo's.
//
// No goroutine of From's own is left. RxGo's goroutines in front of the last
// operator have no handle to wait for; those of the operators that docs/rxgo.md
// calls sound end with the context.
func From[T any](build func(ctx context.Context) rxgo.Observable) streams.Observable[T] {
	return streams.Create(func(ctx context.Context, emit func(T) bool) error {
		_, err := receive(ctx, &subscription{}, build, emit)
		return err
	})
}

// receive is one subscription to the pipeline that build makes. It reports
// whether the pipeline completed by itself.
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
