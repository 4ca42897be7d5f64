// Package rx connects [streams.Observable] and RxGo. [From] turns an RxGo pipeline
// into a stream, [Via] puts RxGo operators into the middle of a stream, and [To] turns
// a stream into an RxGo Observable, which can also be the argument of an RxGo
// operator. No other package of the library imports RxGo, because RxGo links an
// assertion library and package testing into the program.
//
// Start with From. Its argument is not a pipeline but a function that builds one, and
// each subscription calls that function:
//
//	ticks := rx.From[string](func(ctx context.Context) rxgo.Observable {
//		return rxgo.Interval(rxgo.WithDuration(time.Second), rxgo.WithContext(ctx)).
//			Map(rx.Func(func(_ context.Context, n int) (string, error) { return strconv.Itoa(n), nil }))
//	})
//
// RxGo runs functions on its own goroutines, where a panic ends the process. Wrap
// them: [Func], [Func2], [Predicate], [ShouldRetry], [Distribution],
// [ItemToObservable], [ErrorToObservable] and [Producer] give a function the types of
// its values and turn its panic into the error of the stream. Some of these functions
// cannot return an error in RxGo. Their wrappers take the context that build got, and
// fail the subscription through it. A wrapper panics if its function is nil.
//
// Some RxGo operators do not do what their names say. docs/rxgo.md lists which are
// sound, which are not, and what to use instead. Tests compare the list with RxGo.
package rx
