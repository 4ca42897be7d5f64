package streams_test

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestMergeEmitsValuesAsTheyArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		every := func(d time.Duration, name string) streams.Observable[string] {
			return streams.Map(streams.Interval(d), func(int) string { return name })
		}
		o := streams.Merge(every(2*time.Second, "two"), every(5*time.Second, "five"))
		expect(t, o.Take(5), []string{"two", "two", "five", "two", "two"}, nil)
	})
}

func TestMergeCompletesWithTheLastSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		expect(t, streams.Merge(streams.Of(1), after(time.Hour, 2), streams.Empty[int]()), []int{1, 2}, nil)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("it took %v, want 1h", d)
		}
	})
}

func TestMergeEndsWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(probe)
		var told error
		waiting := streams.Create(func(ctx context.Context, _ func(int) bool) error {
			p.add(1)
			defer p.add(-1)
			<-ctx.Done()
			time.Sleep(time.Minute) // a source that ends slowly: Merge waits for it
			told = ctx.Err()
			return errTest
		})
		start := time.Now()
		o := streams.Merge(
			waiting,
			streams.Concat(after(time.Second, 1), streams.Throw[int](errCause)),
			streams.Concat(after(2*time.Second, 2)),
		)
		got, err := collect(t.Context(), o)
		if !slices.Equal(got, []int{1}) || err != errCause {
			t.Errorf("got %v, %v; want [1], %v", got, err, errCause)
		}
		if running, runs := p.counts(); running != 0 || runs != 1 || told != context.Canceled {
			t.Errorf("%d of %d other sources are running; their context said %v", running, runs, told)
		}
		if d := time.Since(start); d != time.Minute+time.Second {
			t.Errorf("Merge returned after %v, want 1m1s: it waits for its sources", d)
		}
	})
}

// A cancelled merge receives the last message of each source: many sources, many
// times, cancelled at different moments.
func TestMergeCancelledAtAnyMoment(t *testing.T) {
	for n := range 300 {
		ctx, cancel := context.WithCancelCause(t.Context())
		sources := make([]streams.Observable[int], 8)
		for i := range sources {
			sources[i] = streams.Range(0, 20)
			if i%4 == 3 {
				sources[i] = streams.Never[int]()
			}
		}
		seen := 0
		err := streams.Merge(sources...).Run(ctx, func(int) bool {
			if seen++; seen == n%100+1 {
				cancel(errCause)
			}
			return true
		})
		if err != errCause || seen != n%100+1 {
			t.Fatalf("cancelled at %d: %d values, %v; want %v", n%100+1, seen, err, errCause)
		}
	}
}

// While emit cancels, every source is waiting with its next value.
func TestMergeEmitsNothingAfterACancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		quick := streams.Range(0, 100)
		emitted := 0
		err := streams.Merge(quick, quick, quick).Run(ctx, func(int) bool {
			if emitted++; emitted == 10 {
				synctest.Wait()
				cancel(errCause)
			}
			return true
		})
		if emitted != 10 || err != errCause {
			t.Errorf("%d values and %v, want 10 and %v", emitted, err, errCause)
		}
	})
}

// Sources that have a value ready while emit runs take turns.
func TestMergeIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 100
		var sources []streams.Observable[int]
		for id := range 3 {
			sources = append(sources, streams.Map(streams.Range(0, each), func(int) int { return id }))
		}
		var got []int
		err := streams.Merge(sources...).Run(t.Context(), func(id int) bool {
			got = append(got, id)
			time.Sleep(time.Second)
			return true
		})
		if err != nil || len(got) != 3*each {
			t.Fatalf("%d values, %v; want %d, nil", len(got), err, 3*each)
		}
		for i := 3; i < len(got)-3; i++ {
			if got[i] != got[i-3] {
				t.Fatalf("values %d to %d came from the sources %v: they do not take turns", i-3, i, got[i-3:i+1])
			}
		}
	})
}

// Backpressure is the call: while emit runs, each source has produced at most its
// next value.
func TestMergeBuffersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var produced atomic.Int64
		source := streams.Map(streams.Range(0, 1000), func(n int) int { produced.Add(1); return n })
		emitted := 0
		err := streams.Merge(source, source, source).Run(t.Context(), func(int) bool {
			emitted++
			time.Sleep(time.Second)
			synctest.Wait()
			if n := int(produced.Load()); n > emitted+2 {
				t.Fatalf("%d values were produced for %d emitted: each of the 3 sources may be one ahead", n, emitted)
			}
			return emitted < 100
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A value belongs to the subscriber until emit returns; then the source may reuse its
// memory. The race detector finds an earlier reuse.
func TestMergeSourceWaitsForEmit(t *testing.T) {
	reusing := streams.Create(func(_ context.Context, emit func([]byte) bool) error {
		buf := make([]byte, 1)
		for n := range 1000 {
			buf[0] = byte(n)
			if !emit(buf) {
				break
			}
		}
		buf[0] = 0
		return nil
	})
	for _, stop := range []int{100, 10_000} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		_ = streams.Merge(reusing, reusing).Run(ctx, func(b []byte) bool {
			before := b[0]
			if seen++; seen == stop/2 {
				cancel()
			}
			runtime.Gosched()
			if b[0] != before {
				t.Error("a value changed while emit was reading it")
			}
			return seen < stop
		})
		cancel()
	}
}

func TestMergeOfIntervalsSkipsTicksWhileEmitRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		err := streams.Merge(streams.Interval(time.Second), streams.Never[int]()).Take(3).Run(t.Context(), func(n int) bool {
			got = append(got, n)
			time.Sleep(2500 * time.Millisecond)
			return true
		})
		if want := []int{0, 3, 6}; !slices.Equal(got, want) || err != nil {
			t.Errorf("got %v, %v; want %v, nil", got, err, want)
		}
	})
}
