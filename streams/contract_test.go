package streams_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

var (
	errTest  = errors.New("test error")
	errCause = errors.New("test cause")
)

// collect runs o to its end.
func collect[T any](ctx context.Context, o streams.Observable[T]) (got []T, err error) {
	err = o.Run(ctx, func(v T) bool { got = append(got, v); return true })
	return got, err
}

// expect runs o to its end and checks what comes.
func expect[T comparable](t *testing.T, o streams.Observable[T], want []T, wantErr error) {
	t.Helper()
	got, err := collect(t.Context(), o)
	if !slices.Equal(got, want) || !errors.Is(err, wantErr) {
		t.Errorf("got %v, %v; want %v, %v", got, err, want, wantErr)
	}
}

// A probe is a source that counts its running subscriptions.
type probe struct {
	mu            sync.Mutex
	running, runs int
}

func (p *probe) of(vs ...int) streams.Observable[int] {
	return streams.Create(func(ctx context.Context, emit func(int) bool) error {
		p.add(1)
		defer p.add(-1)
		for _, v := range vs {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !emit(v) {
				return errors.New("an error after the stop, which must be dropped")
			}
		}
		return nil
	})
}

func (p *probe) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += n
	p.runs += max(n, 0)
}

func (p *probe) counts() (running, runs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.runs
}

// after emits v once the time has passed.
func after(d time.Duration, v int) streams.Observable[int] {
	return streams.Map(streams.Interval(d).Take(1), func(int) int { return v })
}

