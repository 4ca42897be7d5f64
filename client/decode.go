package client

import (
	"fmt"
	"log/slog"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Codec sets how data is decoded. Defaults to [sse.JSON].
func Codec(codec sse.Codec) Option {
	return func(c *config) { set(c, &c.codec, codec, codec == nil, "Codec") }
}

// MaxEvent limits the size of one event in bytes, so that a server cannot exhaust
// memory. A larger event is an [*sse.EventTooLargeError], handled as [DecodeErrors]
// says. Defaults to 1 MiB.
func MaxEvent(bytes int) Option {
	return func(c *config) { set(c, &c.maxEvent, bytes, bytes <= 0, "MaxEvent") }
}

// DecodeErrors sets what to do with an event that cannot be yielded because its data
// does not decode (a [*DecodeError]), or because it is larger than [MaxEvent] (an
// [*sse.EventTooLargeError]). Its id counts like any other once its blank line has
// arrived: a stream that reconnects resumes after it. Defaults to [ReactionEnd].
// [ReactionSkip] logs it at level Warn.
func DecodeErrors(r Reaction) Option {
	return func(c *config) { set(c, &c.decodeErrors, r, r.bad(), "DecodeErrors") }
}

// A DecodeError says that data could not be decoded to a T.
type DecodeError struct {
	ID, Event string // the event's own id and its name, if it had them
	Data      []byte // as received
	Err       error  // the error of the codec

	answer bool // the answer of Once, not an event
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

// typed returns the handler that decodes events and yields them. It treats what cannot
// be yielded as the reaction to it says.
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
		switch c.reaction(err) {
		case ReactionSkip:
			c.logger.Warn("event skipped", slog.String("url", show.URL(c.url)), slog.Any("error", err))
		case ReactionSurface:
			if !yield(sse.ServerSentEvent[T]{}, err) {
				return errLeft
			}
		default:
			return err
		}
		return nil
	}
}

// reader returns a function that decodes data to a T.
func reader[T any](codec sse.Codec) func(data []byte) (T, error) {
	var zero T
	v := new(T) // one for all events, because it escapes to the heap
	return func(data []byte) (T, error) {
		*v = zero
		err := codec.DecodeData(data, v)
		return *v, err
	}
}
