package rx

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactivex/rxgo/v2"
)

var errBoom = errors.New("boom")

// step is the time between two values of a test source.
const step = 10 * time.Millisecond

// numbers is a correct RxGo source: it emits 0, 1, 2 …, one every step, and after n
// values an error item if fail is not nil. If n < 0 it does not end.
func numbers(ctx context.Context, n int, fail error) rxgo.Observable {
	return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
		for i := 0; i != n; i++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(step):
			}
			if !rxgo.Of(i).SendContext(ctx, next) {
				return
			}
		}
		if fail != nil {
			rxgo.Error(fail).SendContext(ctx, next)
		}
	}}, rxgo.WithContext(ctx))
}

func odd(v int) bool { return v%2 == 1 }

func double(_ context.Context, v int) (int, error) { return 2 * v, nil }

func sum(_ context.Context, acc, v int) (int, error) { return acc + v, nil }

func less(limit int) func(int) bool { return func(v int) bool { return v < limit } }

// every returns a duration of n steps and a quarter, so that no tick is due at the same
// time as a value.
func every(n int) rxgo.Duration { return rxgo.WithDuration(time.Duration(n)*step + step/4) }

// A sound is an RxGo source or operator that docs/rxgo.md calls sound. Exactly
// one of source and operator is set.
type sound struct {
	name     string
	source   func(ctx context.Context) rxgo.Observable
	operator func(ctx context.Context, in rxgo.Observable) rxgo.Observable
	endless  bool  // the source never ends
	want     []any // the values until the end; of an operator, for the source 0, 1, 2, 3, 4
	fails    error // the error that the source ends with
	swallows bool  // an error of its source is dropped
	lastOnly bool  // sound only as the last operator of a pipeline
	mutex    bool  // waits for a mutex while its reader is slow, which stops virtual time
}