// contract lists every source and operator; all of them must pass TestContract. Each
// emits 1, 2, 3, 4. The sources of operators count their subscriptions with the probe.
var contract = []struct {
	name string
	make func(p *probe) streams.Observable[int]
}{
	{"Of", func(*probe) streams.Observable[int] { return streams.Of(1, 2, 3, 4) }},
	{"Range", func(*probe) streams.Observable[int] { return streams.Range(1, 4) }},
	{"FromSeq", func(*probe) streams.Observable[int] { return streams.FromSeq(slices.Values([]int{1, 2, 3, 4})) }},
	{"FromSeq2", func(*probe) streams.Observable[int] {
		return streams.FromSeq2(func(yield func(int, error) bool) {
			for v := range slices.Values([]int{1, 2, 3, 4}) {
				if !yield(v, nil) {
					return
				}
			}
		})
	}},
	{"FromSeq2 of All", func(p *probe) streams.Observable[int] {
		return streams.Defer(func(ctx context.Context) streams.Observable[int] {
			return streams.FromSeq2(p.of(1, 2, 3, 4).All(ctx))
		})
	}},
	{"FromChannel", func(*probe) streams.Observable[int] {
		return streams.Defer(func(context.Context) streams.Observable[int] {
			ch := make(chan int, 4)
			for v := range 4 {
				ch <- v + 1
			}
			close(ch)
			return streams.FromChannel(ch)
		})
	}},
	{"Interval", func(*probe) streams.Observable[int] {
		return streams.Map(streams.Interval(time.Second), func(n int) int { return n + 1 }).Take(4)
	}},
	{"Create", func(p *probe) streams.Observable[int] { return p.of(1, 2, 3, 4) }},
	{"Create fed by another goroutine", func(p *probe) streams.Observable[int] {
		return streams.Create(func(ctx context.Context, emit func(int) bool) error {
			p.add(1)
			defer p.add(-1)
			values := make(chan int)
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				defer close(values)
				for v := range 4 {
					select {
					case values <- v + 1:
					case <-ctx.Done():
						return
					}
				}
			})
			for v := range values {
				if !emit(v) {
					break
				}
			}
			return ctx.Err()
		})
	}},
	{"Create around Run", func(p *probe) streams.Observable[int] {
		return streams.Create(func(ctx context.Context, emit func(int) bool) error {
			return p.of(1, 2, 3, 4).Run(ctx, emit)
		})
	}},
	{"Defer", func(p *probe) streams.Observable[int] {
		return streams.Defer(func(context.Context) streams.Observable[int] { return p.of(1, 2, 3, 4) })
	}},
	{"Map", func(p *probe) streams.Observable[int] {
		return streams.Map(p.of(0, 1, 2, 3), func(n int) int { return n + 1 })
	}},
	{"MapErr", func(p *probe) streams.Observable[int] {
		return streams.MapErr(p.of(0, 1, 2, 3), func(_ context.Context, n int) (int, error) { return n + 1, nil })
	}},
	{"Filter", func(p *probe) streams.Observable[int] {
		return p.of(1, 9, 2, 3, 9, 4, 9).Filter(func(n int) bool { return n != 9 })
	}},
	{"Scan", func(p *probe) streams.Observable[int] {
		return streams.Scan(p.of(1, 1, 1, 1), 0, func(acc, n int) int { return acc + n })
	}},
	{"Take", func(p *probe) streams.Observable[int] { return p.of(1, 2, 3, 4, 5, 6).Take(4) }},
	{"Skip", func(p *probe) streams.Observable[int] { return p.of(8, 9, 1, 2, 3, 4).Skip(2) }},
	{"TakeWhile", func(p *probe) streams.Observable[int] {
		return p.of(1, 2, 3, 4, 5, 1).TakeWhile(func(n int) bool { return n < 5 })
	}},
	{"DistinctUntilChanged", func(p *probe) streams.Observable[int] {
		return streams.DistinctUntilChanged(p.of(1, 1, 2, 3, 3, 3, 4))
	}},
	{"Merge", func(p *probe) streams.Observable[int] {
		return streams.Merge(
			streams.Concat(after(1*time.Second, 1), after(2*time.Second, 3)),
			streams.Concat(after(2*time.Second, 2), after(2*time.Second, 4)),
			p.of(),
		)
	}},
	{"Merge of one", func(p *probe) streams.Observable[int] { return streams.Merge(p.of(1, 2, 3, 4)) }},
	{"Merge of a fast source", func(p *probe) streams.Observable[int] {
		return streams.Merge(p.of(1, 2, 3, 4), streams.Empty[int]())
	}},
	{"Concat", func(p *probe) streams.Observable[int] {
		return streams.Concat(p.of(), p.of(1, 2), streams.Empty[int](), p.of(3, 4))
	}},
	{"StartWith", func(p *probe) streams.Observable[int] { return p.of(3, 4).StartWith(1, 2) }},
	{"Tap", func(p *probe) streams.Observable[int] { return p.of(1, 2, 3, 4).Tap(streams.Hooks[int]{}) }},
	{"many operators", func(p *probe) streams.Observable[int] {
		odd := streams.Map(p.of(0, 1).StartWith(9).Skip(1), func(n int) int { return 2*n + 1 }) // 1, 3
		even := streams.Concat(after(time.Second, 2), after(time.Second, 4))
		slow := streams.MapErr(odd, func(ctx context.Context, n int) (int, error) {
			return n, streams.Interval(time.Second).Take(n).Run(ctx, func(int) bool { return true })
		})
		// 1 at 1 s, 2 at 1 s and a bit, 3 at 4 s, 4 at 4 s and a bit
		return streams.Merge(slow, streams.Concat(after(time.Millisecond, 0).Skip(1), even.Take(1), after(3*time.Second, 4)))
	}},
}

// watch wraps an emit and checks that it is never called inside itself, nor after it
// has returned false.
type watch func(emit func(int) bool) func(int) bool

