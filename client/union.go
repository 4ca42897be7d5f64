package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A Case is one kind of event in a stream of several: a name and the Go type of
// its data. [Type] makes one, [Types] takes them.
type Case struct {
	event string
	typ   reflect.Type
	// reader makes what decodes the events of one stream.
	reader func(sse.Codec) func(data []byte) (any, error)
}

// Type is the case that events named event hold an X. The name "" is the same as
// "message", as in the HTML standard: it stands for the events without a name, and
// for those that are named message.
func Type[X any](event string) Case {
	return Case{event, reflect.TypeFor[X](), func(codec sse.Codec) func([]byte) (any, error) {
		read := reader[X](codec)
		return func(data []byte) (any, error) {
			v, err := read(data)
			return v, err
		}
	}}
}

// Types makes a stream one of several types: the name of an event decides to which
// of them the [Codec] decodes its data, and a type switch in the loop finds out
// which it was. The T of [Follow], [Values], [Subscribe] or [Observe] must be an
// interface that the type of every case implements: any, or one of the caller's
// own, sealed or not.
//
// Each event has a value of its own. What becomes of an event that no case names
// is said by [UnknownEvents]; by default it is skipped. No case at all, two for one
// name, one for a control event (unless the stream is [Strict]), a type that does
// not implement T, and a T that is no interface are errors before anything is sent.
func Types(cases ...Case) Option {
	return func(c *config) {
		if len(cases) == 0 {
			c.fail("option Types: there is no case: give one Type for each event name")
			return
		}
		seen := make(map[string]bool, len(cases))
		for i, k := range cases {
			name := nameOf(k.event)
			if k.reader == nil {
				c.fail("option Types: case %d is empty: make it with Type", i+1)
				continue
			}
			if seen[name] {
				c.fail("option Types: two cases are named %q (the name \"\" means \"message\")", name)
			}
			seen[name] = true
		}
		c.cases = cases
	}
}

// nameOf is the name of an event, as the HTML standard dispatches it.
func nameOf(event string) string { return cmp.Or(event, "message") }

// configFor is newConfig for a stream of Ts, whose cases must fit.
func configFor[T any](ctx context.Context, rawURL string, opts []Option) (*config, error) {
	c, err := newConfig(ctx, rawURL, opts)
	return c, errors.Join(err, c.checkCases(reflect.TypeFor[T]()))
}

func (c *config) checkCases(t reflect.Type) error {
	if len(c.cases) > 0 && t.Kind() != reflect.Interface {
		return fmt.Errorf("client: option Types: %v is no interface: range over any, or over an interface that every case implements", t)
	}
	var errs []error
	bad := func(k Case, format string, args ...any) {
		errs = append(errs, fmt.Errorf("client: option Types: case %q: "+format, append([]any{nameOf(k.event)}, args...)...))
	}
	for _, k := range c.cases {
		switch {
		case k.typ == nil: // the option has said so
		case !c.strict && isControl(k.event):
			bad(k, "a control event is obeyed, never handed out: take the case out, or use Gaps or Strict")
		case k.typ.Implements(t):
		case reflect.PointerTo(k.typ).Implements(t):
			bad(k, "%v does not implement %v, its pointer does: write Type[*%v]", k.typ, t, k.typ)
		default:
			bad(k, "%v does not implement %v", k.typ, t)
		}
	}
	return errors.Join(errs...)
}

// union returns what decodes an event by the case of its name.
func union[T any](c *config) func(sse.Event) (T, error) {
	readers := make(map[string]func([]byte) (any, error), len(c.cases))
	for _, k := range c.cases {
		readers[nameOf(k.event)] = k.reader(c.codec)
	}
	return func(ev sse.Event) (v T, err error) {
		read := readers[nameOf(ev.Event)]
		if read == nil {
			return v, c.unknown(ev)
		}
		boxed, err := read(ev.Data)
		if err != nil {
			return v, newDecodeError(ev, err)
		}
		v, _ = boxed.(T) // it fits, or is nil: the nil of a case whose type is an interface
		return v, nil
	}
}

// errSkipped says that an event was skipped, and that this has been seen to.
var errSkipped = errors.New("client: skipped")

// unknown is the error of an event that no case names. One that is skipped costs
// nothing: there may be many.
func (c *config) unknown(ev sse.Event) error {
	if c.unknownEvents != Skip {
		return &UnknownEventError{ID: ev.ID, Event: ev.Event, Data: append([]byte(nil), ev.Data...)}
	}
	if c.logger.Enabled(context.Background(), slog.LevelDebug) {
		c.logger.Debug("unknown event skipped", slog.String("url", place(c.url)), slog.String("id", ev.ID), slog.String("event", ev.Event))
	}
	return errSkipped
}

// UnknownEvents sets what becomes of an event whose name is no case of [Types];
// without Types there are none. Defaults to [Skip], which logs it at level Debug: a
// server must be free to send a new kind of event before its clients have been taught it, and a
// browser drops events nobody listens for, too. Whoever would miss something by
// that asks for another policy. The id of a skipped event counts like any other.
//
// An event larger than [MaxEvent] is an [*sse.EventTooLargeError] whatever its
// name, which may not have been read yet, and is left to [DecodeErrors].
func UnknownEvents(p Policy) Option {
	return func(c *config) { set(c, &c.unknownEvents, p, p.bad(), "UnknownEvents") }
}

// An UnknownEventError says that an event arrived whose name is no case of
// [Types].
type UnknownEventError struct {
	ID, Event string // the event's own id and its name, if it had them
	Data      []byte // as it came
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("client: unknown event: no case is named %q (id %q): %s", nameOf(e.Event), e.ID, excerpt(e.Data))
}
