package streams_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// publish gives the values [from, to) to s.
func publish(t *testing.T, s *streams.Subject[int], from, to int) {
	t.Helper()
	for v := from; v < to; v++ {
		if err := s.Next(v); err != nil {
			t.Fatalf("Next(%d) = %v", v, err)
		}
	}
}

// A subscriber collects what an observable gives it, in a goroutine of its own.
type subscriber struct {
	got  []int
	err  error
	done chan struct{}
}

func subscribe(ctx context.Context, o streams.Observable[int]) *subscriber {
	s := &subscriber{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.got, s.err = collect(ctx, o)
	}()
	return s
}

// expect waits for the end of the subscription.
func (s *subscriber) expect(t *testing.T, want []int, wantErr error) {
	t.Helper()
	<-s.done
	if !slices.Equal(s.got, want) || s.err != wantErr {
		t.Errorf("the subscriber got %v, %v; want %v, %v", s.got, s.err, want, wantErr)
	}
}

func TestSubjectGivesEachValueToAll(t *testing.T) {
	for name, end := range map[string]error{"Complete": nil, "Error": errTest} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := streams.NewSubject[int](streams.SubjectConfig{})
				publish(t, s, 0, 2) // to nobody

				early := subscribe(t.Context(), s.Observable())
				leaving := subscribe(t.Context(), s.Observable().Take(3))
				synctest.Wait()
				publish(t, s, 2, 4)

				synctest.Wait()
				late := subscribe(t.Context(), s.OnLag(nil))
				synctest.Wait()
				publish(t, s, 4, 6)
				if end == nil {
					s.Complete()
				} else {
					s.Error(end)
				}
				early.expect(t, []int{2, 3, 4, 5}, end)
				leaving.expect(t, []int{2, 3, 4}, nil)
				late.expect(t, []int{4, 5}, end)

				// After the end: at once the end, and nothing changes it.
				s.Complete()
				s.Error(errCause)
				if err := s.Next(6); err != streams.ErrEnded {
					t.Errorf("Next after the end = %v, want %v", err, streams.ErrEnded)
				}
				expect(t, s.Observable(), nil, end)
				expect(t, s.OnLag(nil), nil, end)
				if got, want := s.Stats(), (streams.SubjectStats{Published: 6, Ended: true}); got != want {
					t.Errorf("Stats = %+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestSubjectDeliversWhatIsPendingBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int](streams.SubjectConfig{})
		var got []int
		slow := streams.Map(s.Observable(), func(v int) int { time.Sleep(time.Second); return v })
		done := make(chan error)
		go func() { done <- slow.Run(t.Context(), func(v int) bool { got = append(got, v); return true }) }()
		synctest.Wait()
		publish(t, s, 0, 1000)
		s.Error(errTest)
		if err := <-done; err != errTest || len(got) != 1000 || !slices.IsSorted(got) {
			t.Errorf("the slow subscriber got %d values and %v, want 1000 and %v", len(got), err, errTest)
		}
	})
}

// The last value and the end come right after each other, while the subscriber looks
// whether there is more.
func TestSubjectEndRacesWithTheLastValue(t *testing.T) {
	for range 2000 {
		s := streams.NewSubject[int](streams.SubjectConfig{})
		sub := subscribe(t.Context(), s.Observable())
		for s.Stats().Subscribers == 0 {
			runtime.Gosched()
		}
		publish(t, s, 0, 3)
		s.Complete()
		sub.expect(t, []int{0, 1, 2}, nil)
	}
}

func TestSubjectErrorWithoutAnError(t *testing.T) {
	s := streams.NewSubject[int](streams.SubjectConfig{})
	s.Error(nil)
	expectError(t, s.Observable(), "streams: Subject: Error: the error is nil")
}

