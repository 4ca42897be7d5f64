package streams_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestCreateDropsValuesAfterEmitReturnedFalse(t *testing.T) {
	stubborn := streams.Create(func(_ context.Context, emit func(int) bool) error {
		for v := range 10 {
			if got := emit(v); got != (v < 2) {
				t.Errorf("emit(%d) = %t", v, got)
			}
		}
		return errTest
	})
	expect(t, stubborn.Take(3), []int{0, 1, 2}, nil)
	expect(t, streams.Concat(stubborn.Take(3), streams.Of(7)), []int{0, 1, 2, 7}, nil)
}

func TestCreateDropsValuesAfterRunReturned(t *testing.T) {
	var kept func(int) bool
	o := streams.Create(func(_ context.Context, emit func(int) bool) error {
		kept = emit
		emit(1)
		return nil
	})
	got, err := collect(t.Context(), o)
	if kept(2) {
		t.Error("emit after the stream had ended returned true")
	}
	if !slices.Equal(got, []int{1}) || err != nil {
		t.Errorf("got %v, %v; want [1], nil", got, err)
	}
}

func TestCreateRunsConcurrentCallsOneAtATime(t *testing.T) {
	const emitters, each = 8, 500
	o := streams.Create(func(_ context.Context, emit func(int) bool) error {
		var wg sync.WaitGroup
		for range emitters {
			wg.Go(func() {
				for v := range each {
					emit(v)
				}
			})
		}
		wg.Wait()
		return nil
	})
	sum := 0 // the race detector would see two calls at once
	if err := o.Run(t.Context(), func(v int) bool { sum += v; return true }); err != nil {
		t.Fatal(err)
	}
	if want := emitters * each * (each - 1) / 2; sum != want {
		t.Errorf("the values add up to %d, want %d", sum, want)
	}
}

// In a source with callbacks run only waits for ctx, so ctx must end when the
// subscriber stops the stream, and not only when the subscription is cancelled.
func TestCreateCancelsItsContextWhenTheSubscriberStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callbacks := streams.Create(func(ctx context.Context, emit func(int) bool) error {
			n := 0
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for ; ctx.Err() == nil; n++ {
					emit(n)
					time.Sleep(time.Second)
				}
			})
			<-ctx.Done()
			return context.Cause(ctx)
		})
		expect(t, callbacks.Take(3), []int{0, 1, 2}, nil)
	})
}

func TestCreateWaitsForACallFromAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := streams.Create(func(_ context.Context, emit func(int) bool) error {
			go emit(1)
			synctest.Wait() // emit is running now
			return nil
		})
		busy := false
		err := o.Run(t.Context(), func(int) bool {
			busy = true
			time.Sleep(time.Minute)
			busy = false
			return true
		})
		if busy || err != nil {
			t.Errorf("Run = %v while emit was running: %t", err, busy)
		}
	})
}

// A source that never checks its context is cancelled too.
func TestCreateEmitReturnsFalseAfterCancellation(t *testing.T) {
	for name, after := range map[string]error{
		"run returns nil":           nil,
		"run returns an error":      errTest,
		"run returns the ctx error": context.Canceled,
	} {
		t.Run(name, func(t *testing.T) {
			endless := streams.Create(func(_ context.Context, emit func(int) bool) error {
				for v := 0; emit(v); v++ {
				}
				return after
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			var got []int
			err := endless.Run(ctx, func(v int) bool {
				if got = append(got, v); v == 2 {
					cancel(errCause)
				}
				return true
			})
			if !slices.Equal(got, []int{0, 1, 2}) || err != errCause {
				t.Errorf("Run gave %v, %v; want [0 1 2], %v", got, err, errCause)
			}
		})
	}
}

func TestCreateError(t *testing.T) {
	o := streams.Create(func(_ context.Context, emit func(int) bool) error {
		emit(1)
		return errTest
	})
	expect(t, o, []int{1}, errTest)
	if _, err := collect(t.Context(), o); err != errTest {
		t.Errorf("Run = %v, want the same error", err)
	}
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*streams.PanicError](err)
	return ok
}
