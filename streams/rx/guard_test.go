package rx

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// endless is a source that emits until its context ends, so that only the wrapper
// under test can end the pipeline.
func endless(ctx context.Context) rxgo.Observable {
	return To(streams.Range(0, math.MaxInt), rxgo.WithContext(ctx))
}

// A wrapped function that panics, gets a value of another type or returns nil ends the
// stream with an error that says so.
func TestWrappedFunctionErrors(t *testing.T) {
	boom := func() { panic(errBoom) }
	for _, tt := range []struct {
		name  string
		want  error // or a PanicError if it is errBoom
		build func(ctx context.Context) rxgo.Observable
	}{
		{"Func panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Map(Func(func(context.Context, int) (int, error) { boom(); return 0, nil }))
		}},
		{"Func gets another type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Map(Func(func(_ context.Context, v string) (string, error) { return v, nil }))
		}},
		{"Func as a key panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).DistinctUntilChanged(Func(func(context.Context, int) (int, error) { boom(); return 0, nil }))
		}},
		{"Func2 panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Scan(Func2(func(_ context.Context, acc, v int) (int, error) { boom(); return 0, nil }))
		}},
		{"Func2 gets another first type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			f := func(_ context.Context, a string, b int) (int, error) { return b, nil }
			return endless(ctx).ZipFromIterable(endless(ctx), Func2(f), rxgo.WithContext(ctx))
		}},
		{"Func2 gets another second type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Scan(Func2(func(_ context.Context, acc int, v string) (int, error) { return acc, nil }))
		}},
		{"Predicate panics in Filter", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Filter(Predicate(ctx, func(int) bool { boom(); return true }))
		}},
		{"Predicate panics in TakeWhile", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).TakeWhile(Predicate(ctx, func(int) bool { boom(); return true }))
		}},
		{"Predicate panics in SkipWhile", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).SkipWhile(Predicate(ctx, func(int) bool { boom(); return true }))
		}},
		{"Predicate gets another type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).Filter(Predicate(ctx, func(string) bool { return true }))
		}},
		{"ShouldRetry panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return rxgo.Thrown(errors.New("other")).Retry(1, ShouldRetry(ctx, func(error) bool { boom(); return true }), rxgo.WithContext(ctx))
		}},
		{"Distribution panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return flat(ctx, endless(ctx).GroupBy(2, Distribution(ctx, func(int) int { boom(); return 0 }), rxgo.WithContext(ctx)))
		}},
		{"Distribution gets another type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			return flat(ctx, endless(ctx).GroupBy(2, Distribution(ctx, func(string) int { return 0 }), rxgo.WithContext(ctx)))
		}},
		{"ItemToObservable panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).FlatMap(ItemToObservable(func(int) rxgo.Observable { boom(); return nil }), rxgo.WithContext(ctx))
		}},
		{"ItemToObservable gets another type", ErrItemType, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).FlatMap(ItemToObservable(func(string) rxgo.Observable { return nil }), rxgo.WithContext(ctx))
		}},
		{"ItemToObservable returns nil", ErrNoObservable, func(ctx context.Context) rxgo.Observable {
			return endless(ctx).FlatMap(ItemToObservable(func(int) rxgo.Observable { return nil }), rxgo.WithContext(ctx))
		}},
		{"ItemToObservable returns a nil pointer", ErrNoObservable, func(ctx context.Context) rxgo.Observable {
			var none *rxgo.ObservableImpl
			return endless(ctx).FlatMap(ItemToObservable(func(int) rxgo.Observable { return none }), rxgo.WithContext(ctx))
		}},
		{"ErrorToObservable panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return rxgo.Thrown(errors.New("other")).OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable { boom(); return nil }))
		}},
		{"ErrorToObservable returns nil", ErrNoObservable, func(ctx context.Context) rxgo.Observable {
			return rxgo.Thrown(errBoom).OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable { return nil }))
		}},
		{"what ErrorToObservable returns fails in turn", errBoom, func(ctx context.Context) rxgo.Observable {
			return rxgo.Thrown(errors.New("other")).OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable {
				return rxgo.Defer([]rxgo.Producer{Producer(func(context.Context, chan<- rxgo.Item) { boom() })})
			}))
		}},
		{"Producer panics", errBoom, func(ctx context.Context) rxgo.Observable {
			return rxgo.Defer([]rxgo.Producer{Producer(func(context.Context, chan<- rxgo.Item) { boom() })})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := collect(t.Context(), From[any](tt.build))
			if !errors.Is(err, tt.want) || len(got) > 0 {
				t.Fatalf("got %v, %v; want nothing, %v", got, err, tt.want)
			}
			if tt.want != errBoom {
				return
			}
			p, ok := errors.AsType[*streams.PanicError](err)
			if !ok || !strings.Contains(string(p.Stack), "TestWrappedFunctionErrors") {
				t.Errorf("ended with %#v, want a PanicError with the stack of the panic", err)
			}
		})
	}
}

