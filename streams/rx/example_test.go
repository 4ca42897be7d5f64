package rx_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/fluxwire-go/fluxwire/streams/rx"
	"github.com/reactivex/rxgo/v2"
)

// An RxGo ticker becomes a stream of server-sent events. Each subscription builds its
// own pipeline, which ends with the subscription.
func ExampleFrom() {
	ticks := rx.From[string](func(ctx context.Context) rxgo.Observable {
		return rxgo.Interval(rxgo.WithDuration(time.Millisecond), rxgo.WithContext(ctx)).
			Map(rx.Func(func(_ context.Context, n int) (string, error) {
				return fmt.Sprintf("tick %d", n), nil
			}))
	})
	events := streams.Map(ticks.Take(3), func(text string) sse.ServerSentEvent[string] {
		return sse.ServerSentEvent[string]{Event: "tick", Data: text}
	})
	for event, err := range events.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", event.Event, event.Data)
	}
	// Output:
	// tick: tick 0
	// tick: tick 1
	// tick: tick 2
}

// An RxGo operator in the middle of a stream. The types on both sides are checked.
func ExampleVia() {
	pairs := rx.Via[int, []any](streams.Range(1, 5), func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.BufferWithCount(2)
	})
	sizes := streams.Map(pairs, func(pair []any) string { return fmt.Sprint(pair, " of ", len(pair)) })
	for size, err := range sizes.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(size)
	}
	// Output:
	// [1 2] of 2
	// [3 4] of 2
	// [5] of 1
}

// An error of the source, handled inside the RxGo pipeline.
func ExampleErrorToObservable() {
	readings := streams.Concat(streams.Of(21, 22), streams.Throw[int](errors.New("sensor lost")))
	steady := rx.Via[int, int](readings, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.OnErrorResumeNext(rx.ErrorToObservable(ctx, func(error) rxgo.Observable {
			return rx.To(streams.Of(20, 20))
		}))
	})
	err := steady.Run(context.Background(), func(v int) bool {
		fmt.Println(v)
		return true
	})
	fmt.Println("ended with", err)
	// Output:
	// 21
	// 22
	// 20
	// 20
	// ended with <nil>
}

// A panic in a wrapped function ends the stream, not the process.
func ExamplePredicate() {
	limits := map[string]*int{"a": new(1)}
	within := rx.Via[string, string](streams.Of("a", "b"), func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Filter(rx.Predicate(ctx, func(name string) bool { return *limits[name] > 0 }))
	})
	_, panicked := errors.AsType[*streams.PanicError](within.Run(context.Background(), func(string) bool { return true }))
	fmt.Println("panicked:", panicked)
	// Output: panicked: true
}

// A stream becomes an RxGo Observable.
func ExampleTo() {
	squares := streams.Map(streams.Range(1, 4), func(n int) int { return n * n })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the goroutines of the pipeline
	for item := range rx.To(squares).Skip(2).Observe(rxgo.WithContext(ctx)) {
		fmt.Println(item.V, item.E)
	}
	// Output:
	// 9 <nil>
	// 16 <nil>
}

// A stream becomes the argument of an RxGo operator.
func ExampleTo_argument() {
	o := rx.From[string](func(ctx context.Context) rxgo.Observable {
		header := rx.To(streams.Of("name", "value"))
		return rxgo.Just("a", "1")().StartWith(header, rxgo.WithContext(ctx))
	})
	for v, err := range o.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(v)
	}
	// Output:
	// name
	// value
	// a
	// 1
}