func TestSubjectInItsSubscriber(t *testing.T) {
	s := streams.NewSubject[int](streams.SubjectConfig{})
	// Each value publishes the next one, and the last one ends the stream and cancels
	// it: that comes too late to matter.
	ctx, cancel := context.WithCancelCause(t.Context())
	var got []int
	first := streams.Merge(s.Observable(), streams.Create(func(context.Context, func(int) bool) error {
		for s.Stats().Subscribers == 0 {
			runtime.Gosched()
		}
		return s.Next(0)
	}))
	err := first.Run(ctx, func(v int) bool {
		got = append(got, v)
		if v == 9 {
			s.Complete()
			cancel(errCause)
		} else if err := s.Next(v + 1); err != nil {
			t.Error(err)
		}
		return true
	})
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) || err != nil {
		t.Errorf("got %v, %v; want %v, nil", got, err, want)
	}
}

func TestSubjectSubscriberIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int](streams.SubjectConfig{})
		ctx, cancel := context.WithCancelCause(t.Context())
		waiting := subscribe(ctx, s.Observable())
		busy := subscribe(ctx, s.Observable().Tap(streams.Hooks[int]{Next: func(v int) {
			time.Sleep(time.Second)
			if v == 1 {
				cancel(errCause) // with values pending
			}
		}}))
		synctest.Wait()
		publish(t, s, 0, 5)
		waiting.expect(t, []int{0, 1, 2, 3, 4}, errCause)
		busy.expect(t, []int{0, 1}, errCause)
		if got := s.Stats().Subscribers; got != 0 {
			t.Errorf("%d subscribers are counted, want none", got)
		}
	})
}

// One subscriber is stuck for good. The others get everything, the publisher does not
// wait, and the window does not grow.
func TestSubjectWithAStuckSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const values, batch = 100_000, 1000
		s := streams.NewSubject[int](streams.SubjectConfig{})
		release := make(chan struct{})
		var told []uint64
		var afterLag []int
		stuck := make(chan error)
		go func() {
			stuck <- s.OnLag(func(n uint64) { told = append(told, n) }).Run(t.Context(), func(v int) bool {
				if v == 0 {
					<-release
				} else if len(told) > 0 {
					afterLag = append(afterLag, v)
				}
				return true
			})
		}()
		var others []*subscriber
		for range 10 {
			others = append(others, subscribe(t.Context(), s.Observable()))
		}
		synctest.Wait()

		want := make([]int, values)
		for v := range want {
			want[v] = v
		}
		start := time.Now()
		for v := 0; v < values; v += batch {
			publish(t, s, v, v+batch)
			synctest.Wait() // lets the others catch up; nobody sleeps, so it takes no time
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("publishing took %v of virtual time, want none", d)
		}
		s.Complete()
		for _, other := range others {
			other.expect(t, want, nil)
		}

		close(release)
		if err := <-stuck; err != nil {
			t.Errorf("the stuck subscriber ended with %v", err)
		}
		if len(told) != 1 || len(afterLag) < 1024 || len(afterLag) > 1024+256 ||
			afterLag[0] != values-len(afterLag) || s.Stats().Missed != told[0] {
			t.Errorf("the stuck subscriber was told %v, then got %d values, and Stats counts %d missed", told, len(afterLag), s.Stats().Missed)
		}
	})
}

func TestSubjectLagError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int](streams.SubjectConfig{Window: 4})
		var got []int
		done := make(chan error)
		go func() {
			done <- s.Observable().Run(t.Context(), func(v int) bool {
				got = append(got, v)
				time.Sleep(time.Second)
				return true
			})
		}()
		synctest.Wait()
		publish(t, s, 0, 1)
		synctest.Wait() // emit is busy with 0
		publish(t, s, 1, 100)
		s.Complete() // the lag comes first: the stream is not whole
		err := <-done
		lag, ok := errors.AsType[*streams.LagError](err)
		if !ok || !slices.Equal(got, []int{0}) || lag.Missed < 99-5 || lag.Missed > 99-4 {
			t.Fatalf("the subscriber got %v, %v; want [0] and a *LagError for all of the other 99 but 4 or 5", got, err)
		}
		if want := fmt.Sprintf("streams: Subject: the subscriber fell behind and missed %d values", lag.Missed); err.Error() != want {
			t.Errorf("Error() = %q, want %q", err.Error(), want)
		}
	})
}

func TestSubjectOnLagPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int](streams.SubjectConfig{Window: 1})
		slow := s.OnLag(func(uint64) { functionThatPanics() }).Tap(streams.Hooks[int]{Next: func(int) { time.Sleep(time.Second) }})
		sub := subscribe(t.Context(), slow)
		synctest.Wait()
		publish(t, s, 0, 1)
		synctest.Wait()
		publish(t, s, 1, 50)
		<-sub.done
		if !isPanic(sub.err) {
			t.Errorf("the subscriber ended with %v, want a *PanicError", sub.err)
		}
	})
}

// Every value is accounted for. The published values are their own numbers, so a
// subscriber knows at each one whether what it got and what it was told it missed add
// up to what was published since it came.
func TestSubjectLedger(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 0))
				window := 1 + rng.IntN(40)
				s := streams.NewSubject[int](streams.SubjectConfig{Window: window})
				var published atomic.Int64 // by the bubble's main goroutine, on whole milliseconds
				var wg sync.WaitGroup
				var missedInAll atomic.Uint64
				var lags atomic.Int64

				for range 60 {
					// Arrivals fall between two milliseconds: published is settled then.
					arrive := time.Duration(rng.IntN(1000))*time.Millisecond + 500*time.Microsecond
					pause := time.Duration(rng.IntN(8)) * time.Millisecond
					stay := 1 + rng.IntN(2000)
					strict := rng.IntN(3) == 0
					wg.Go(func() {
						time.Sleep(arrive)
						from := int(published.Load())
						expected, received, missed := from, 0, uint64(0)
						o := s.OnLag(func(n uint64) {
							if n == 0 {
								t.Error("told of a lag of 0")
							}
							lags.Add(1)
							missed += n
							expected += int(n)
						})
						if strict {
							o = s.Observable()
						}
						err := o.Run(t.Context(), func(v int) bool {
							if v != expected {
								t.Errorf("value %d came instead of %d", v, expected)
							}
							expected++
							received++
							time.Sleep(pause)
							return received < stay
						})
						if lag, ok := errors.AsType[*streams.LagError](err); ok && strict {
							missed += lag.Missed
							lags.Add(1)
							if first, end := expected+int(lag.Missed), int(s.Stats().Published); first > end-window {
								t.Errorf("LagError{%d} after %d: %d was still in a window of %d of %d", lag.Missed, expected-1, first-1, window, end)
							}
						} else if err != nil {
							t.Errorf("the subscription ended with %v", err)
						} else if all := int(published.Load()); received < stay && from+received+int(missed) != all {
							t.Errorf("got %d and missed %d since %d, of %d published", received, missed, from, all)
						}
						missedInAll.Add(missed)
					})
				}
				for range 1000 {
					time.Sleep(time.Millisecond)
					for range rng.IntN(3) * rng.IntN(12) {
						if err := s.Next(int(published.Load())); err != nil {
							t.Error(err)
						}
						published.Add(1)
					}
				}
				s.Complete()
				wg.Wait()
				want := streams.SubjectStats{Published: uint64(published.Load()), Missed: missedInAll.Load(), Ended: true}
				if got := s.Stats(); got != want {
					t.Errorf("Stats = %+v, want %+v", got, want)
				}
				if lags.Load() == 0 {
					t.Error("nobody lagged: the test does not test what it says")
				}
			})
		})
	}
}

