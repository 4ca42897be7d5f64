package rx

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

func TestToEmitsValuesThenTheError(t *testing.T) {
	if got := all(To(streams.Of(1, 2)).Observe()); !reflect.DeepEqual(got, []any{1, 2}) {
		t.Errorf("got %v, want [1 2]", got)
	}
	fails := streams.Concat(streams.Of(1), streams.Throw[int](errBoom))
	if got := all(To(fails).Observe()); !reflect.DeepEqual(got, []any{1, errBoom}) {
		t.Errorf("got %v, want [1 %v]", got, errBoom)
	}
}

func TestToKeepsValuesUnchanged(t *testing.T) {
	// rxgo.Just panics for the first, emits the elements of the second, and makes an
	// error item of the third.
	want := []any{nil, []int{1, 2}, errBoom}
	for item := range To(streams.Of(want...)).Observe() {
		if item.E != nil || !reflect.DeepEqual(item.V, want[0]) {
			t.Errorf("got %+v, want the value %v", item, want[0])
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
}

func TestToRunsForEachObserver(t *testing.T) {
	var mu sync.Mutex
	runs := 0
	o := To(streams.Defer(func(context.Context) streams.Observable[int] {
		mu.Lock()
		defer mu.Unlock()
		runs++
		return streams.Of(1, 2)
	}))
	if runs != 0 {
		t.Error("the stream ran before anybody observed")
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got := all(o.Observe()); !reflect.DeepEqual(got, []any{1, 2}) {
				t.Errorf("got %v, want [1 2]", got)
			}
		})
	}
	wg.Wait()
	if runs != 10 {
		t.Errorf("%d runs for 10 observers", runs)
	}
}

func TestToRunsOneGoroutineUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		before := len(goroutines())
		items := To(ticks(-1, nil)).Observe(rxgo.WithContext(ctx))
		<-items
		if n := len(goroutines()) - before; n != 1 {
			t.Errorf("an observer costs %d goroutines, want 1", n)
		}
		cancel()
		synctest.Wait()
		if stacks := rxGoroutines(); len(stacks) > 0 {
			t.Errorf("%d goroutines are left:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
		}
		if got := all(items); got != nil {
			t.Errorf("got %v after the cancellation, want nothing", got)
		}
	})
}

func TestToOptions(t *testing.T) {
	if c := cap(To(streams.Of(1), rxgo.WithBufferedChannel(16)).Observe()); c != 16 {
		t.Errorf("the channel holds %d items, want 16", c)
	}

	t.Run("with spare capacity", func(t *testing.T) {
		opts := append(make([]rxgo.Option, 0, 8), rxgo.WithBufferedChannel(1))
		o := To(streams.Of(1), opts...)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { all(o.Observe(rxgo.WithContext(t.Context()))) })
		}
		wg.Wait()
	})
}

// A panic on one of RxGo's goroutines would end the process.
func TestToPanicIsAnErrorItem(t *testing.T) {
	for name, o := range map[string]streams.Observable[int]{
		"of an operator": streams.Map(streams.Of(1), func(int) int { panic(errBoom) }),
		"of a source":    streams.Create(func(context.Context, func(int) bool) error { panic(errBoom) }),
	} {
		item, ok := <-To(o).Observe()
		if p, is := errors.AsType[*streams.PanicError](item.E); !ok || !is || p.Value != errBoom {
			t.Errorf("%s: got %v, want a PanicError of %v", name, item, errBoom)
		}
	}
}

func TestToAsArgument(t *testing.T) {
	ctx := rxgo.WithContext(t.Context())
	it := To(streams.Of(1, 2))
	for name, tt := range map[string]struct {
		o    rxgo.Observable
		want []any
	}{
		"StartWith":       {rxgo.Just(3)().StartWith(it, ctx), []any{1, 2, 3}},
		"ZipFromIterable": {rxgo.Just(10, 20)().ZipFromIterable(it, Func2(sum), ctx), []any{11, 22}},
	} {
		if got := all(tt.o.Observe()); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s gave %v, want %v", name, got, tt.want)
		}
	}

	t.Run("Sample", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			clock := To(streams.Interval(2*step + step/2))
			o := From[int](func(ctx context.Context) rxgo.Observable {
				return numbers(ctx, 5, nil).Sample(clock, rxgo.WithContext(ctx))
			})
			if got, err := collect(t.Context(), o.Take(1)); err != nil || !reflect.DeepEqual(got, []int{1}) {
				t.Errorf("got %v, %v; want [1], nil", got, err)
			}
		})
	})

	rxgo.Assert(t.Context(), t, it, rxgo.HasItems(1, 2), rxgo.HasNoError())
}

// A stream that goes through To and From is the same stream.
func TestFromOfTo(t *testing.T) {
	fails := streams.Concat(streams.Of(1, 2), streams.Throw[int](errBoom))
	got, err := collect(t.Context(), From[int](func(context.Context) rxgo.Observable { return To(fails) }))
	if err != errBoom || !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("got %v, %v; want [1 2], %v", got, err, errBoom)
	}
}
