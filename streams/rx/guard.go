package rx

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// A subscription is one run of From or Via, reachable from the context that
// build gets.
type subscription struct {
	fail    context.CancelCauseFunc // ends the subscription with an error
	handled func()                  // the pipeline has dealt with its source's error; nil in From
}

type subscriptionKey struct{}

func subscriptionOf(ctx context.Context, who string) *subscription {
	sub, ok := ctx.Value(subscriptionKey{}).(*subscription)
	if !ok {
		panic(fmt.Sprintf("rx: %s: the context is not the one that From or Via gave to build", who))
	}
	return sub
}

// Func returns f as an rxgo.Func.
func Func[T, R any](f func(ctx context.Context, v T) (R, error)) rxgo.Func {
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

// Func2 returns f as an rxgo.Func2.
func Func2[A, B, R any](f func(ctx context.Context, a A, b B) (R, error)) rxgo.Func2 {
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

// Predicate returns f as an rxgo.Predicate.
func Predicate[T any](ctx context.Context, f func(T) bool) rxgo.Predicate {
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

// ShouldRetry returns f as the condition of Retry.
func ShouldRetry(ctx context.Context, f func(error) bool) func(error) bool {
	sub := subscriptionOf(ctx, "ShouldRetry")
	return func(err error) (retry bool) {
		defer sub.failOnPanic()
		return f(err)
	}
}

// Distribution returns f as the distribution of GroupBy.
func Distribution[T any](ctx context.Context, f func(T) int) func(rxgo.Item) int {
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

// ItemToObservable returns f as the function of FlatMap.
func ItemToObservable[T any](f func(v T) rxgo.Observable) rxgo.ItemToObservable {
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

// ErrorToObservable returns f as the function of OnErrorResumeNext.
func ErrorToObservable(ctx context.Context, f func(err error) rxgo.Observable) rxgo.ErrorToObservable {
	sub := subscriptionOf(ctx, "ErrorToObservable")
	return func(err error) rxgo.Observable {
		if sub.handled != nil {
			sub.handled()
		}
		return observable("ErrorToObservable", func() rxgo.Observable { return f(err) })
	}
}

// Producer returns f as an rxgo.Producer.
func Producer(f func(ctx context.Context, next chan<- rxgo.Item)) rxgo.Producer {
	return func(ctx context.Context, next chan<- rxgo.Item) {
		defer func() {
			if p := recover(); p != nil {
				rxgo.Error(panicError(p)).SendContext(ctx, next)
			}
		}()
		f(ctx, next)
	}
}

// observable calls f, whose panic or nil result becomes an Observable that fails.
func observable(who string, f func() rxgo.Observable) (o rxgo.Observable) {
	defer func() {
		if p := recover(); p != nil {
			o = rxgo.Thrown(panicError(p))
		}
	}()
	if o = f(); o == nil {
		return rxgo.Thrown(fmt.Errorf("%w: the function of %s returned nil", ErrNoObservable, who))
	}
	return o
}

func (s *subscription) failOnPanic() {
	if p := recover(); p != nil {
		s.fail(panicError(p))
	}
}

// panicError returns a recovered panic as the error that streams makes of one.
func panicError(p any) error {
	if err, ok := p.(*streams.PanicError); ok {
		return err // the first stack is the one that helps
	}
	return &streams.PanicError{Value: p, Stack: debug.Stack()}
}
