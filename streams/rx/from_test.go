package rx

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// collect runs o to its end.
func collect[T any](ctx context.Context, o streams.Observable[T]) ([]T, error) {
	var got []T
	err := o.Run(ctx, func(v T) bool { got = append(got, v); return true })
	return got, err
}

// just returns From of a pipeline that emits the items. An error becomes an error item.
func just[T any](items ...any) streams.Observable[T] {
	return From[T](func(context.Context) rxgo.Observable { return rxgo.Just(items...)() })
}

func TestFromEmitsInOrderAndCompletes(t *testing.T) {
	if got, err := collect(t.Context(), just[int](1, 2, 3)); err != nil || !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("got %v, %v; want [1 2 3], nil", got, err)
	}
}

func TestFromBuildsForEachSubscription(t *testing.T) {
	var contexts []context.Context
	o := From[int](func(ctx context.Context) rxgo.Observable {
		contexts = append(contexts, ctx)
		// FlatMap ends the process when it is observed twice.
		return rxgo.Just(1, 2)().FlatMap(ItemToObservable(func(v int) rxgo.Observable { return rxgo.Just(v)() }), rxgo.WithContext(ctx))
	})
	if len(contexts) != 0 {
		t.Error("build was called before anybody subscribed")
	}
	for range 3 {
		if got, err := collect(t.Context(), o); err != nil || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("got %v, %v; want [1 2], nil", got, err)
		}
	}
	if len(contexts) != 3 {
		t.Fatalf("build was called %d times for 3 subscriptions", len(contexts))
	}
	for i, ctx := range contexts {
		if ctx.Err() == nil {
			t.Errorf("the context of subscription %d has not ended", i)
		}
	}
}

func TestFromEndsWithTheFirstErrorItem(t *testing.T) {
	got, err := collect(t.Context(), just[int](1, errBoom, 2, errors.New("another")))
	if err != errBoom || !slices.Equal(got, []int{1}) {
		t.Errorf("got %v, %v; want [1], %v", got, err, errBoom)
	}
}

func TestFromRejectsOtherTypes(t *testing.T) {
	of := func(v any) func(context.Context) rxgo.Observable {
		return func(context.Context) rxgo.Observable {
			return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) { next <- rxgo.Of(v) }})
		}
	}
	for _, tt := range []struct {
		name  string
		err   error
		words []string
	}{
		{"another type", From[string](of(1)).Run(t.Context(), nil), []string{"string", "int"}},
		{"an error as a value", From[string](of(errBoom)).Run(t.Context(), nil), []string{"string", "*errors.errorString"}},
		{"an interface that is not implemented", From[error](of(1)).Run(t.Context(), nil), []string{"error", "int"}},
		{"nil for a type that is not an interface", From[*int](of(nil)).Run(t.Context(), nil), []string{"*int", "<nil>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !errors.Is(tt.err, ErrItemType) {
				t.Fatalf("ended with %v, want ErrItemType", tt.err)
			}
			for _, word := range tt.words {
				if !strings.Contains(tt.err.Error(), word) {
					t.Errorf("%q does not name %s", tt.err, word)
				}
			}
		})
	}

	t.Run("nil is a value of an interface type", func(t *testing.T) {
		if got, err := collect(t.Context(), From[error](of(nil))); err != nil || !reflect.DeepEqual(got, []error{nil}) {
			t.Errorf("got %v, %v; want one nil", got, err)
		}
	})
}

// unobservable is an rxgo.Observable whose Observe returns nil.
type unobservable struct{ rxgo.Observable }

func (unobservable) Observe(...rxgo.Option) <-chan rxgo.Item { return nil }

func TestFromErrNoObservable(t *testing.T) {
	for name, o := range map[string]rxgo.Observable{
		"nil":           nil,
		"a nil pointer": (*rxgo.ObservableImpl)(nil),
		"no channel":    unobservable{},
	} {
		err := From[int](func(context.Context) rxgo.Observable { return o }).Run(t.Context(), nil)
		if !errors.Is(err, ErrNoObservable) {
			t.Errorf("%s: ended with %v, want ErrNoObservable", name, err)
		}
	}
}

