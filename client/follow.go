package client

import (
	"context"
	"iter"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Follow returns an iterator over the events of the stream at url, each decoded to a T.
//
// Nothing happens until the result is ranged over. Each range is a subscription of its
// own, runs in the caller's goroutine, and starts where the options say. Events come in
// the order in which they were sent. The client reads at most one buffer ahead of the
// loop: a slow loop slows down the server, and memory stays bounded. An event's ID is
// its own, "" if it had no id; its Comment holds the comments before it.
//
// If the first connection fails, its error ends the loop at once. After that the client
// reconnects when it loses a connection, as [Retry] says, with the id of the last event
// as Last-Event-ID. The loop does not notice; the hooks and the log report it. Then an
// answer of 408, 429, 502, 503 or 504 is retried too, not before its Retry-After. The
// answer 204, the event stream.complete and a [Sentinel] end the loop without an error.
//
// Redirects are followed. Once permanent redirects (301, 308) have led to an event
// stream, later attempts of this subscription go directly to their target, until the
// target refuses or cannot be reached: then the next attempt goes to url again. The loop
// ends when both have refused, one after the other; while one of them cannot be
// reached, the client alternates between the two.
//
// An error is yielded once, with a zero event, and ends the loop, unless an option
// named here asks for its kind to surface in its place, or to be skipped:
//
//   - [*StatusError] for any other status, or the error of [OnStatus];
//   - [*ContentTypeError] for an answer that is not an event stream;
//   - [*RedirectError] for a redirect that cannot be followed;
//   - [*StreamError] if the server ended the stream because its source failed;
//   - [*DecodeError] and [*sse.EventTooLargeError] for an event that cannot be
//     yielded ([DecodeErrors]);
//   - [*UnknownEventError] for an event that is no case of [Types], and [*GapError] where
//     events are missing, if asked for ([UnknownEvents], [Gaps]);
//   - [*PositionError] if the store of [Resume] fails;
//   - the cause of ctx when ctx ends, at once, also while the client waits to reconnect;
//   - the error of the last attempt, if no other is to be made: a network error, an
//     [*IdleError], a [*TimeoutError], a [*ByeError], an end without the [Sentinel];
//   - all faults of the options, before anything is sent, or [ErrClientTimeout].
//
// Leaving the loop closes the connection before the loop statement returns. Follow
// leaves no goroutine behind.
func Follow[T any](ctx context.Context, url string, opts ...Option) iter.Seq2[sse.ServerSentEvent[T], error] {
	return func(yield func(sse.ServerSentEvent[T], error) bool) {
		c, err := configFor[T](ctx, url, opts)
		if err == nil {
			err = follow(ctx, c, typed(c, yield))
		}
		if err != nil && err != errLeft {
			yield(sse.ServerSentEvent[T]{}, err)
		}
	}
}

// Values returns an iterator over the data of the events of the stream at url. It is
// [Follow] without ids, names and comments; everything said there applies.
func Values[T any](ctx context.Context, url string, opts ...Option) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for ev, err := range Follow[T](ctx, url, opts...) {
			if !yield(ev.Data, err) {
				return
			}
		}
	}
}