// sounds lists the sound sources and operators, in the order of docs/rxgo.md.
var sounds = []sound{
	{name: "Defer", source: func(ctx context.Context) rxgo.Observable { return numbers(ctx, 3, nil) }, want: []any{0, 1, 2}},
	{name: "Just", source: func(context.Context) rxgo.Observable { return rxgo.Just(1, 2, 3)() }, want: []any{1, 2, 3}},
	{name: "Range", source: func(context.Context) rxgo.Observable { return rxgo.Range(1, 3) }, want: []any{1, 2, 3}},
	{name: "Empty", source: func(context.Context) rxgo.Observable { return rxgo.Empty() }},
	{name: "Thrown", source: func(context.Context) rxgo.Observable { return rxgo.Thrown(errBoom) }, fails: errBoom},
	{name: "Map", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Map(Func(double))
	}, want: []any{0, 2, 4, 6, 8}},
	{name: "Filter", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Filter(Predicate(ctx, odd))
	}, want: []any{1, 3}},
	{name: "Scan", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Scan(Func2(sum))
	}, want: []any{0, 1, 3, 6, 10}},
	{name: "Skip", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Skip(3)
	}, want: []any{3, 4}},
	{name: "SkipWhile", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.SkipWhile(Predicate(ctx, less(3)))
	}, want: []any{3, 4}},
	{name: "TakeWhile", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.TakeWhile(Predicate(ctx, less(3)))
	}, want: []any{0, 1, 2}},
	{name: "TakeUntil", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.TakeUntil(Predicate(ctx, func(v int) bool { return v == 2 }))
	}, want: []any{0, 1, 2}},
	{name: "DistinctUntilChanged", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.DistinctUntilChanged(Func(func(_ context.Context, v int) (int, error) { return v / 2, nil }))
	}, want: []any{0, 2, 4}},
	{name: "BufferWithCount", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.BufferWithCount(2)
	}, want: []any{[]any{0, 1}, []any{2, 3}, []any{4}}, mutex: true},
	{name: "Timestamp", operator: func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Timestamp().Map(Func(func(_ context.Context, v rxgo.TimestampItem) (any, error) { return v.V, nil }))
	}, want: []any{0, 1, 2, 3, 4}},
	{name: "OnErrorResumeNext", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		fails := in.Map(Func(func(_ context.Context, v int) (int, error) {
			if v == 2 {
				return 0, errBoom
			}
			return v, nil
		}))
		return fails.OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable { return rxgo.Just(-1, -2)() }))
	}, want: []any{0, 1, -1, -2}, swallows: true},

	// The rest is sound because each subscription builds it with its own context.
	{name: "Interval", source: func(ctx context.Context) rxgo.Observable {
		return rxgo.Interval(every(1), rxgo.WithContext(ctx))
	}, endless: true},
	{name: "FromEventSource", source: func(ctx context.Context) rxgo.Observable {
		events := make(chan rxgo.Item)
		go func() {
			defer close(events)
			// The source starts to read when it is built: earlier items are lost.
			time.Sleep(step)
			for i := range 3 {
				if !rxgo.Of(i).SendContext(ctx, events) {
					return
				}
			}
		}()
		return rxgo.FromEventSource(events, rxgo.WithContext(ctx))
	}, want: []any{0, 1, 2}},
	{name: "FlatMap", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.FlatMap(ItemToObservable(func(v int) rxgo.Observable { return rxgo.Just(v, 10*v)() }), rxgo.WithContext(ctx))
	}, want: []any{0, 0, 1, 10, 2, 20, 3, 30, 4, 40}},
	{name: "ZipFromIterable", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.ZipFromIterable(numbers(ctx, 3, nil), Func2(sum), rxgo.WithContext(ctx))
	}, want: []any{0, 2, 4}},
	{name: "StartWith", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.StartWith(rxgo.Just(-2, -1)(), rxgo.WithContext(ctx))
	}, want: []any{-2, -1, 0, 1, 2, 3, 4}},
	{name: "Retry", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		tries := 0
		fails := in.Map(Func(func(_ context.Context, v int) (int, error) {
			if v == 2 && tries == 0 {
				tries++
				return 0, errBoom
			}
			return v, nil
		}))
		return fails.Retry(1, ShouldRetry(ctx, func(err error) bool { return err == errBoom && tries < 2 }), rxgo.WithContext(ctx))
	}, want: []any{0, 1, 0, 1, 2, 3, 4}},
	{name: "Sample", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Sample(rxgo.Interval(every(2), rxgo.WithContext(ctx)), rxgo.WithContext(ctx))
	}, want: []any{1, 3}, swallows: true, lastOnly: true},
	{name: "Debounce", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.Debounce(rxgo.WithDuration(step/2), rxgo.WithContext(ctx))
	}, want: []any{0, 1, 2, 3}},
	{name: "BufferWithTime", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		return in.BufferWithTime(every(2), rxgo.WithContext(ctx))
	}, want: []any{[]any{0, 1}, []any{2, 3}, []any{4}}, mutex: true},
	{name: "GroupBy", operator: func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
		groups := in.GroupBy(2, Distribution(ctx, func(v int) int { return v % 2 }), rxgo.WithContext(ctx), rxgo.WithBufferedChannel(8))
		return groups.FlatMap(ItemToObservable(func(group rxgo.Observable) rxgo.Observable { return group }), rxgo.WithContext(ctx))
	}, want: []any{0, 2, 4, 1, 3}},
}

// open returns the source, or the operator with a source of n numbers that ends with
// fail.
func (s sound) open(ctx context.Context, n int, fail error) rxgo.Observable {
	if s.source != nil {
		return s.source(ctx)
	}
	return s.operator(ctx, numbers(ctx, n, fail))
}

