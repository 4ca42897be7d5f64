// Package streams holds typed, reactive event streams: an [Observable] is a cold
// source of values, operators turn one into another, and a [Subject] is a hot source
// that many subscribers share.
//
// Everything rests on one function: run(ctx, emit). A source calls emit with each
// value. An operator gives its source an emit of its own. The last emit is the
// function given to [Observable.Run], or the body of a loop over [Observable.All].
// So a pipeline is a few calls deep, in the subscriber's goroutine, with no channel
// and no goroutine between its steps:
//
//   - Cold. Nothing happens before Run. Each run is one subscription with its own
//     state; when Run returns, nothing of it is left running.
//   - Backpressure is the call. The source waits while emit runs, and stops when emit
//     returns false. Nothing is buffered between the steps.
//   - One end. What Run returns is the only end of the stream: nil, the cause of a
//     cancellation, or one error. No value comes after it.
//   - A panic in a function given to a source or an operator is an error of the
//     stream, a [*PanicError]. A panic in the subscriber's own code is not recovered.
//
// An invalid argument, such as a negative count or a nil function, is an error of
// the stream too, so that a pipeline can be built in one expression.
//
// Operators that keep the type of the values are methods. Operators that change the
// type, compare values or take several sources are functions:
//
//	evens := streams.Interval(time.Second).Filter(even).Take(10)
//	events := streams.Map(evens, toEvent)
//
// A hot stream needs a rule for slow subscribers. A Subject keeps its newest values
// in a window that all subscribers share. A publisher never waits, and each
// subscriber reads at its own pace. A subscriber that falls behind the window is told
// how many values it missed.
//
// All timers come from package time, so a pipeline can be tested in the virtual time
// of testing/synctest.
package streams
