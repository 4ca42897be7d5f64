package rx

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactivex/rxgo/v2"
)

// A fault is something that RxGo does wrong without ending the process. Its pin fails
// if RxGo does better than docs/rxgo.md says. Pins run in virtual time unless they
// involve a mutex, because virtual time stops while a goroutine waits for one.
type fault struct {
	name  string // the first column of a table in docs/rxgo.md
	pin   func(t *testing.T)
	mutex bool
}

var faults = []fault{
	{name: "Interval and FromEventSource, with a stuck observer", mutex: true, pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := make(chan rxgo.Item)
		source := rxgo.FromEventSource(events, rxgo.WithContext(ctx))
		reads := source.Observe()
		events <- rxgo.Of(1)
		observed := make(chan struct{})
		go func() {
			source.Observe()
			close(observed)
		}()
		eventually(t, "Observe waits for a lock", func() bool {
			return len(goroutines("eventSourceIterable).Observe", "sync.RWMutex.Lock")) > 0
		})
		<-reads // lets the goroutine end
		<-observed
	}},

	// State that subscribers share.
	{name: "Interval, one observer leaves", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ticks := rxgo.Interval(rxgo.WithDuration(step), rxgo.WithContext(ctx))
		leaves, stays := ticks.Observe(), ticks.Observe()
		if n := count(stays, leaves, 30*step); n < 58 {
			t.Fatalf("two observers that read got %d ticks in 30 steps, want 2 for each", n)
		}
		if n := count(stays, nil, 30*step); n > 1 {
			t.Errorf("when one has left, the other got %d ticks of 30, want at most 1: the source blocks", n)
		}
	}},
	{name: "FromEventSource, one observer leaves", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := make(chan rxgo.Item)
		source := rxgo.FromEventSource(events, rxgo.WithContext(ctx))
		source.Observe()
		stays := source.Observe()
		go func() {
			for i := range 30 {
				if !rxgo.Of(i).SendContext(ctx, events) {
					return
				}
			}
		}()
		if n := count(stays, nil, 30*step); n > 0 {
			t.Errorf("the observer that reads got %d events of 30, want at most 1: the source blocks", n)
		}
	}},
	{name: "a connectable Observable, one observer leaves", pin: func(t *testing.T) {
		events := make(chan rxgo.Item, 30)
		for i := range cap(events) {
			events <- rxgo.Of(i)
		}
		source := rxgo.FromChannel(events, rxgo.WithPublishStrategy())
		leaves, stays := source.Observe(), source.Observe()
		_, disconnect := source.Connect(context.Background())
		if n := count(stays, nil, 30*step); n > 0 {
			t.Errorf("the observer that reads got %d items of 30, want at most 1: the source blocks", n)
		}
		disconnect()
		synctest.Wait()
		select {
		case <-stays:
			t.Error("disconnecting freed the observer that reads")
		default:
		}
		count(stays, leaves, step) // reads for the one that left, which lets all goroutines end
	}},
	{name: "FromChannel, observed twice", pin: func(t *testing.T) {
		items := make(chan rxgo.Item, 4)
		for i := range 4 {
			items <- rxgo.Of(i)
		}
		close(items)
		source := rxgo.FromChannel(items)
		<-source.Observe()
		if got := all(source.Observe()); !reflect.DeepEqual(got, []any{1, 2, 3}) {
			t.Errorf("the second observer got %v, want what the first one left: [1 2 3]", got)
		}
	}},
	{name: "Create and the operators below, observed twice", pin: func(t *testing.T) {
		ctx := rxgo.WithContext(t.Context())
		in := func() rxgo.Observable { return numbers(t.Context(), 3, nil) }
		for name, o := range map[string]rxgo.Observable{
			"Merge":           rxgo.Merge([]rxgo.Observable{in()}, ctx),
			"Concat":          rxgo.Concat([]rxgo.Observable{in()}, ctx),
			"Amb":             rxgo.Amb([]rxgo.Observable{in()}, ctx),
			"CombineLatest":   rxgo.CombineLatest(func(vs ...any) any { return vs[0] }, []rxgo.Observable{in()}, ctx),
			"StartWith":       in().StartWith(in(), ctx),
			"ZipFromIterable": in().ZipFromIterable(in(), Func2(sum), ctx),
			"Retry":           in().Retry(1, func(error) bool { return true }, ctx),
			"BackOffRetry":    in().BackOffRetry(noWait{}, ctx),
			"Sample":          in().Sample(rxgo.Interval(every(1), ctx), ctx),
			"Create": rxgo.Create([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
				next <- rxgo.Of(1)
			}}, ctx),
		} {
			first, second := all(o.Observe()), all(o.Observe())
			if len(first) == 0 || len(second) > 0 {
				t.Errorf("%s gave %v, then %v; want nothing for the second observer", name, first, second)
			}
		}
	}},
	{name: "FromEventSource, observed late", pin: func(t *testing.T) {
		events := make(chan rxgo.Item)
		source := rxgo.FromEventSource(events)
		events <- rxgo.Of(1)
		synctest.Wait()
		items := source.Observe()
		events <- rxgo.Of(2)
		close(events)
		if got := all(items); !reflect.DeepEqual(got, []any{2}) {
			t.Errorf("got %v, want [2]: the first event came too early", got)
		}
	}},
	{name: "Create, not observed", pin: func(t *testing.T) {
		runs := 0
		rxgo.Create([]rxgo.Producer{func(context.Context, chan<- rxgo.Item) { runs++ }})
		synctest.Wait()
		if runs != 1 {
			t.Errorf("the producer ran %d times before anybody observed, want 1", runs)
		}
	}},

	// Goroutines that are left behind.
	{name: "Merge, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return rxgo.Merge(in, rxgo.WithContext(ctx))
	})},
	{name: "Concat, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return rxgo.Concat(in, rxgo.WithContext(ctx))
	})},
	{name: "CombineLatest, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return rxgo.CombineLatest(func(vs ...any) any { return vs[0] }, in[:1], rxgo.WithContext(ctx))
	})},
	{name: "Amb, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return rxgo.Amb(in[:1], rxgo.WithContext(ctx))
	})},
	{name: "Sample, with an operator behind it, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return in[0].Sample(in[1], rxgo.WithContext(ctx))
	})},
	{name: "StartWith, whose Iterable fails, left early", pin: leaks(func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable {
		return in[0].StartWith(numbers(ctx, 2, errBoom), rxgo.WithContext(ctx))
	})},
	{name: "WindowWithCount, left early", pin: func(t *testing.T) {
		var window rxgo.Observable
		From[rxgo.Observable](func(ctx context.Context) rxgo.Observable {
			return numbers(ctx, -1, nil).WindowWithCount(2, rxgo.WithContext(ctx))
		}).Run(t.Context(), func(w rxgo.Observable) bool { window = w; time.Sleep(20 * step); return false })
		synctest.Wait()
		if len(rxGoroutines()) == 0 {
			t.Error("no goroutine is left, want the one that fills the window")
		}
		all(window.Observe()) // lets the goroutine end
	}},
	{name: "Range, cancelled", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		items := rxgo.Range(1, 3).Observe(rxgo.WithContext(ctx))
		cancel()
		<-time.After(step)
		select {
		case item, ok := <-items:
			t.Errorf("got %v, %v; want a channel that nobody closes", item, ok)
		default:
		}
	}},
	{name: "ForEach, cancelled", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		items := make(chan rxgo.Item)
		nop := func(error) {}
		disposed := rxgo.FromChannel(items).ForEach(func(any) {}, nop, func() {}, rxgo.WithContext(ctx))
		cancel()
		synctest.Wait()
		select {
		case <-disposed:
			t.Error("ended with its context, want it to continue")
		default:
		}
		close(items)
		<-disposed
	}},
	{name: "Repeat, cancelled", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		items := rxgo.Just(1)().Repeat(1, rxgo.WithDuration(time.Hour)).Observe(rxgo.WithContext(ctx))
		<-items
		synctest.Wait()
		cancel()
		all(items)
		if d := time.Since(start); d < time.Hour {
			t.Errorf("ended %v after its context, want it to sleep for the whole hour", d)
		}
	}},
	{name: "Amb, of empty Observables only", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		items := rxgo.Amb([]rxgo.Observable{rxgo.Empty(), rxgo.Empty()}, rxgo.WithContext(ctx)).Observe()
		select {
		case item, ok := <-items:
			t.Errorf("got %v, %v; want nothing for an hour", item, ok)
		case <-time.After(time.Hour):
		}
	}},
	{name: "GroupBy, one group not read", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		groups := numbers(ctx, -1, nil).GroupBy(2, func(item rxgo.Item) int { return item.V.(int) % 2 }, rxgo.WithContext(ctx)).Observe(rxgo.WithContext(ctx))
		evens := (<-groups).V.(rxgo.Observable).Observe()
		if n := count(evens, nil, 30*step); n != 1 {
			t.Errorf("got %d even numbers of 15, want 1: the odd ones block", n)
		}
	}},

	// Wrong results.
	{name: "Take", pin: func(t *testing.T) {
		silent := rxgo.Defer([]rxgo.Producer{func(_ context.Context, next chan<- rxgo.Item) {
			next <- rxgo.Of(1)
			time.Sleep(time.Hour)
			next <- rxgo.Of(2)
		}})
		start := time.Now()
		got := all(silent.Take(1).Observe())
		if d := time.Since(start); !reflect.DeepEqual(got, []any{1}) || d != time.Hour {
			t.Errorf("Take(1) gave %v and ended after %v; want [1], and the end only with the second item, after an hour", got, d)
		}
	}},
	{name: "SkipLast", pin: gives([]any{1, 2}, func() rxgo.Observable { return rxgo.Just(1, 2, 3, 4, 5)().SkipLast(2) })}, // correct: 1 2 3
	{name: "Debounce, whose source completes", pin: gives(nil, func() rxgo.Observable { return rxgo.Just(1)().Debounce(every(1)) })},
	{name: "Sample, whose source fails or completes", pin: func(t *testing.T) {
		got := all(numbers(t.Context(), 3, errBoom).Sample(rxgo.Interval(every(1), rxgo.WithContext(t.Context())), rxgo.WithContext(t.Context())).Observe())
		if !reflect.DeepEqual(got, []any{0, 1}) {
			t.Errorf("got %v, want neither the last value nor the error: [0 1]", got)
		}
	}},
	{name: "FlatMap, of an Observable that does not end", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		started := 0
		items := rxgo.Just(1, 2)().FlatMap(func(rxgo.Item) rxgo.Observable {
			started++
			return numbers(ctx, -1, nil)
		}, rxgo.WithContext(ctx)).Observe(rxgo.WithContext(ctx))
		if count(items, nil, time.Minute); started != 1 {
			t.Errorf("%d inner Observables were started, want 1: the next waits for its end", started)
		}
	}},
	{name: "FlatMap, whose source fails", pin: func(t *testing.T) {
		var got []any
		items := rxgo.Thrown(errBoom).FlatMap(func(item rxgo.Item) rxgo.Observable {
			got = append(got, item.V, item.E)
			return rxgo.Empty()
		}).Observe()
		if out := all(items); !reflect.DeepEqual(got, []any{nil, errBoom}) || out != nil {
			t.Errorf("the function got %v and %v came out, want the error item and nothing", got, out)
		}
	}},
	{name: "OnErrorResumeNext, whose resumption fails", pin: func(t *testing.T) {
		calls := 0
		items := rxgo.Thrown(errBoom).OnErrorResumeNext(func(err error) rxgo.Observable {
			if calls++; calls == 1000 {
				return rxgo.Empty()
			}
			return rxgo.Thrown(err)
		}).Observe()
		if got := all(items); got != nil || calls != 1000 {
			t.Errorf("the function was called %d times and %v came out; want calls for its own errors without end", calls, got)
		}
	}},
	{name: "OnErrorReturn and OnErrorReturnItem", pin: func(t *testing.T) {
		source := func() rxgo.Observable {
			return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
				next <- rxgo.Of(1)
				next <- rxgo.Error(errBoom)
				next <- rxgo.Of(2)
			}})
		}
		gives([]any{1, 0, 2}, func() rxgo.Observable { return source().OnErrorReturnItem(0) })(t)
		gives([]any{1, 0, 2}, func() rxgo.Observable { return source().OnErrorReturn(func(error) any { return 0 }) })(t)
	}},
	{name: "Count, whose source fails", pin: func(t *testing.T) {
		if item, err := rxgo.Just(1, errBoom)().Count().Get(); err != nil || item.E != nil || item.V != int64(1) {
			t.Errorf("got %v, %v; want a count of 1 and no error", item, err)
		}
	}},
	{name: "WithErrorStrategy(ContinueOnError)", pin: func(t *testing.T) {
		items := rxgo.Just(0, 1, 2)().First(rxgo.WithErrorStrategy(rxgo.ContinueOnError)).Observe()
		if got := all(items); !reflect.DeepEqual(got, []any{0, 1, 2}) {
			t.Errorf("First gave %v, want all of them", got)
		}
	}},
	{name: "WithPool", pin: func(t *testing.T) {
		slowFirst := func(_ context.Context, v any) (any, error) {
			time.Sleep(time.Duration(2-v.(int)) * step)
			return v, nil
		}
		gives([]any{1, 0}, func() rxgo.Observable { return rxgo.Just(0, 1)().Map(slowFirst, rxgo.WithPool(2)) })(t)
	}},
	{name: "DistinctUntilChanged, of nil keys", pin: func(t *testing.T) {
		key := func(context.Context, any) (any, error) { return nil, nil }
		gives(nil, func() rxgo.Observable { return rxgo.Just(1, 2)().DistinctUntilChanged(key) })(t)
	}},
	{name: "Scan", pin: func(t *testing.T) {
		var accs []any
		all(rxgo.Just(1, 2)().Scan(func(_ context.Context, acc, v any) (any, error) {
			accs = append(accs, acc)
			return v, nil
		}).Observe())
		if !reflect.DeepEqual(accs, []any{nil, 1}) {
			t.Errorf("the function got %v, want no seed but nil", accs)
		}
	}},
	{name: "Just, given a slice", pin: gives([]any{byte('h'), byte('i')}, func() rxgo.Observable { return rxgo.Just([]byte("hi"))() })},
	{name: "Timer", pin: gives(nil, func() rxgo.Observable { return rxgo.Timer(every(1)) })}, // correct: one item
	{name: "DoOnNext, DoOnError and DoOnCompleted", pin: func(t *testing.T) {
		runs := 0
		o := rxgo.Defer([]rxgo.Producer{func(context.Context, chan<- rxgo.Item) { runs++ }})
		<-o.DoOnNext(func(any) {})
		<-o.DoOnError(func(error) {})
		<-o.DoOnCompleted(func() {})
		all(o.Observe())
		if runs != 4 {
			t.Errorf("the source ran %d times, want 4: these are subscriptions, not taps", runs)
		}
	}},
	{name: "Interval, after a slow moment", pin: func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		items := rxgo.Interval(rxgo.WithDuration(step), rxgo.WithContext(ctx)).Observe()
		<-items
		time.Sleep(3*step + step/2)
		for range 10 {
			<-items
		}
		if d := time.Since(start); d%step == 0 {
			t.Errorf("a tick came %v after the start, want it not to be a multiple of %v", d, step)
		}
	}},
	{name: "options given at the end of a pipeline", pin: func(t *testing.T) {
		capacity := -1
		o := rxgo.Defer([]rxgo.Producer{func(_ context.Context, next chan<- rxgo.Item) { capacity = cap(next) }})
		all(o.Map(Func(double)).Filter(none, rxgo.WithBufferedChannel(16)).Observe())
		if capacity != 16 {
			t.Errorf("the source's channel holds %d items, want 16: options travel upstream", capacity)
		}

		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		gives([]any{2}, func() rxgo.Observable { return rxgo.Just(1)().Map(Func(double), rxgo.WithContext(cancelled)) })(t)
	}},
}

