package client

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

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
//   - [*UnknownEventError] for an event that is no case of [Types], and [*Gap] where
//     events are missing, if asked for ([UnknownEvents], [Gaps]);
//   - the cause of ctx, once it is cancelled; the loop ends at once, also while it
//     waits to reconnect;
//   - the last attempt's error, when there are to be no more;
//   - what is wrong with the options, before anything is sent.
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

// typed returns the handler that decodes events and yields them, and does with
// what cannot be handed out as its policy says.
func typed[T any](c *config, yield func(sse.ServerSentEvent[T], error) bool) func(sse.Event, error) error {
	decode := union[T](c)
	if len(c.cases) == 0 {
		read := reader[T](c.codec)
		decode = func(ev sse.Event) (T, error) {
			v, err := read(ev.Data)
			if err != nil {
				err = newDecodeError(ev, err)
			}
			return v, err
		}
	}
	return func(ev sse.Event, err error) error {
		var data T
		if err == nil {
			data, err = decode(ev)
		}
		if err == nil {
			out := sse.ServerSentEvent[T]{ID: ev.ID, Event: ev.Event, Data: data, Retry: ev.Retry, Comment: ev.Comment}
			if !yield(out, nil) {
				return errLeft
			}
			return nil
		}
		if err == errSkipped {
			return nil
		}
		switch c.policy(err) {
		case SkipDecodeErrors:
			c.logger.Warn("event skipped", slog.String("url", place(c.url)), slog.Any("error", err))
		case SurfaceDecodeErrors:
			if !yield(sse.ServerSentEvent[T]{}, err) {
				return errLeft
			}
		default:
			return err
		}
		return nil
	}
}

// reader returns a function that decodes data to Ts.
func reader[T any](codec sse.Codec) func(data []byte) (T, error) {
	var zero T
	v := new(T) // one for all events: what a codec fills must be on the heap
	return func(data []byte) (T, error) {
		*v = zero
		err := codec.DecodeData(data, v)
		return *v, err
	}
}

// policy is what is to become of err, in the words of a DecodePolicy: the values
// of the others mean the same.
func (c *config) policy(err error) DecodePolicy {
	switch err.(type) {
	case *UnknownEventError:
		return DecodePolicy(c.unknownEvents)
	case *Gap:
		return DecodePolicy(c.gaps)
	}
	return c.decodeErrors
}

// A DecodePolicy says what becomes of an event that cannot be handed out: its
// data does not decode, a [*DecodeError], or it is larger than [MaxEvent], an
// [*sse.EventTooLargeError]. Its id counts like any other, once its blank line has
// arrived: a stream that reconnects goes on behind it.
type DecodePolicy int

const (
	// EndOnDecodeError ends the stream with the error.
	EndOnDecodeError DecodePolicy = iota
	// SurfaceDecodeErrors yields the error in the event's place and goes on: it is
	// not the last.
	SurfaceDecodeErrors
	// SkipDecodeErrors logs the error at level Warn and goes on.
	SkipDecodeErrors
)

// A DecodeError says that data arrived that is no T.
type DecodeError struct {
	ID, Event string // the event's own id and its name, if it had them
	Data      []byte // as it came
	Err       error  // the codec's

	answer bool // of Once, not an event
}

func newDecodeError(ev sse.Event, err error) *DecodeError {
	return &DecodeError{ID: ev.ID, Event: ev.Event, Data: append([]byte(nil), ev.Data...), Err: err}
}

func (e *DecodeError) Error() string {
	what := fmt.Sprintf("event (id %q, name %q)", e.ID, e.Event)
	if e.answer {
		what = "the answer"
	}
	return fmt.Sprintf("client: decode: %s: %v: %s", what, e.Err, excerpt(e.Data))
}

func (e *DecodeError) Unwrap() error { return e.Err }
