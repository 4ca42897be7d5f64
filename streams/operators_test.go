package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestMapChangesTheType(t *testing.T) {
	expect(t, streams.Map(streams.Range(8, 3), strconv.Itoa), []string{"8", "9", "10"}, nil)
}

func TestMapErrEndsWithTheFirstError(t *testing.T) {
	p := new(probe)
	calls := 0
	o := streams.MapErr(p.of(1, 2, 3), func(_ context.Context, n int) (string, error) {
		if calls++; n == 2 {
			return "ignored", errTest
		}
		return strconv.Itoa(n), nil
	})
	expect(t, o, []string{"1"}, errTest)
	if running, _ := p.counts(); calls != 2 || running != 0 {
		t.Errorf("%d calls and %d sources running; want 2 and 0", calls, running)
	}

	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	got, err := collect(ctx, streams.MapErr(streams.Of(1), func(ctx context.Context, _ int) (any, error) { return ctx.Value(key{}), nil }))
	if len(got) != 1 || got[0] != "mine" || err != nil {
		t.Errorf("the function's context holds %v, %v; want the subscription's values", got, err)
	}
}

func TestScanStartsEachSubscriptionWithTheSeed(t *testing.T) {
	o := streams.Scan(streams.Of(1, 2, 3), "0", func(acc string, n int) string { return fmt.Sprint(acc, "+", n) })
	for range 2 {
		expect(t, o, []string{"0+1", "0+1+2", "0+1+2+3"}, nil)
	}
	expect(t, streams.Scan(streams.Empty[int](), 7, func(acc, n int) int { return n }), nil, nil)
}

func TestTake(t *testing.T) {
	p := new(probe)
	expect(t, p.of(1, 2).Take(0), nil, nil)
	if _, runs := p.counts(); runs != 0 {
		t.Errorf("Take(0) subscribed %d times, want 0", runs)
	}
	// It does not wait for a value after the last one.
	expect(t, streams.Never[int]().StartWith(1, 2).Take(2), []int{1, 2}, nil)
	expect(t, p.of(1, 2).Take(3), []int{1, 2}, nil)
	expect(t, streams.Concat(streams.Of(1), streams.Throw[int](errTest)).Take(1), []int{1}, nil)
	expect(t, streams.Concat(streams.Of(1), streams.Throw[int](errTest)).Take(2), []int{1}, errTest)
	expectError(t, p.of(1).Take(-2), "streams: Take: count -2 is negative")
}

func TestSkip(t *testing.T) {
	o := streams.Of(1, 2, 3)
	for range 2 {
		expect(t, o.Skip(2), []int{3}, nil)
	}
	expect(t, o.Skip(0), []int{1, 2, 3}, nil)
	expect(t, o.Skip(4), nil, nil)
	expectError(t, o.Skip(-1), "streams: Skip: count -1 is negative")
}

func TestTakeWhile(t *testing.T) {
	small := func(n int) bool { return n < 3 }
	expect(t, streams.Never[int]().StartWith(1, 2, 3, 1).TakeWhile(small), []int{1, 2}, nil)
	expect(t, streams.Of(1, 2).TakeWhile(small), []int{1, 2}, nil)
	expect(t, streams.Of(5).TakeWhile(small), nil, nil)
	expect(t, streams.Concat(streams.Of(1), streams.Throw[int](errTest)).TakeWhile(small), []int{1}, errTest)
}

func TestDistinctUntilChanged(t *testing.T) {
	o := streams.DistinctUntilChanged(streams.Of("", "", "a", "a", "", "a"))
	for range 2 {
		expect(t, o, []string{"", "a", "", "a"}, nil)
	}
	// An interface's values may turn out not to be comparable.
	_, err := collect(t.Context(), streams.DistinctUntilChanged(streams.Of[any]([]int{1}, []int{1})))
	if !isPanic(err) {
		t.Errorf("Run = %v, want a *PanicError", err)
	}
}

