package rx

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// ticks emits 0, 1, 2 …, one every step, and ends with err after n values. If n < 0 it
// does not end.
func ticks(n int, err error) streams.Observable[int] {
	return streams.Create(func(ctx context.Context, emit func(int) bool) error {
		for i := 0; i != n; i++ {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(step):
			}
			if !emit(i) {
				return nil
			}
		}
		return err
	})
}

// Every sound operator works in the middle of a stream with two subscribers at once,
// and emits what it emits in RxGo.
func TestViaSoundOperators(t *testing.T) {
	for _, s := range sounds {
		if s.operator == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Via[int, any](ticks(5, nil), s.operator)
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						if got, err := collect(t.Context(), o); err != nil || !reflect.DeepEqual(got, s.want) {
							t.Errorf("got %v, %v; want %v, nil", got, err, s.want)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

func TestViaBuildsForEachSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Via[int, int](ticks(3, nil), func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return in.Debounce(rxgo.WithDuration(step/2), rxgo.WithContext(ctx)) // ends the process when it is observed twice
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got, err := collect(t.Context(), o); err != nil || !slices.Equal(got, []int{0, 1}) {
					t.Errorf("got %v, %v; want [0 1], nil", got, err)
				}
			})
		}
		wg.Wait()
	})
}

// The error of the source is the stream's, and comes once, whatever an operator does
// with error items.
func TestViaErrorOfTheSource(t *testing.T) {
	for _, s := range sounds {
		if s.operator == nil || s.name == "OnErrorResumeNext" {
			continue // it handles the error
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := collect(t.Context(), Via[int, any](ticks(2, errBoom), s.operator))
				if !errors.Is(err, errBoom) || strings.Count(err.Error(), errBoom.Error()) != 1 {
					t.Errorf("ended with %v, want %v", err, errBoom)
				}
			})
		})
	}

	drop := func(_ context.Context, in rxgo.Observable) rxgo.Observable {
		return in.OnErrorReturnItem(-1)
	}
	for name, build := range map[string]func(context.Context, rxgo.Observable) rxgo.Observable{
		"dropped": drop,
		"dropped behind a buffered channel": func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return drop(ctx, in.Map(Func(double), rxgo.WithBufferedChannel(8)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := collect(t.Context(), Via[int, int](streams.Throw[int](errBoom), build))
			if !slices.Equal(got, []int{-1}) || !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "ErrorToObservable") {
				t.Errorf("got %v, %v; want [-1], and the error with a hint", got, err)
			}
		})
	}
}

func TestViaHandledError(t *testing.T) {
	fails := streams.Concat(streams.Of(1), streams.Throw[int](errBoom))
	t.Run("by ErrorToObservable", func(t *testing.T) {
		got, err := collect(t.Context(), Via[int, int](fails, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return in.OnErrorResumeNext(ErrorToObservable(ctx, func(err error) rxgo.Observable {
				if err != errBoom {
					t.Errorf("the function got %v, want %v", err, errBoom)
				}
				return rxgo.Just(2)()
			}))
		}))
		if err != nil || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("got %v, %v; want [1 2], nil", got, err)
		}
	})
	t.Run("by Retry, which runs the source again", func(t *testing.T) {
		runs := 0
		src := streams.Defer(func(context.Context) streams.Observable[int] {
			if runs++; runs < 3 {
				return fails
			}
			return streams.Of(2)
		})
		got, err := collect(t.Context(), Via[int, int](src, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return in.Retry(5, ShouldRetry(ctx, func(err error) bool { return err == errBoom }), rxgo.WithContext(ctx))
		}))
		if err != nil || !slices.Equal(got, []int{1, 1, 2}) || runs != 3 {
			t.Errorf("got %v, %v in %d runs; want [1 1 2], nil in 3", got, err, runs)
		}
	})
	t.Run("but not the error of the source in the resumption", func(t *testing.T) {
		_, err := collect(t.Context(), Via[int, int](fails, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return in.OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable { return in.OnErrorReturnItem(-1) }))
		}))
		if !errors.Is(err, errBoom) {
			t.Errorf("ended with %v, want %v", err, errBoom)
		}
	})
}