// The same without virtual time: publishers and subscribers run freely.
func TestSubjectLedgerUnderLoad(t *testing.T) {
	const values, subscribers = 20_000, 50
	s := streams.NewSubject[int](streams.SubjectConfig{Window: 64})
	var wg sync.WaitGroup
	for id := range subscribers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(id)))
			for over := false; !over; {
				before := int(s.Stats().Published)
				expected, told, stay := -1, 0, 1+rng.IntN(500)
				err := s.OnLag(func(n uint64) { told += int(n) }).Run(t.Context(), func(v int) bool {
					switch {
					case expected >= 0 && v != expected+told:
						t.Errorf("value %d came instead of %d with %d told as missed", v, expected, told)
					case expected < 0 && v-told < before:
						t.Errorf("value %d came with %d told as missed, but %d were published before", v, told, before)
					}
					expected, told = v+1, 0
					for range rng.IntN(20) {
						runtime.Gosched()
					}
					stay--
					return stay > 0
				})
				if err != nil {
					t.Error(err)
				}
				if over = stay > 0; over && expected >= 0 && expected+told != values {
					t.Errorf("the last value before the end was %d with %d told as missed, want %d in all", expected-1, told, values)
				}
			}
		})
	}
	for v := range values {
		if err := s.Next(v); err != nil {
			t.Error(err)
		}
		if v%16 == 0 {
			runtime.Gosched()
		}
	}
	s.Complete()
	wg.Wait()
	if got := s.Stats(); got.Subscribers != 0 || got.Published != values {
		t.Errorf("Stats = %+v, want no subscribers and %d published", got, values)
	}
}

// A thousand subscribers come and go while values are published. Nothing of them
// stays: no goroutine, and no memory.
func TestSubjectSubscribersLeaveNothingBehind(t *testing.T) {
	const subscribers = 1000
	s := streams.NewSubject[int](streams.SubjectConfig{})
	v := 0
	round := func() {
		var wg sync.WaitGroup
		var here atomic.Int64
		here.Store(subscribers)
		for id := range subscribers {
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				defer here.Add(-1)
				defer cancel()
				seen := 0
				o := streams.Map(s.Observable(), func(v int) int { return v + 1 }).Filter(func(v int) bool { return v > 0 })
				_ = o.Run(ctx, func(int) bool {
					if seen++; id%3 == 0 && seen == 5 {
						cancel() // some are cancelled, some stop, some stop late
					}
					return seen < 10+id%7
				})
			})
		}
		for ; here.Load() > 0; v++ {
			if err := s.Next(v); err != nil {
				t.Fatal(err)
			}
			runtime.Gosched()
		}
		wg.Wait()
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}

	round() // fills the window, and the runtime's own store of goroutines
	goroutines := runtime.NumGoroutine()
	each := 0.0
	for range 5 { // what others do in the process comes and goes; what a departed one leaves does not
		before := heap()
		round()
		if each = (float64(heap()) - float64(before)) / subscribers; each < 64 {
			break
		}
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines are left, there were %d", n, goroutines)
	}
	t.Logf("%.1f bytes of heap for each of %d departed subscribers", each, subscribers)
	if each >= 64 {
		t.Errorf("%.1f bytes of heap are left for each departed subscriber, want less than 64", each)
	}
	runtime.KeepAlive(s)
}

// The window's values are all that a subject holds.
func TestSubjectMemoryIsBounded(t *testing.T) {
	const window, values = 1024, 50_000
	var alive atomic.Int64
	s := streams.NewSubject[*[64]byte](streams.SubjectConfig{Window: window})
	for range values {
		v := new([64]byte)
		alive.Add(1)
		runtime.AddCleanup(v, func(struct{}) { alive.Add(-1) }, struct{}{})
		_ = s.Next(v)
	}
	for range 100 {
		runtime.GC()
		if alive.Load() < window*5/4 {
			break
		}
		runtime.Gosched()
	}
	if n := alive.Load(); n < window || n >= window*5/4 {
		t.Errorf("%d of %d values are alive, want %d to %d", n, values, window, window*5/4)
	}
	runtime.KeepAlive(s)
}

func TestSubjectNextAllocatesOnlySegments(t *testing.T) {
	s := streams.NewSubject[int](streams.SubjectConfig{})
	for v := range 4096 {
		_ = s.Next(v)
	}
	if n := testing.AllocsPerRun(256, func() { _ = s.Next(1) }); n > 0.1 {
		t.Errorf("Next allocates %v times, want only for a new segment now and then", n)
	}
}