func TestConcat(t *testing.T) {
	p := new(probe)
	t.Run("subscribes to one source at a time", func(t *testing.T) {
		seen := []int{}
		watched := streams.Map(p.of(1, 2), func(n int) int {
			running, runs := p.counts()
			seen = append(seen, running, runs)
			return n
		})
		expect(t, streams.Concat(watched, watched), []int{1, 2, 1, 2}, nil)
		if want := []int{1, 1, 1, 1, 1, 2, 1, 2}; !slices.Equal(seen, want) {
			t.Errorf("running and started sources at each value: %v, want %v", seen, want)
		}
	})
	t.Run("ends with an error", func(t *testing.T) {
		p := new(probe)
		expect(t, streams.Concat(streams.Of(1), streams.Throw[int](errTest), p.of(2)), []int{1}, errTest)
		if _, runs := p.counts(); runs != 0 {
			t.Error("Concat subscribed to the source after the error")
		}
	})
	t.Run("does not continue with the next source when stopped or cancelled", func(t *testing.T) {
		p := new(probe)
		o := streams.Concat(streams.Of(1), p.of(2))
		expect(t, o.Take(1), []int{1}, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		if err := o.Run(ctx, func(int) bool { cancel(errCause); return true }); err != errCause {
			t.Errorf("Run = %v, want %v", err, errCause)
		}
		if _, runs := p.counts(); runs != 0 {
			t.Error("Concat subscribed to the next source")
		}
	})
	t.Run("copies its arguments", func(t *testing.T) {
		sources := []streams.Observable[int]{streams.Of(1), streams.Of(2)}
		concat, merge := streams.Concat(sources...), streams.Merge(sources...)
		sources[0], sources[1] = streams.Throw[int](errTest), streams.Throw[int](errTest)
		expect(t, concat, []int{1, 2}, nil)
		if got, err := collect(t.Context(), merge); len(got) != 2 || err != nil {
			t.Errorf("Merge gave %v, %v; want two values", got, err)
		}
	})
}

func TestStartWith(t *testing.T) {
	expect(t, streams.Of(3).StartWith(1, 2), []int{1, 2, 3}, nil)
	expect(t, streams.Throw[int](errTest).StartWith(1), []int{1}, errTest)
}

func TestTap(t *testing.T) {
	watch := func(log *[]string) streams.Hooks[int] {
		return streams.Hooks[int]{
			Next:     func(n int) { *log = append(*log, fmt.Sprint("next ", n)) },
			Error:    func(err error) { *log = append(*log, fmt.Sprint("error ", err)) },
			Complete: func() { *log = append(*log, "complete") },
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for name, tt := range map[string]struct {
		ctx  context.Context
		o    func(tap streams.Hooks[int]) streams.Observable[int]
		want []string
		err  error
	}{
		"complete": {t.Context(), func(tap streams.Hooks[int]) streams.Observable[int] {
			return streams.Of(1, 2).Tap(tap)
		}, []string{"next 1", "next 2", "complete"}, nil},
		"error": {t.Context(), func(tap streams.Hooks[int]) streams.Observable[int] {
			return streams.Throw[int](errTest).StartWith(1).Tap(tap)
		}, []string{"next 1", "error test error"}, errTest},
		"cancelled": {ctx, func(tap streams.Hooks[int]) streams.Observable[int] {
			return streams.Map(streams.Of(1, 2), func(n int) int { cancel(errCause); return n }).Tap(tap)
		}, []string{"next 1", "error test cause"}, errCause},
		"stopped by the subscriber": {t.Context(), func(tap streams.Hooks[int]) streams.Observable[int] {
			return streams.Of(1, 2).Tap(tap).Take(1)
		}, []string{"next 1"}, nil},
		"stopped before": {t.Context(), func(tap streams.Hooks[int]) streams.Observable[int] {
			return streams.Of(1, 2).Take(1).Tap(tap)
		}, []string{"next 1", "complete"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log []string
			err := tt.o(watch(&log)).Run(tt.ctx, func(int) bool { return true })
			if !slices.Equal(log, tt.want) || err != tt.err {
				t.Errorf("the hooks saw %q, Run returned %v; want %q, %v", log, err, tt.want, tt.err)
			}
		})
	}
}

func TestTapPanicCallsNoFurtherHook(t *testing.T) {
	calls := 0
	o := streams.Of(1).Tap(streams.Hooks[int]{
		Next:     func(int) { panic(errTest) },
		Error:    func(error) { calls++ },
		Complete: func() { calls++ },
	})
	_, err := collect(t.Context(), o)
	if calls != 0 || !errors.Is(err, errTest) {
		t.Errorf("%d further calls and %v, want none and %v", calls, err, errTest)
	}
}
