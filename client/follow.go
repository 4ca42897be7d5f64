package client

import (
	"context"
	"iter"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Follow returns the events of the stream at url, each decoded to a T.
//
// Nothing happens until the result is ranged over; each range is a subscription of
// its own, in the caller's goroutine, and starts where the options say. Events
// come in the order they were sent. The client does not read ahead of the loop by
// more than a buffer's worth: a slow loop slows the server, and nothing piles up.
// An event's ID is its own, "" if it had none; its comments come with it.
//
// The first connection must succeed, or its error ends the loop at once. After
// that a lost connection is made anew, as [Retry] says, with the Last-Event-ID of
// the last event; the loop does not notice, the hooks and the log do. An answer of
// 408, 429, 502, 503 or 504 is then retried too, not before its Retry-After. The
// answer 204, the event stream.complete and a [Sentinel] end the loop without an
// error.
//
// Redirects are followed. Once permanent ones (301, 308) have led to an event stream,
// later attempts of this subscription begin where they led, until that place says no
// or cannot be reached: then the next attempt is made at url again. The loop ends
// when both say no, one after the other; while a place cannot be reached, the two are
// tried in turns.
//
// An error is yielded once, with a zero event, and ends the loop, unless an option
// named here asks for its kind to surface in its place, or to be skipped:
//
//   - [*StatusError] for any other status, or the error of [OnStatus];
//   - [*ContentTypeError] for an answer that is no event stream;
//   - [*RedirectError] for a redirect that cannot be followed;
//   - [*StreamError] when the server ended the stream because its source failed;
//   - [*DecodeError] and [*sse.EventTooLargeError] for an event that cannot be
//     handed out ([DecodeErrors]);
//   - [*UnknownEventError] for an event that is no case of [Types], and [*GapError] where
//     events are missing, if asked for ([UnknownEvents], [Gaps]);
//   - [*CursorError] if the cursor of [Resume] fails;
//   - the cause of ctx, once it is cancelled; the loop ends at once, also while it
//     waits to reconnect;
//   - the last attempt's error, when there are to be no more: a network error, an
//     [*IdleError], a [*TimeoutError], a [*ByeError], an end without its [Sentinel];
//   - what is wrong with the options, before anything is sent; [ErrClientTimeout].
//
// Leaving the loop closes the connection before the loop statement is over. No
// goroutine is left behind.
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

// Values returns the data of the events of the stream at url. It is [Follow]
// without ids, names and comments, and all that is said there holds here.
func Values[T any](ctx context.Context, url string, opts ...Option) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for ev, err := range Follow[T](ctx, url, opts...) {
			if !yield(ev.Data, err) {
				return
			}
		}
	}
}
