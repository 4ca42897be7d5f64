package rx

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// A subscription is one run of From or Via, reachable from the context that
// build gets.
type subscription struct {
	fail    context.CancelCauseFunc // ends the subscription with an error
	handled func()                  // tells Via that the pipeline handled its source's error; nil in From
}

type subscriptionKey struct{}

// subscriptionOf returns the subscription whose context ctx is, or descends from.
// It panics if there is no subscription; caller is the function to name then.
func subscriptionOf(ctx context.Context, caller string) *subscription {
	sub, ok := ctx.Value(subscriptionKey{}).(*subscription)
	if !ok {
		panic(fmt.Sprintf("rx: %s: the context is not the one that From or Via gave to build", caller))
	}
	return sub
}

// checkFunc panics if the function given to a wrapper is nil.
func checkFunc(missing bool, caller string) {
	if missing {
		panic("rx: " + caller + ": nil function")
	}
}

// Func returns f as an rxgo.Func, for Map, Distinct and DistinctUntilChanged. A
// panic of f, and an item that is not a T ([ErrItemType]), become the error that
// the rxgo.Func returns, and so the stream's.
func Func[T, R any](f func(ctx context.Context, v T) (R, error)) rxgo.Func {
	checkFunc(f == nil, "Func")
	return func(ctx context.Context, v any) (out any, err error) {
		defer func() {
			if p := recover(); p != nil {
				out, err = nil, panicError(p)
			}
		}()
		in, err := value[T](v)
		if err != nil {
			return nil, err
		}
		return f(ctx, in)
	}
}

// Func2 returns f as an rxgo.Func2, for Scan and ZipFromIterable. A panic of f, and
// items that are not an A and a B ([ErrItemType]), become the error that the
// rxgo.Func2 returns, and so the stream's.
//
// RxGo's Scan has no seed and starts with nil. If the first argument is nil, f gets
// the zero value of A.
func Func2[A, B, R any](f func(ctx context.Context, a A, b B) (R, error)) rxgo.Func2 {
	checkFunc(f == nil, "Func2")
	return func(ctx context.Context, a, b any) (out any, err error) {
		defer func() {
			if p := recover(); p != nil {
				out, err = nil, panicError(p)
			}
		}()
		var first A
		if a != nil {
			if first, err = value[A](a); err != nil {
				return nil, err
			}
		}
		second, err := value[B](b)
		if err != nil {
			return nil, err
		}
		return f(ctx, first, second)
	}
}

// Predicate returns f as an rxgo.Predicate, for Filter, SkipWhile, TakeWhile and
// TakeUntil. ctx is the context that [From] or [Via] gave to build.
//
// A predicate cannot return an error. When f panics, or an item is not a T, the
// subscription fails with that error: the rxgo.Predicate returns false, nothing more
// is emitted, and the items that are still in RxGo's channels are dropped. Predicate
// itself panics if ctx is not from From or Via, because no subscription could receive
// the error.
func Predicate[T any](ctx context.Context, f func(T) bool) rxgo.Predicate {
	checkFunc(f == nil, "Predicate")
	sub := subscriptionOf(ctx, "Predicate")
	return func(v any) (ok bool) {
		defer sub.failOnPanic()
		in, err := value[T](v)
		if err != nil {
			sub.fail(err)
			return false
		}
		return f(in)
	}
}

// ShouldRetry returns f as the condition of Retry. A panic of f fails the
// subscription, as in [Predicate].
func ShouldRetry(ctx context.Context, f func(error) bool) func(error) bool {
	checkFunc(f == nil, "ShouldRetry")
	sub := subscriptionOf(ctx, "ShouldRetry")
	return func(err error) (retry bool) {
		defer sub.failOnPanic()
		return f(err)
	}
}

// Distribution returns f as the distribution of GroupBy: the number of the group
// that a value belongs to. A panic of f, and an item that is not a T, fail the
// subscription, as in [Predicate]. A number that is negative or too high is an
// rxgo.IndexOutOfBoundError; RxGo alone would panic for a negative one. An error item
// goes to group 0.
func Distribution[T any](ctx context.Context, f func(T) int) func(rxgo.Item) int {
	checkFunc(f == nil, "Distribution")
	sub := subscriptionOf(ctx, "Distribution")
	return func(item rxgo.Item) (group int) {
		if item.Error() {
			return 0
		}
		group = math.MaxInt
		defer sub.failOnPanic()
		v, err := value[T](item.V)
		if err != nil {
			sub.fail(err)
			return math.MaxInt
		}
		if group = f(v); group < 0 {
			return math.MaxInt
		}
		return group
	}
}