func TestContract(t *testing.T) {
	want := []int{1, 2, 3, 4}
	for _, tt := range contract {
		// check runs f in a bubble, which fails if a goroutine is left, and sees that the
		// source has stopped.
		check := func(name string, f func(t *testing.T, o streams.Observable[int], guard watch)) {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := new(probe)
					f(t, tt.make(p), func(emit func(int) bool) func(int) bool {
						inside, stopped := false, false
						return func(v int) bool {
							if inside || stopped {
								t.Errorf("emit(%d) was called while emit was running: %t; after emit had returned false: %t", v, inside, stopped)
							}
							inside, stopped = true, true // stay true if emit panics
							more := emit(v)
							inside, stopped = false, !more
							return more
						}
					})
					if running, _ := p.counts(); running != 0 {
						t.Errorf("%d subscriptions of the source are still running", running)
					}
				})
			})
		}

		check("emits its values in every run", func(t *testing.T, o streams.Observable[int], guard watch) {
			for range 2 {
				var got []int
				err := o.Run(t.Context(), guard(func(v int) bool { got = append(got, v); return true }))
				if !slices.Equal(got, want) || err != nil {
					t.Errorf("Run gave %v, %v; want %v, nil", got, err, want)
				}
			}
		})
		check("stops when emit returns false", func(t *testing.T, o streams.Observable[int], guard watch) {
			for n := 1; n <= len(want); n++ {
				var got []int
				err := o.Run(t.Context(), guard(func(v int) bool { got = append(got, v); return len(got) < n }))
				if !slices.Equal(got, want[:n]) || err != nil {
					t.Errorf("Run stopped at %d gave %v, %v; want %v, nil", n, got, err, want[:n])
				}
			}
		})
		check("emits no value more than Take asked for", func(t *testing.T, o streams.Observable[int], _ watch) {
			for n := range len(want) + 1 {
				expect(t, o.Take(n), want[:n], nil)
			}
		})
		check("completes when emit returns false and cancels", func(t *testing.T, o streams.Observable[int], guard watch) {
			ctx, cancel := context.WithCancelCause(t.Context())
			err := o.Run(ctx, guard(func(int) bool { cancel(errCause); return false }))
			if err != nil {
				t.Errorf("Run = %v; want nil, because emit stopped the stream", err)
			}
		})
		check("ends with the cause when cancelled", func(t *testing.T, o streams.Observable[int], guard watch) {
			for n := 1; n < len(want); n++ {
				ctx, cancel := context.WithCancelCause(t.Context())
				var got []int
				err := o.Run(ctx, guard(func(v int) bool {
					if got = append(got, v); len(got) == n {
						cancel(errCause)
					}
					return true
				}))
				if !slices.Equal(got, want[:n]) || err != errCause {
					t.Errorf("Run cancelled at %d gave %v, %v; want %v, %v", n, got, err, want[:n], errCause)
				}
			}
		})
		check("subscribes to nothing when already cancelled", func(t *testing.T, o streams.Observable[int], _ watch) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errCause)
			got, err := collect(ctx, o)
			if len(got) != 0 || err != errCause {
				t.Errorf("Run gave %v, %v; want nothing and %v", got, err, errCause)
			}
		})
		check("stops when a range loop breaks", func(t *testing.T, o streams.Observable[int], guard watch) {
			for n := 1; n <= len(want)+1; n++ {
				var got []int
				for v, err := range o.All(t.Context()) {
					if err != nil {
						t.Errorf("All yielded %v", err)
					}
					if got = append(got, v); len(got) == n {
						break
					}
				}
				if !slices.Equal(got, want[:min(n, len(want))]) {
					t.Errorf("ranging up to %d gave %v", n, got)
				}
			}
		})
		check("passes on a panic of the consumer", func(t *testing.T, o streams.Observable[int], guard watch) {
			for n := 1; n <= len(want); n++ {
				var got []int
				value, stack := catch(func() {
					_ = o.Run(t.Context(), guard(func(v int) bool {
						if got = append(got, v); len(got) == n {
							consumerThatPanics()
						}
						return true
					}))
				})
				if value != errTest || !strings.Contains(stack, "consumerThatPanics") {
					t.Errorf("the consumer's panic came out as %v with the stack\n%s", value, stack)
				}
				value, stack = catch(func() {
					for range o.All(t.Context()) {
						consumerThatPanics()
					}
				})
				if value != errTest || !strings.Contains(stack, "consumerThatPanics") {
					t.Errorf("the loop body's panic came out as %v with the stack\n%s", value, stack)
				}
			}
		})
		check("survives a consumer that exits its goroutine", func(t *testing.T, o streams.Observable[int], guard watch) {
			for n := 1; n <= len(want); n++ {
				var wg sync.WaitGroup
				wg.Go(func() {
					seen := 0
					_ = o.Run(t.Context(), guard(func(v int) bool {
						if seen++; seen == n {
							runtime.Goexit()
						}
						return true
					}))
					t.Error("Run returned after runtime.Goexit")
				})
				wg.Wait()
			}
		})
		check("can be run by many at once", func(t *testing.T, o streams.Observable[int], guard watch) {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { expect(t, o, want, nil) })
			}
			wg.Wait()
		})
	}
}

//go:noinline
func consumerThatPanics() { panic(errTest) }

// catch returns the value that f panics with, and the stack. The stack shows where the
// panic began, unless the panic was recovered on its way.
func catch(f func()) (value any, stack string) {
	defer func() {
		stack = string(debug.Stack())
		value = recover()
	}()
	f()
	return nil, ""
}