func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if f.mutex {
				f.pin(t)
			} else {
				synctest.Test(t, f.pin)
			}
		})
	}
}

// leaks returns a pin for an operator that, with a Map behind it, leaves a goroutine
// behind when a slow subscriber stops, although every context is passed on and
// cancelled. It does so at random: select picks the cancellation or an item.
func leaks(build func(ctx context.Context, in ...rxgo.Observable) rxgo.Observable) func(t *testing.T) {
	return func(t *testing.T) {
		for range 100 {
			var leaky rxgo.Observable
			o := From[any](func(ctx context.Context) rxgo.Observable {
				leaky = build(ctx, numbers(ctx, -1, nil), numbers(ctx, -1, nil))
				return leaky.Map(Func(func(_ context.Context, v any) (any, error) { return v, nil }))
			})
			o.Run(t.Context(), func(any) bool { time.Sleep(20 * step); return false })
			synctest.Wait()
			left := len(rxGoroutines())
			all(leaky.Observe()) // lets the goroutines end
			if left > 0 {
				return
			}
		}
		t.Error("100 subscribers have stopped and no goroutine is left")
	}
}

// gives returns a pin for a pipeline that emits want, which is wrong.
func gives(want []any, build func() rxgo.Observable) func(t *testing.T) {
	return func(t *testing.T) {
		if got := all(build().Observe(rxgo.WithContext(t.Context()))); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// all returns the values and errors of items until it is closed.
func all(items <-chan rxgo.Item) []any {
	var got []any
	for item := range items {
		if item.E != nil {
			got = append(got, item.E)
		} else {
			got = append(got, item.V)
		}
	}
	return got
}

// count returns how many items come from a and b within d.
func count(a, b <-chan rxgo.Item, d time.Duration) int {
	n := 0
	end := time.After(d)
	for {
		var ok bool
		select {
		case <-end:
			return n
		case _, ok = <-a:
			if !ok {
				a = nil
			}
		case _, ok = <-b:
			if !ok {
				b = nil
			}
		}
		if ok {
			n++
		}
	}
}
