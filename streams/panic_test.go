package streams_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/streams"
)

//go:noinline
func functionThatPanics() { panic(errTest) }

func TestPanicErrorOfEveryFunction(t *testing.T) {
	ints := streams.Of(1, 2)
	p := new(probe)
	for name, o := range map[string]streams.Observable[int]{
		"Map":       streams.Map(ints, func(n int) int { functionThatPanics(); return n }),
		"MapErr":    streams.MapErr(ints, func(context.Context, int) (int, error) { functionThatPanics(); return 0, nil }),
		"Filter":    ints.Filter(func(int) bool { functionThatPanics(); return true }),
		"Scan":      streams.Scan(ints, 0, func(int, int) int { functionThatPanics(); return 0 }),
		"TakeWhile": ints.TakeWhile(func(int) bool { functionThatPanics(); return true }),
		"Tap Next":  ints.Tap(streams.Hooks[int]{Next: func(int) { functionThatPanics() }}),
		"Tap Error": streams.Throw[int](errCause).
			Tap(streams.Hooks[int]{Error: func(error) { functionThatPanics() }}),
		"Tap Complete": ints.Tap(streams.Hooks[int]{Complete: functionThatPanics}),
		"Defer":        streams.Defer(func(context.Context) streams.Observable[int] { functionThatPanics(); return ints }),
		"FromSeq":      streams.FromSeq(func(func(int) bool) { functionThatPanics() }),
		"FromSeq2":     streams.FromSeq2(func(func(int, error) bool) { functionThatPanics() }),
		"Create":       streams.Create(func(context.Context, func(int) bool) error { functionThatPanics(); return nil }),
		"Create that cleans up after a stop": streams.Create(func(_ context.Context, emit func(int) bool) error {
			defer functionThatPanics()
			emit(1)
			return nil
		}).Take(1),
		"a source of Merge": streams.Merge(streams.Never[int](),
			streams.Map(ints, func(n int) int { functionThatPanics(); return n })),
		"a source of Merge that cleans up": streams.Merge(streams.Of(1), streams.Never[int](),
			streams.Create(func(ctx context.Context, _ func(int) bool) error {
				defer functionThatPanics()
				<-ctx.Done()
				return ctx.Err()
			})).Take(1),
		"a source of Merge that cleans up after a cancelled MapErr": streams.MapErr(streams.Merge(streams.Of(1), streams.Never[int](),
			streams.Create(func(ctx context.Context, _ func(int) bool) error {
				defer functionThatPanics()
				<-ctx.Done()
				return ctx.Err()
			})), func(context.Context, int) (int, error) { return 0, errCause }),
		"behind Merge": streams.Map(streams.Merge(p.of(1, 2), p.of(3)), func(n int) int { functionThatPanics(); return n }),
		"behind Concat": streams.Map(streams.Concat(p.of(1, 2), p.of(3)),
			func(n int) int { functionThatPanics(); return n }),
		"inside another Run": streams.Map(ints, func(n int) int {
			_ = ints.Run(context.Background(), func(int) bool { functionThatPanics(); return true })
			return n
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := collect(t.Context(), o)
				e, ok := errors.AsType[*streams.PanicError](err)
				if !ok {
					t.Fatalf("Run = %v, want a *PanicError", err)
				}
				if e.Value != errTest || !errors.Is(err, errTest) {
					t.Errorf("Value = %v, want %v", e.Value, errTest)
				}
				if !strings.Contains(string(e.Stack), "functionThatPanics") {
					t.Errorf("the stack does not show where the panic began:\n%s", e.Stack)
				}
				if running, _ := p.counts(); running != 0 {
					t.Errorf("%d sources are still running", running)
				}
			})
		})
	}
}

// Run returns the panic of a source even if emit has stopped that source, because
// otherwise the panic would go unnoticed.
func TestPanicErrorOfAStoppedSource(t *testing.T) {
	cleaning := streams.Create(func(ctx context.Context, _ func(int) bool) error {
		defer functionThatPanics()
		<-ctx.Done()
		return ctx.Err()
	})
	for name, o := range map[string]streams.Observable[int]{
		"in the subscriber's goroutine": streams.Create(func(_ context.Context, emit func(int) bool) error {
			defer functionThatPanics()
			emit(1)
			return nil
		}),
		"in a source of Merge": streams.Merge(streams.Of(1), cleaning),
	} {
		t.Run(name, func(t *testing.T) {
			if err := o.Run(t.Context(), func(int) bool { return false }); !isPanic(err) {
				t.Errorf("Run = %v, want a *PanicError", err)
			}
		})
	}
}

