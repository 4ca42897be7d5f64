// Package streams holds typed, reactive event streams: an [Observable] is a cold
// source of values, operators turn one into another, and a [Subject] is the hot one
// that many subscribers share.
//
// Everything rests on one function: run(ctx, emit). A source calls emit with each
// value, an operator hands its source an emit of its own, and what
// [Observable.Run] or [Observable.All] is given stands at the end. So a pipeline is
// a few calls deep, in the goroutine of whoever subscribes, with no channel or
// goroutine between its steps:
//
//   - Cold. Nothing happens before Run. Each run is one subscription with its own
//     state; when Run returns, nothing of it is left running.
//   - Backpressure is the call. The source waits while emit is busy; emit returning
//     false stops it. Nothing is buffered on the way.
//   - One end. What Run returns is the only end of the stream: nil, the cause of a
//     cancellation, or the one error. No value comes after it.
//   - A panic in a function given to a source or an operator is an error of the
//     stream, a [*PanicError]. A panic of the subscriber itself is left alone.
//
// An argument that makes no sense, such as a negative count, is an error of the
// stream too, so that a pipeline can be built in one expression.
//
// Operators that keep the type of the values are methods; those that change it, or
// need to compare values, or take several sources, are functions:
//
//	evens := streams.Interval(time.Second).Filter(even).Take(10)
//	events := streams.Map(evens, toEvent)
//
// Hot streams need to know how slow a subscriber may be. A Subject keeps its newest
// values in a window that all subscribers share: a publisher never waits, a
// subscriber reads at its own pace, and one that falls out of the window is told how
// many values it missed.
//
// Time is the time package's, so a pipeline can be tested in the virtual time of
// testing/synctest.
package streams