// flat reads the groups one after the other.
func flat(ctx context.Context, groups rxgo.Observable) rxgo.Observable {
	return groups.FlatMap(ItemToObservable(func(group rxgo.Observable) rxgo.Observable { return group }), rxgo.WithContext(ctx))
}

// A function that cannot return an error fails the subscription. No value after its
// panic is emitted.
func TestPredicatePanicDropsLaterValues(t *testing.T) {
	for range 200 {
		got, err := collect(t.Context(), Via[int, int](streams.Range(0, 100), func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			return in.Filter(Predicate(ctx, func(v int) bool {
				if v == 3 {
					panic(errBoom)
				}
				return true
			}), rxgo.WithBufferedChannel(16))
		}))
		// The values that RxGo's channels held when the function panicked are dropped.
		if !errors.Is(err, errBoom) || len(got) > 3 || !slices.Equal(got, []int{0, 1, 2}[:len(got)]) {
			t.Fatalf("got %v, %v; want no more than [0 1 2], and %v", got, err, errBoom)
		}
	}
}

func TestFuncReturnsTheFunctionsError(t *testing.T) {
	fails := func(context.Context, int) (int, error) { return 1, errBoom }
	if _, err := Func(fails)(t.Context(), 1); err != errBoom {
		t.Errorf("Func returned %v, want %v", err, errBoom)
	}
	if _, err := Func2(func(ctx context.Context, _, v int) (int, error) { return fails(ctx, v) })(t.Context(), 1, 1); err != errBoom {
		t.Errorf("Func2 returned %v, want %v", err, errBoom)
	}
}

// If a function panics with a *PanicError, the error keeps its first stack.
func TestFuncKeepsAPanicError(t *testing.T) {
	first := &streams.PanicError{Value: errBoom}
	if _, err := Func(func(context.Context, int) (int, error) { panic(first) })(t.Context(), 1); err != first {
		t.Errorf("Func returned %v, want the PanicError that was its panic", err)
	}
}

func TestErrorToObservableEndsWithTheSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), step, errBoom)
		defer cancel()
		err := From[int](func(ctx context.Context) rxgo.Observable {
			return rxgo.Thrown(errors.New("other")).OnErrorResumeNext(ErrorToObservable(ctx, func(error) rxgo.Observable { return rxgo.Never() }))
		}).Run(ctx, nil)
		if err != errBoom {
			t.Errorf("ended with %v, want %v", err, errBoom)
		}
		synctest.Wait()
		if stacks := rxGoroutines(); len(stacks) > 0 {
			t.Errorf("%d goroutines are left:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
		}
	})
}

func TestFuncOfAnRxGoFunc(t *testing.T) {
	var f rxgo.Func = func(_ context.Context, v any) (any, error) { return v, nil }
	for _, v := range []any{nil, 1, "a"} {
		if got, err := Func(f)(t.Context(), v); got != v || err != nil {
			t.Errorf("Func(f)(%v) = %v, %v; want the value, nil", v, got, err)
		}
	}
}

func TestFunc2StartsWithTheZeroValue(t *testing.T) {
	got, err := collect(t.Context(), From[string](func(context.Context) rxgo.Observable {
		return rxgo.Just(1, 2, 3)().Scan(Func2(func(_ context.Context, acc string, v int) (string, error) {
			return acc + string(rune('0'+v)), nil
		}))
	}))
	if err != nil || !slices.Equal(got, []string{"1", "12", "123"}) {
		t.Errorf("got %q, %v; want 1 12 123", got, err)
	}
}

