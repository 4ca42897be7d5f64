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

	// ErrNoObservable is matched when a function that should have returned an
	// rxgo.Observable returned nil, or one that cannot be observed (a connectable
	// Observable hands its items to Connect, which nobody calls here).
	ErrNoObservable = errors.New("rx: no Observable")
)

const (
	drainIdle  = 100 * time.Millisecond
	drainTotal = time.Second
)

// From returns the stream of the values of the RxGo pipeline that build makes.
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
	if pipeline == nil {
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

// value returns v as a T.
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
