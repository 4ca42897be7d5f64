package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Case is one kind of event in a stream of several kinds: a name and the Go type of
// its data. [Type] makes a Case, and [Types] takes them.
type Case struct {
	event string
	typ   reflect.Type
	// reader returns the function that decodes the events of one stream.
	reader func(sse.Codec) func(data []byte) (any, error)
}

// Type returns the case that events named event have data of type X. The name "" is
// the same as "message", as in the HTML standard: it means events without a name, and
// events named message.
func Type[X any](event string) Case {
	return Case{event, reflect.TypeFor[X](), func(codec sse.Codec) func([]byte) (any, error) {
		read := reader[X](codec)
		return func(data []byte) (any, error) {
			v, err := read(data)
			return v, err
		}
	}}
}

// Types reads a stream of several types: the name of an event decides to which type the
// [Codec] decodes its data, and a type switch in the loop tells which it was. The T of
// [Follow], [Values], [Subscribe] or [Observe] must be an interface that the type of
// every case implements: any, or an interface of the caller.
//
// Each event gets a value of its own. [UnknownEvents] sets what to do with an event that
// no case names; by default it is skipped. It is an error, before anything is sent, to
// give no case, two cases for one name, a case for a control event (unless the stream is
// [Strict]), a type that does not implement T, or a T that is not an interface.
func Types(cases ...Case) Option {
	return func(c *config) {
		if len(cases) == 0 {
			c.fail("option Types: there is no case: give one Type for each event name")
			return
		}
		seen := make(map[string]bool, len(cases))
		for i, k := range cases {
			name := show.EventName(k.event)
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

// configFor is newConfig for a stream of Ts. It also checks that the cases fit T.
func configFor[T any](ctx context.Context, rawURL string, opts []Option) (*config, error) {
	c, err := newConfig(ctx, rawURL, opts)
	return c, errors.Join(err, c.checkCases(reflect.TypeFor[T]()))
}

func (c *config) checkCases(t reflect.Type) error {
	if len(c.cases) > 0 && t.Kind() != reflect.Interface {
		return fmt.Errorf("client: option Types: %v is not an interface: range over any, or over an interface that every case implements", t)
	}
	var errs []error
	bad := func(k Case, format string, args ...any) {
		errs = append(errs, fmt.Errorf("client: option Types: case %q: "+format, append([]any{show.EventName(k.event)}, args...)...))
	}
	for _, k := range c.cases {
		switch {
		case k.typ == nil: // reported by the option already
		case !c.strict && obeyed(k.event):
			bad(k, "the client handles control events and does not yield them: remove the case, or use Gaps or Strict")
		case k.typ.Implements(t):
		case reflect.PointerTo(k.typ).Implements(t):
			bad(k, "%v does not implement %v, its pointer does: write Type[*%v]", k.typ, t, k.typ)
		default:
			bad(k, "%v does not implement %v", k.typ, t)
		}
	}
	return errors.Join(errs...)
}

// union returns the function that decodes an event by the case for its name.
func union[T any](c *config) func(sse.Event) (T, error) {
	readers := make(map[string]func([]byte) (any, error), len(c.cases))
	for _, k := range c.cases {
		readers[show.EventName(k.event)] = k.reader(c.codec)
	}
	return func(ev sse.Event) (v T, err error) {
		read := readers[show.EventName(ev.Event)]
		if read == nil {
			return v, c.unknown(ev)
		}
		boxed, err := read(ev.Data)
		if err != nil {
			return v, newDecodeError(ev, err)
		}
		v, _ = boxed.(T) // it implements T, or is the nil of a case whose type is an interface
		return v, nil
	}
}

// errSkipped means that an event was skipped and nothing is left to do.
var errSkipped = errors.New("client: skipped")

// unknown returns the error for an event that no case names. It does not allocate for
// an event that is skipped, because there may be many.
func (c *config) unknown(ev sse.Event) error {
	if c.unknownEvents != ReactionSkip {
		return &UnknownEventError{ID: ev.ID, Event: ev.Event, Data: append([]byte(nil), ev.Data...)}
	}
	if c.logger.Enabled(context.Background(), slog.LevelDebug) {
		c.logger.Debug("unknown event skipped", slog.String("url", show.URL(c.url)), slog.String("id", ev.ID), slog.String("event", ev.Event))
	}
	return errSkipped
}

// UnknownEvents sets what to do with an event that no case of [Types] names; without
// Types no event is unknown. Defaults to [ReactionSkip], which logs it at level Debug: a
// server must be able to send a new kind of event before its clients know it, and a
// browser drops events without a listener, too. Choose another reaction if such an event
// must not be missed. The id of a skipped event counts like any other.
//
// An event larger than [MaxEvent] is an [*sse.EventTooLargeError] whatever its name,
// which may not have been read yet; [DecodeErrors] applies to it.
func UnknownEvents(r Reaction) Option {
	return func(c *config) { set(c, &c.unknownEvents, r, r.bad(), "UnknownEvents") }
}

// An UnknownEventError says that an event arrived that no case of [Types] names.
type UnknownEventError struct {
	ID, Event string // the event's own id and its name, if it had them
	Data      []byte // as received
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("client: unknown event: no case is named %q (id %q): %s", show.EventName(e.Event), e.ID, excerpt(e.Data))
}