func TestDistribution(t *testing.T) {
	group := func(f func(int) int, items ...any) ([]any, error) {
		return collect(t.Context(), From[any](func(ctx context.Context) rxgo.Observable {
			return flat(ctx, rxgo.Just(items...)().GroupBy(2, Distribution(ctx, f), rxgo.WithContext(ctx), rxgo.WithBufferedChannel(8)))
		}))
	}
	if got, err := group(func(v int) int { return v % 2 }, 1, 2, 3); err != nil || !reflect.DeepEqual(got, []any{2, 1, 3}) {
		t.Errorf("got %v, %v; want the even ones, then the odd ones", got, err)
	}
	for _, v := range []int{-1, 2} {
		_, err := group(func(int) int { return v }, 1)
		if _, ok := errors.AsType[rxgo.IndexOutOfBoundError](err); !ok {
			t.Errorf("group %d of 2: ended with %v, want an rxgo.IndexOutOfBoundError", v, err)
		}
	}
	if _, err := group(func(int) int { return 1 }, errBoom); err != errBoom {
		t.Errorf("ended with %v, want the error of the source", err)
	}
}

func TestItemToObservablePassesErrors(t *testing.T) {
	f := ItemToObservable(func(int) rxgo.Observable { t.Error("the function was called with an error item"); return nil })
	if got := all(f(rxgo.Error(errBoom)).Observe()); !reflect.DeepEqual(got, []any{errBoom}) {
		t.Errorf("got %v, want %v", got, errBoom)
	}
}

func TestProducer(t *testing.T) {
	o := rxgo.Defer([]rxgo.Producer{Producer(func(ctx context.Context, next chan<- rxgo.Item) {
		rxgo.Of(1).SendContext(ctx, next)
		panic(errBoom)
	})})
	got := all(o.Observe())
	if len(got) != 2 || got[0] != 1 || !errors.Is(got[1].(error), errBoom) {
		t.Errorf("got %v, want 1 and a PanicError of %v", got, errBoom)
	}
}

// A function that cannot return an error needs a subscription. Without one the wrapper
// panics at once, and not when the function does.
func TestWrappersRejectAnotherContext(t *testing.T) {
	for name, wrap := range map[string]func(){
		"Predicate":         func() { Predicate(t.Context(), func(int) bool { return true }) },
		"ShouldRetry":       func() { ShouldRetry(t.Context(), func(error) bool { return true }) },
		"Distribution":      func() { Distribution(t.Context(), func(int) int { return 0 }) },
		"ErrorToObservable": func() { ErrorToObservable(t.Context(), func(error) rxgo.Observable { return nil }) },
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, "rx: "+name+":") {
					t.Errorf("%s with another context: recovered %q, want a panic that names it", name, p)
				}
			}()
			wrap()
		}()
	}
}

// A nil function is named by its wrapper, and by the stream if build wraps it.
func TestNilFunctions(t *testing.T) {
	o := streams.Of(1)
	for name, wrap := range map[string]func(ctx context.Context){
		"Func":              func(context.Context) { Func[int, int](nil) },
		"Func2":             func(context.Context) { Func2[int, int, int](nil) },
		"Predicate":         func(ctx context.Context) { Predicate[int](ctx, nil) },
		"ShouldRetry":       func(ctx context.Context) { ShouldRetry(ctx, nil) },
		"Distribution":      func(ctx context.Context) { Distribution[int](ctx, nil) },
		"ItemToObservable":  func(context.Context) { ItemToObservable[int](nil) },
		"ErrorToObservable": func(ctx context.Context) { ErrorToObservable(ctx, nil) },
		"Producer":          func(context.Context) { Producer(nil) },
	} {
		_, err := collect(t.Context(), Via[int, int](o, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
			wrap(ctx)
			return in
		}))
		if want := "rx: " + name + ": nil function"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s of nil: the stream ended with %v, want %q", name, err, want)
		}
	}
	for want, o := range map[string]streams.Observable[int]{
		"rx: From: nil function": From[int](nil),
		"rx: Via: nil function":  Via[int, int](o, nil),
	} {
		if _, err := collect(t.Context(), o); err == nil || err.Error() != want {
			t.Errorf("the stream ended with %v, want %q", err, want)
		}
	}
}