func TestZeroObservable(t *testing.T) {
	var zero streams.Observable[int]
	one := func(int) int { return 1 }
	for name, o := range map[string]streams.Observable[int]{
		"zero":                 zero,
		"Map":                  streams.Map(zero, one),
		"Filter":               zero.Filter(func(int) bool { return true }),
		"Scan":                 streams.Scan(zero, 0, func(int, int) int { return 1 }),
		"Take":                 zero.Take(1),
		"Skip":                 zero.Skip(1),
		"TakeWhile":            zero.TakeWhile(func(int) bool { return true }),
		"DistinctUntilChanged": streams.DistinctUntilChanged(zero),
		"Merge":                streams.Merge(zero, zero),
		"Merge of nothing":     streams.Merge[int](),
		"Concat":               streams.Concat(zero, zero),
		"Concat of nothing":    streams.Concat[int](),
		"StartWith":            zero.StartWith(),
		"Tap":                  zero.Tap(streams.Hooks[int]{Next: func(int) { panic("no value") }}),
		"Defer":                streams.Defer(func(context.Context) streams.Observable[int] { return zero }),
	} {
		t.Run(name, func(t *testing.T) { expect(t, o, nil, nil) })
	}
}

func TestAllYieldsTheErrorLast(t *testing.T) {
	type pair struct {
		v   int
		err error
	}
	ranged := func(seq iter.Seq2[int, error]) (got []pair) {
		for v, err := range seq {
			got = append(got, pair{v, err})
		}
		return got
	}
	failing := streams.Concat(streams.Of(1, 2), streams.Throw[int](errTest))
	want := []pair{{1, nil}, {2, nil}, {0, errTest}}
	all := failing.All(t.Context())
	for range 2 { // each range is a subscription
		if got := ranged(all); !slices.Equal(got, want) {
			t.Errorf("ranging gave %v, want %v", got, want)
		}
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	cancelling := streams.Of(1, 2).Tap(streams.Hooks[int]{Next: func(int) { cancel(errCause) }})
	if got, want := ranged(cancelling.All(ctx)), []pair{{1, nil}, {0, errCause}}; !slices.Equal(got, want) {
		t.Errorf("ranging over a stream that is cancelled gave %v, want %v", got, want)
	}
}

// If the context is cancelled while emit handles the last value, the stream has
// completed: no value was missed.
func TestRunCancelledAtTheLastValueCompletes(t *testing.T) {
	for name, o := range map[string]streams.Observable[int]{
		"Of":     streams.Of(1),
		"Range":  streams.Range(1, 1),
		"Take":   streams.Never[int]().StartWith(1, 2).Take(1),
		"Concat": streams.Concat(streams.Of(1)),
		"Merge":  streams.Merge(streams.Of(1), streams.Empty[int]()),
		"Create": new(probe).of(1),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			err := o.Run(ctx, func(int) bool { cancel(errCause); return true })
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		})
	}
}

func TestRunKeepsTheSourcesErrorWhenCancelled(t *testing.T) {
	for name, tt := range map[string]struct{ err, want error }{
		"the source's own error":     {errTest, errTest},
		"the context's error":        {context.Canceled, errCause},
		"a wrapped context error":    {errors.Join(context.Canceled), errCause},
		"another context's deadline": {context.DeadlineExceeded, context.DeadlineExceeded},
		"no error":                   {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			o := streams.Create(func(context.Context, func(int) bool) error {
				cancel(errCause)
				return tt.err
			})
			if _, err := collect(ctx, o); err != tt.want {
				t.Errorf("Run = %v, want %v", err, tt.want)
			}
		})
	}
}

// iter.Pull2 turns a stream into a function that returns the next value.
func TestAllWithPull2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(probe)
		next, stop := iter.Pull2(streams.Merge(p.of(1), p.of(1), streams.Never[int]()).All(t.Context()))
		for range 2 {
			if v, err, ok := next(); v != 1 || err != nil || !ok {
				t.Errorf("next = %d, %v, %t; want 1, nil, true", v, err, ok)
			}
		}
		stop()
		if running, runs := p.counts(); running != 0 || runs != 2 {
			t.Errorf("%d of %d sources are running after stop", running, runs)
		}
	})
}
