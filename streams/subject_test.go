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

func TestSubjectGivesEachValueToAllSubscribers(t *testing.T) {
	for name, end := range map[string]error{"Complete": nil, "Error": errTest} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := streams.NewSubject[int]()
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

				// Later calls change nothing, and later subscribers see the end at once.
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

func TestSubjectDeliversPendingValuesBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int]()
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

// The publisher ends the subject right after the last value, while the subscriber
// reads. TestSubjectLastValueBeforeComplete checks each interleaving.
func TestSubjectCompleteRacesWithRead(t *testing.T) {
	for range 2000 {
		s := streams.NewSubject[int]()
		sub := subscribe(t.Context(), s.Observable())
		for s.Stats().Subscribers == 0 {
			runtime.Gosched()
		}
		publish(t, s, 0, 3)
		s.Complete()
		sub.expect(t, []int{0, 1, 2}, nil)
	}
}

// The zero Subject works, whichever method makes its window.
func TestSubjectZeroValue(t *testing.T) {
	for name, first := range map[string]func(*streams.Subject[int]){
		"Next":       func(s *streams.Subject[int]) { publish(t, s, 7, 8) },
		"Stats":      func(s *streams.Subject[int]) { s.Stats() },
		"Observable": func(*streams.Subject[int]) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s streams.Subject[int]
				first(&s)
				sub := subscribe(t.Context(), s.Observable())
				synctest.Wait()
				publish(t, &s, 0, 2)
				s.Complete()
				sub.expect(t, []int{0, 1}, nil)
			})
		})
	}
	t.Run("Complete", func(t *testing.T) {
		var s streams.Subject[int]
		s.Complete()
		expect(t, s.Observable(), nil, nil)
	})
	t.Run("used by many goroutines at once", func(t *testing.T) {
		for range 100 {
			var s streams.Subject[int]
			var wg sync.WaitGroup
			start := make(chan struct{})
			for range 8 {
				wg.Go(func() { <-start; _ = s.Next(1) })
			}
			close(start)
			wg.Wait()
			if n := s.Stats().Published; n != 8 {
				t.Fatalf("%d values were published, want 8: there was more than one window", n)
			}
		}
	})
}

func TestNewSubjectRejectsTwoConfigs(t *testing.T) {
	value, _ := catch(func() { streams.NewSubject[int](streams.SubjectConfig{}, streams.SubjectConfig{}) })
	if want := "streams: NewSubject: more than one SubjectConfig"; value != want {
		t.Errorf("NewSubject panicked with %v, want %q", value, want)
	}
}

func TestSubjectErrorNil(t *testing.T) {
	s := streams.NewSubject[int]()
	s.Error(nil)
	expectError(t, s.Observable(), "streams: Subject: Error: nil error")
}

func TestSubjectPublishesFromItsSubscriber(t *testing.T) {
	s := streams.NewSubject[int]()
	// emit publishes the next value. At the last one it ends the subject and cancels the
	// subscription, which is then complete already.
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

func TestSubjectCancelledSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := streams.NewSubject[int]()
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
			t.Errorf("Stats counts %d subscribers, want 0", got)
		}
	})
}

// While one subscriber is stuck, the others get every value, the publisher does not
// wait, and the window does not grow.
func TestSubjectStuckSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const values, batch = 100_000, 1000
		s := streams.NewSubject[int]()
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
			synctest.Wait() // lets the others catch up; nothing sleeps, so no time passes
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
		synctest.Wait() // emit is handling 0
		publish(t, s, 1, 100)
		s.Complete() // the *LagError comes first, because values are missing
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

// Every value is accounted for. Each value is the number of values published before
// it. So a subscriber can check at each value that the values it got and those it was
// told it missed add up to those published since it subscribed.
func TestSubjectLedger(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 0))
				window := 1 + rng.IntN(40)
				s := streams.NewSubject[int](streams.SubjectConfig{Window: window})
				var published atomic.Int64 // changed by the bubble's main goroutine, on whole milliseconds
				var wg sync.WaitGroup
				var missedInAll atomic.Uint64
				var lags atomic.Int64

				for range 60 {
					// Subscribers arrive between two milliseconds, when published does not change.
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
								t.Error("OnLag called its function with 0")
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
								t.Errorf("got value %d, want %d", v, expected)
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
					t.Error("no subscriber lagged, so the test has checked nothing")
				}
			})
		})
	}
}

// The same without virtual time: publisher and subscribers run concurrently.
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
						t.Errorf("got value %d, want %d after %d missed", v, expected, told)
					case expected < 0 && v-told < before:
						t.Errorf("got value %d after %d missed, but %d were published before the subscription", v, told, before)
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
					t.Errorf("the last value before the end was %d, after %d missed; want %d in total", expected-1, told, values)
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

// A thousand subscribers come and go while values are published. They leave no
// goroutine and no memory behind.
func TestSubjectSubscribersLeaveNothingBehind(t *testing.T) {
	const subscribers = 1000
	s := streams.NewSubject[int]()
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
						cancel() // some are cancelled, the others stop
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

	round() // fills the window, and the runtime's list of free goroutines
	goroutines := runtime.NumGoroutine()
	each := 0.0
	for range 5 { // other memory of the process varies; a leak would show in every round
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

// A subject keeps no value that has left the window.
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
	s := streams.NewSubject[int]()
	for v := range 4096 {
		_ = s.Next(v)
	}
	if n := testing.AllocsPerRun(256, func() { _ = s.Next(1) }); n > 0.1 {
		t.Errorf("Next allocates %v times, want only for a new segment now and then", n)
	}
}