func TestPanicErrorMessage(t *testing.T) {
	err := streams.Map(streams.Of(1), func(int) int { panic("no such thing") }).
		Run(t.Context(), func(int) bool { return true })
	if want := "streams: panic: no such thing"; err == nil || err.Error() != want {
		t.Errorf("Run = %v, want %q", err, want)
	}
	if errors.Unwrap(err) != nil {
		t.Errorf("Unwrap of a panic with a string = %v, want nil", errors.Unwrap(err))
	}
	err = streams.Map(streams.Of(0), func(n int) int { return 1 / n }).
		Run(t.Context(), func(int) bool { return true })
	if _, ok := errors.AsType[runtime.Error](err); !ok {
		t.Errorf("Run = %v, want one that matches runtime.Error", err)
	}
}

// Tap's Error hook sees a panic upstream of Tap, and no panic downstream.
func TestTapSeesPanicsUpstreamOnly(t *testing.T) {
	var seen []error
	tap := streams.Hooks[int]{Error: func(err error) { seen = append(seen, err) }}
	boom := func(int) int { panic(errTest) }

	_, err := collect(t.Context(), streams.Map(streams.Of(1), boom).Tap(tap))
	if len(seen) != 1 || seen[0] != err || !isPanic(err) {
		t.Errorf("the hook saw %v, Run returned %v; want the same *PanicError", seen, err)
	}
	seen = nil
	_, err = collect(t.Context(), streams.Map(streams.Of(1).Tap(tap), boom))
	if len(seen) != 0 || !isPanic(err) {
		t.Errorf("the hook saw %v, Run returned %v; want nothing and a *PanicError", seen, err)
	}
}

// After a break, no iteration is left that could receive the error.
func TestAllPanicsIfTheSourcePanicsAfterABreak(t *testing.T) {
	o := streams.Create(func(_ context.Context, emit func(int) bool) error {
		defer functionThatPanics()
		emit(1)
		return nil
	})
	value, _ := catch(func() {
		for range o.All(t.Context()) {
			break
		}
	})
	err, _ := value.(error)
	if e, ok := errors.AsType[*streams.PanicError](err); !ok || e.Value != errTest {
		t.Errorf("the loop panicked with %v, want a *PanicError", value)
	}
	// A stream around it reports the same *PanicError.
	outer := streams.FromSeq(func(yield func(int) bool) {
		for v := range o.All(t.Context()) {
			yield(v)
			break
		}
	})
	_, got := collect(t.Context(), outer)
	if e, ok := errors.AsType[*streams.PanicError](got); !ok || e.Value != errTest || !strings.Contains(string(e.Stack), "functionThatPanics") {
		t.Errorf("Run = %v, want the first *PanicError with its stack", got)
	}
}

func TestGoexitInAFunction(t *testing.T) {
	exit := func(int) int { runtime.Goexit(); return 0 }
	t.Run("ends the goroutine and the source", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := new(probe)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := collect(t.Context(), streams.Map(p.of(1), exit))
				t.Errorf("Run returned %v", err)
			})
			wg.Wait()
			if running, runs := p.counts(); running != 0 || runs != 1 {
				t.Errorf("%d of %d sources are still running", running, runs)
			}
		})
	})
	t.Run("is an error of Merge", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, err := collect(t.Context(), streams.Merge(streams.Never[int](), streams.Map(streams.Of(1), exit)))
			if err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
				t.Errorf("Run = %v, want an error that names runtime.Goexit", err)
			}
		})
	})
}

// A sequence that continues after yield has returned false is broken, and the stream
// reports that.
func TestFromSeqIgnoringTheStop(t *testing.T) {
	var stubborn iter.Seq[int] = func(yield func(int) bool) {
		for v := range 3 {
			yield(v)
		}
	}
	got, err := collect(t.Context(), streams.FromSeq(stubborn).Take(1))
	if len(got) != 1 || !isPanic(err) {
		t.Errorf("got %v, %v; want one value and a *PanicError", got, err)
	}
}