func TestFromPanic(t *testing.T) {
	t.Run("in build is the stream's error", func(t *testing.T) {
		err := From[int](func(context.Context) rxgo.Observable { panic(errBoom) }).Run(t.Context(), nil)
		if p, ok := errors.AsType[*streams.PanicError](err); !ok || p.Value != errBoom {
			t.Errorf("ended with %v, want a PanicError of %v", err, errBoom)
		}
	})
	t.Run("in the consumer passes and ends the pipeline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := From[int](func(ctx context.Context) rxgo.Observable { return numbers(ctx, -1, nil) })
			func() {
				defer func() {
					if p := recover(); p != errBoom {
						t.Errorf("recovered %v, want %v", p, errBoom)
					}
				}()
				o.Run(t.Context(), func(int) bool { panic(errBoom) })
			}()
			synctest.Wait()
			if stacks := rxGoroutines(); len(stacks) > 0 {
				t.Errorf("%d goroutines are left:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
			}
		})
	})
}

func TestFromCancelled(t *testing.T) {
	for name, pipeline := range map[string]func(ctx context.Context) rxgo.Observable{
		"RxGo closes its channel":           func(ctx context.Context) rxgo.Observable { return numbers(ctx, -1, nil) },
		"RxGo does not close its channel":   func(context.Context) rxgo.Observable { return rxgo.Never() },
		"an item is waiting to be received": func(context.Context) rxgo.Observable { return rxgo.Range(0, 1000) },
		"RxGo emits an error item for it": func(ctx context.Context) rxgo.Observable {
			return numbers(ctx, -1, nil).Map(func(ctx context.Context, v any) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(10*step, func() { cancel(errBoom) })
				n := 0
				err := From[int](pipeline).Run(ctx, func(int) bool {
					n++
					time.Sleep(20 * step)
					return true
				})
				if err != errBoom || n > 1 {
					t.Errorf("got %d values, %v; want none after the cancellation, %v", n, err, errBoom)
				}
			})
		})
	}
}

// When the subscriber stops, From waits for RxGo, but not for ever.
func TestFromDrain(t *testing.T) {
	type producer = func(ctx context.Context, next chan<- rxgo.Item)
	for _, tt := range []struct {
		name    string
		produce producer
		want    time.Duration // from the stop to the return of Run
		stays   bool          // the producer is still running then
	}{
		{"ends at once if RxGo closes its channel", func(ctx context.Context, next chan<- rxgo.Item) {
			for rxgo.Of(1).SendContext(ctx, next) {
			}
		}, 0, false},
		{"waits for a producer that ignores its context and ends", func(_ context.Context, next chan<- rxgo.Item) {
			for range 8 {
				next <- rxgo.Of(1)
				time.Sleep(drainIdle / 2)
			}
		}, 4 * drainIdle, false},
		{"ends when a producer has sent nothing for drainIdle", func(_ context.Context, next chan<- rxgo.Item) {
			next <- rxgo.Of(1)
			next <- rxgo.Of(2)
			time.Sleep(time.Hour)
		}, drainIdle, true},
		{"ends after drainTotal if a producer keeps sending", func(_ context.Context, next chan<- rxgo.Item) {
			for range 60 {
				next <- rxgo.Of(1)
				time.Sleep(drainIdle / 2)
			}
		}, drainTotal, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var items <-chan rxgo.Item
				o := From[int](func(ctx context.Context) rxgo.Observable {
					items = rxgo.Defer([]rxgo.Producer{tt.produce}).Observe(rxgo.WithContext(ctx))
					return rxgo.FromChannel(items)
				})
				var stopped time.Time
				if err := o.Run(t.Context(), func(int) bool { stopped = time.Now(); return false }); err != nil {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(stopped); took != tt.want {
					t.Errorf("stopping took %v, want %v", took, tt.want)
				}
				synctest.Wait()
				if stays := len(rxGoroutines()) > 0; stays != tt.stays {
					t.Errorf("the producer is still running: %t, want %t", stays, tt.stays)
				}
				all(items)
			})
		})
	}
}

func TestFromInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		o := From[int](func(ctx context.Context) rxgo.Observable {
			return rxgo.Interval(rxgo.WithDuration(time.Second), rxgo.WithContext(ctx))
		})
		got, err := collect(t.Context(), o.Take(3))
		if took := time.Since(start); err != nil || !slices.Equal(got, []int{0, 1, 2}) || took != 3*time.Second {
			t.Errorf("got %v, %v after %v; want [0 1 2], nil after 3s", got, err, took)
		}
	})
}
