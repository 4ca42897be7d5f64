package streams_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// expectError checks that o emits nothing and fails with an error that contains want.
func expectError[T any](t *testing.T, o streams.Observable[T], want string) {
	t.Helper()
	got, err := collect(t.Context(), o)
	if len(got) != 0 || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, %v; want nothing and an error with %q", got, err, want)
	}
}

func TestOfCopiesItsArguments(t *testing.T) {
	vs := []int{1, 2}
	o := streams.Of(vs...)
	vs[0] = 9
	expect(t, o, []int{1, 2}, nil)
}

func TestRange(t *testing.T) {
	expect(t, streams.Range(-1, 3), []int{-1, 0, 1}, nil)
	expect(t, streams.Range(5, 0), nil, nil)
	expect(t, streams.Range(math.MaxInt, 1), []int{math.MaxInt}, nil)
	expect(t, streams.Range(math.MaxInt-1, 2), []int{math.MaxInt - 1, math.MaxInt}, nil)
	expectError(t, streams.Range(0, -1), "streams: Range: count -1 is negative")
	expectError(t, streams.Range(math.MaxInt, 2), "exceed the largest int")
	expect(t, streams.Range(math.MinInt, math.MaxInt).Take(1), []int{math.MinInt}, nil)
}

func TestThrow(t *testing.T) {
	expect(t, streams.Throw[int](errTest), nil, errTest)
	expectError(t, streams.Throw[int](nil), "streams: Throw: nil error")
}

func TestFromSeq2EndsWithTheFirstError(t *testing.T) {
	released := false
	o := streams.FromSeq2(func(yield func(int, error) bool) {
		defer func() { released = true }()
		_ = yield(1, nil) && yield(2, errTest) && yield(3, nil)
	})
	expect(t, o, []int{1}, errTest)
	if !released {
		t.Error("the sequence was left running")
	}
}

func TestNeverEndsWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errCause)
		defer cancel()
		start := time.Now()
		got, err := collect(ctx, streams.Never[int]())
		if len(got) != 0 || err != errCause || time.Since(start) != time.Hour {
			t.Errorf("got %v, %v after %v; want nothing, %v after 1h", got, err, time.Since(start), errCause)
		}
	})
}

func TestFromChannel(t *testing.T) {
	t.Run("divides its values among the subscriptions", func(t *testing.T) {
		const values = 1000
		ch := make(chan int)
		shared := streams.FromChannel(ch)
		got := make([][]int, 4)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				vs, err := collect(t.Context(), shared)
				if err != nil {
					t.Error(err)
				}
				got[i] = vs
			})
		}
		for v := range values {
			ch <- v
		}
		close(ch)
		wg.Wait()
		for _, vs := range got {
			if !slices.IsSorted(vs) {
				t.Errorf("a subscription got its values out of order: %v", vs)
			}
		}
		all := slices.Sorted(slices.Values(slices.Concat(got...)))
		if want := slices.Collect(streamSeq(values)); !slices.Equal(all, want) {
			t.Errorf("%d values came, want each of %d once", len(all), values)
		}
	})
	t.Run("emits each value that it has received", func(t *testing.T) {
		ch := make(chan int, 5)
		for v := range 5 {
			ch <- v
		}
		close(ch)
		shared := streams.FromChannel(ch)
		expect(t, shared.Take(2), []int{0, 1}, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		err := shared.Run(ctx, func(int) bool { cancel(errCause); return true })
		if err != errCause {
			t.Errorf("Run = %v, want %v", err, errCause)
		}
		expect(t, shared, []int{3, 4}, nil)
		expect(t, shared, nil, nil)
	})
	t.Run("notices a cancellation while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
			defer cancel()
			if _, err := collect(ctx, streams.FromChannel(make(chan int))); err != errCause {
				t.Errorf("Run = %v, want %v", err, errCause)
			}
		})
	})
}

func streamSeq(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for v := range n {
			if !yield(v) {
				return
			}
		}
	}
}

func TestDeferBuildsForEachSubscription(t *testing.T) {
	type key struct{}
	builds := 0
	o := streams.Defer(func(ctx context.Context) streams.Observable[any] {
		builds++
		return streams.Of[any](builds, ctx.Value(key{}))
	})
	if builds != 0 {
		t.Error("Defer called build before anybody subscribed")
	}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	for run := 1; run <= 2; run++ {
		got, err := collect(ctx, o)
		if want := []any{run, "mine"}; !slices.Equal(got, want) || err != nil {
			t.Errorf("run %d gave %v, %v; want %v, nil", run, got, err, want)
		}
	}
}

// A nil argument is named by the stream that was made with it.
func TestNilArguments(t *testing.T) {
	o := streams.Of(1)
	for want, o := range map[string]streams.Observable[int]{
		"streams: Create: nil function":     streams.Create[int](nil),
		"streams: Defer: nil function":      streams.Defer[int](nil),
		"streams: FromSeq: nil sequence":    streams.FromSeq[int](nil),
		"streams: FromSeq2: nil sequence":   streams.FromSeq2[int](nil),
		"streams: FromChannel: nil channel": streams.FromChannel[int](nil),
		"streams: Throw: nil error":         streams.Throw[int](nil),
		"streams: Map: nil function":        streams.Map[int, int](o, nil),
		"streams: MapErr: nil function":     streams.MapErr[int, int](o, nil),
		"streams: Scan: nil function":       streams.Scan(o, 0, nil),
		"streams: Filter: nil function":     o.Filter(nil),
		"streams: TakeWhile: nil function":  o.TakeWhile(nil),
	} {
		t.Run(want, func(t *testing.T) { expectError(t, o, want) })
	}
}