// ItemToObservable returns f as an rxgo.ItemToObservable, for FlatMap. A panic of f,
// a nil result ([ErrNoObservable]) and an item that is not a T ([ErrItemType])
// become an Observable that fails with that error. An error item is passed on. (RxGo
// alone would call f with it.)
func ItemToObservable[T any](f func(v T) rxgo.Observable) rxgo.ItemToObservable {
	checkFunc(f == nil, "ItemToObservable")
	return func(item rxgo.Item) (o rxgo.Observable) {
		if item.Error() {
			return rxgo.Thrown(item.E)
		}
		v, err := value[T](item.V)
		if err != nil {
			return rxgo.Thrown(err)
		}
		return observable("ItemToObservable", func() rxgo.Observable { return f(v) })
	}
}

// ErrorToObservable returns f as an rxgo.ErrorToObservable, for OnErrorResumeNext.
// ctx is the context that [From] or [Via] gave to build. In Via the error then counts
// as handled.
//
// A panic of f, a nil result ([ErrNoObservable]), and an error of the Observable that
// f returns fail the subscription, as in [Predicate]. (RxGo alone would call f again
// for that error, without end.)
func ErrorToObservable(ctx context.Context, f func(err error) rxgo.Observable) rxgo.ErrorToObservable {
	checkFunc(f == nil, "ErrorToObservable")
	sub := subscriptionOf(ctx, "ErrorToObservable")
	return func(err error) rxgo.Observable {
		if sub.handled != nil {
			sub.handled()
		}
		resumed := observable("ErrorToObservable", func() rxgo.Observable { return f(err) })
		// An error item of resumed must not reach RxGo, which would call f again for it.
		return rxgo.Defer([]rxgo.Producer{func(ctx context.Context, next chan<- rxgo.Item) {
			defer sub.failOnPanic()
			items := resumed.Observe(rxgo.WithContext(ctx))
			for {
				select {
				case <-ctx.Done():
					return
				case item, ok := <-items:
					if !ok {
						return
					}
					if item.Error() {
						sub.fail(item.E)
						return
					}
					item.SendContext(ctx, next)
				}
			}
		}})
	}
}

// Producer returns f as an rxgo.Producer, for Defer. A panic of f becomes the last
// item, an error. f should send with rxgo.Item.SendContext and its ctx, because a
// plain send to next blocks for ever if nobody receives.
func Producer(f func(ctx context.Context, next chan<- rxgo.Item)) rxgo.Producer {
	checkFunc(f == nil, "Producer")
	return func(ctx context.Context, next chan<- rxgo.Item) {
		defer func() {
			if p := recover(); p != nil {
				rxgo.Error(panicError(p)).SendContext(ctx, next)
			}
		}()
		f(ctx, next)
	}
}

// observable calls f, the function given to caller. A panic and a nil result become an
// Observable that fails.
func observable(caller string, f func() rxgo.Observable) (o rxgo.Observable) {
	defer func() {
		if p := recover(); p != nil {
			o = rxgo.Thrown(panicError(p))
		}
	}()
	if o = f(); isNil(o) {
		return rxgo.Thrown(fmt.Errorf("%w: the function of %s returned nil", ErrNoObservable, caller))
	}
	return o
}

// isNil reports whether o is nil, or an interface around a nil pointer.
func isNil(o rxgo.Observable) bool {
	v := reflect.ValueOf(o)
	return o == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// failOnPanic fails the subscription if the deferring function panics. It must be
// deferred directly, because it calls recover.
func (s *subscription) failOnPanic() {
	if p := recover(); p != nil {
		s.fail(panicError(p))
	}
}

// panicError returns the *streams.PanicError of a recovered panic.
func panicError(p any) error {
	if err, ok := p.(*streams.PanicError); ok {
		return err // the first stack shows where the panic began
	}
	return &streams.PanicError{Value: p, Stack: debug.Stack()}
}