// If a pipeline completes before its source, the source's error does not matter.
func TestViaCompletesBeforeItsSource(t *testing.T) {
	for name, opts := range map[string][]rxgo.Option{"": nil, "behind a buffered channel": {rxgo.WithBufferedChannel(8)}} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				src := streams.Concat(streams.Of(1, 2, 3), streams.Throw[int](errBoom))
				got, err := collect(t.Context(), Via[int, int](src, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
					return in.TakeWhile(Predicate(ctx, less(3)), opts...)
				}))
				if err != nil || !slices.Equal(got, []int{1, 2}) {
					t.Fatalf("got %v, %v; want [1 2], nil", got, err)
				}
			}
		})
	}
}

// When Run returns, the source has ended and released what it holds.
func TestViaWaitsForItsSource(t *testing.T) {
	for name, consume := range map[string]func(cancel func(), n int) bool{
		"the subscriber stops": func(_ func(), n int) bool { return n < 3 },
		"the subscription is cancelled": func(cancel func(), n int) bool {
			if n == 3 {
				cancel()
			}
			return true
		},
		"the pipeline completes": func(func(), int) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := false
				src := streams.Create(func(ctx context.Context, emit func(int) bool) error {
					defer func() {
						time.Sleep(time.Minute) // a source that releases slowly
						ended = true
					}()
					return ticks(-1, nil).Run(ctx, emit)
				})
				o := Via[int, int](src, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
					return in.TakeWhile(Predicate(ctx, less(5)))
				})
				n := 0
				o.Run(ctx, func(int) bool { n++; return consume(cancel, n) })
				if !ended {
					t.Error("the source is still running")
				}
				synctest.Wait()
				if stacks := rxGoroutines(); len(stacks) > 0 {
					t.Errorf("%d goroutines are left:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
				}
			})
		})
	}
}

func TestViaObservation(t *testing.T) {
	t.Run("ends with its own context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got, err := collect(t.Context(), Via[int, int](ticks(-1, nil), func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
				short, cancel := context.WithTimeout(ctx, 3*step+step/2)
				context.AfterFunc(ctx, cancel)
				return rxgo.FromChannel(in.Observe(rxgo.WithContext(short)))
			}))
			if err != nil || !slices.Equal(got, []int{0, 1, 2}) {
				t.Errorf("got %v, %v; want [0 1 2], nil", got, err)
			}
		})
	})
	t.Run("after the end emits nothing", func(t *testing.T) {
		runs := 0
		src := streams.Create(func(context.Context, func(int) bool) error { runs++; return nil })
		var late rxgo.Observable
		collect(t.Context(), Via[int, int](src, func(_ context.Context, in rxgo.Observable) rxgo.Observable {
			late = in
			return in
		}))
		if got := all(late.Observe()); got != nil || runs != 1 {
			t.Errorf("got %v in %d runs; want nothing, and only the run of the subscription", got, runs)
		}
	})
	t.Run("that is never made does not run the source", func(t *testing.T) {
		src := streams.Create(func(context.Context, func(int) bool) error { t.Error("the source ran"); return nil })
		got, err := collect(t.Context(), Via[int, int](src, func(context.Context, rxgo.Observable) rxgo.Observable { return rxgo.Just(1)() }))
		if err != nil || !slices.Equal(got, []int{1}) {
			t.Errorf("got %v, %v; want [1], nil", got, err)
		}
	})
}

func TestViaPanicOfTheSource(t *testing.T) {
	src := streams.Map(streams.Of(1), func(int) int { panic(errBoom) })
	_, err := collect(t.Context(), Via[int, int](src, func(_ context.Context, in rxgo.Observable) rxgo.Observable { return in.Map(Func(double)) }))
	if p, ok := errors.AsType[*streams.PanicError](err); !ok || p.Value != errBoom {
		t.Errorf("ended with %v, want a PanicError of %v", err, errBoom)
	}
}

func TestViaCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*step+step/2, errBoom)
		defer cancel()
		got, err := collect(ctx, Via[int, int](ticks(-1, nil), func(_ context.Context, in rxgo.Observable) rxgo.Observable { return in.Map(Func(double)) }))
		if err != errBoom || !slices.Equal(got, []int{0, 2, 4}) {
			t.Errorf("got %v, %v; want [0 2 4], %v", got, err, errBoom)
		}
	})
}
