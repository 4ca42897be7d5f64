// Package rx is the bridge between [streams.Observable] and RxGo, both ways: any
// RxGo pipeline is a stream ([From]), any RxGo operator fits into the middle of one
// ([Via]), and any stream is an RxGo Observable ([To]) and an rxgo.Iterable
// ([Iterable]). It is the only room of the library that imports RxGo, which links an
// assertion library and package testing into every program that does.
//
// Start with From. It takes a function that builds the pipeline, not a pipeline,
// and builds one for each subscription:
//
//	ticks := rx.From[string](func(ctx context.Context) rxgo.Observable {
//		return rxgo.Interval(rxgo.WithDuration(time.Second), rxgo.WithContext(ctx)).
//			Map(rx.Func(func(_ context.Context, n int) (string, error) { return strconv.Itoa(n), nil }))
//	})
//
// RxGo runs functions on goroutines of its own, where a panic ends the process.
// [Func], [Func2], [Predicate], [ShouldRetry], [Distribution], [ItemToObservable],
// [ErrorToObservable] and [Producer] give such a function the types of its values,
// and make its panic the error of the stream. Those whose form in RxGo has no way to
// say an error take the context of build, by which they reach the subscription.
//
// Not everything in RxGo holds what its name says. docs/rxgo.md lists what is
// sound, what is not, and what to use instead; tests hold the list against RxGo.
package rx