// However a subscription ends, none of RxGo's goroutines is left.
func TestSoundOperatorsLeaveNoGoroutine(t *testing.T) {
	for _, s := range sounds {
		t.Run(s.name, func(t *testing.T) {
			way := func(name string, run func(t *testing.T)) {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						run(t)
						synctest.Wait()
						if stacks := rxGoroutines(); len(stacks) > 0 {
							t.Errorf("%d goroutines are left:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
						}
					})
				})
			}
			pipeline := func(n int, fail error) func(context.Context) rxgo.Observable {
				return func(ctx context.Context) rxgo.Observable { return s.open(ctx, n, fail) }
			}

			if !s.endless {
				way("run to the end", func(t *testing.T) {
					got, err := collect(t.Context(), From[any](pipeline(5, nil)))
					if err != s.fails || !reflect.DeepEqual(got, s.want) {
						t.Errorf("got %v, %v; want %v, %v", got, err, s.want, s.fails)
					}
				})
			}
			if s.operator != nil {
				way("the source fails", func(t *testing.T) {
					want := errBoom
					if s.swallows {
						want = nil
					}
					if _, err := collect(t.Context(), From[any](pipeline(2, errBoom))); err != want {
						t.Errorf("ended with %v, want %v", err, want)
					}
				})
			}
			if s.endless || len(s.want) > 0 {
				way("stop at the first value", func(t *testing.T) {
					n := 0
					err := From[any](pipeline(-1, nil)).Run(t.Context(), func(any) bool { n++; return false })
					if n != 1 || err != nil {
						t.Errorf("got %d values, %v; want 1, nil", n, err)
					}
				})
				slow := func(any) bool { time.Sleep(20 * step); return false }
				if !s.mutex {
					way("stop with every stage backed up", func(t *testing.T) {
						From[any](pipeline(-1, nil)).Run(t.Context(), slow)
					})
				}
				if !s.mutex && !s.lastOnly {
					way("stop with every stage backed up and an operator behind", func(t *testing.T) {
						From[any](func(ctx context.Context) rxgo.Observable {
							return s.open(ctx, -1, nil).Map(Func(func(_ context.Context, v any) (any, error) { return v, nil }))
						}).Run(t.Context(), slow)
					})
				}
				way("cancel at the first value", func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					n := 0
					err := From[any](pipeline(-1, nil)).Run(ctx, func(any) bool { n++; cancel(errBoom); return true })
					if n != 1 || err != errBoom {
						t.Errorf("got %d values, %v; want 1, %v", n, err, errBoom)
					}
				})
			}
			if s.operator != nil || s.endless {
				way("cancel before the first value", func(t *testing.T) {
					ctx, cancel := context.WithTimeoutCause(t.Context(), step/4, errBoom)
					defer cancel()
					got, err := collect(ctx, From[any](pipeline(-1, nil)))
					if s.name != "StartWith" && len(got) > 0 || err != errBoom {
						t.Errorf("got %v, %v; want none, %v", got, err, errBoom)
					}
				})
			}
		})
	}
}

// BufferWithTime waits for a mutex while its reader is slow, which stops virtual time.
// So it needs a test without virtual time.
func TestBufferWithTimeBackedUpLeavesNoGoroutine(t *testing.T) {
	o := From[any](func(ctx context.Context) rxgo.Observable {
		endless := rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
			for rxgo.Of(1).SendContext(ctx, next) {
			}
		}})
		return endless.BufferWithTime(rxgo.WithDuration(time.Millisecond), rxgo.WithContext(ctx))
	})
	o.Run(t.Context(), func(any) bool {
		eventually(t, "BufferWithTime is backed up", func() bool {
			return len(goroutines("BufferWithTime.func1", "sync.Mutex.Lock")) > 0
		})
		return false
	})
	eventually(t, "no goroutine is left", func() bool { return len(rxGoroutines()) == 0 })
}

// rxGoroutines returns the stacks of the running goroutines that RxGo has started.
func rxGoroutines() []string {
	return append(goroutines("created by github.com/reactivex/rxgo/"), goroutines("created by github.com/teivah/onecontext")...)
}

var bubble = regexp.MustCompile(`synctest bubble \d+\]`)

// goroutines returns the stacks that contain all of the frames. In a bubble it returns
// only stacks of that bubble.
func goroutines(frames ...string) []string {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	frames = append(frames, bubble.FindString(stacks[0])) // the first is our own
	return slices.DeleteFunc(stacks, func(stack string) bool {
		return slices.ContainsFunc(frames, func(frame string) bool { return !strings.Contains(stack, frame) })
	})
}

// eventually waits until done returns true. It is for goroutines outside of a bubble.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 10_000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%s: still not after 10,000 checks", what)
}
