package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An encoder encodes values whose data is of type T in the format of one stream. It
// must not be used by two goroutines at once.
type encoder[T any] struct {
	enc     *sse.Encoder[T]
	mixed   bool // T is an interface, so that a value may be anything
	trusted bool // the codec's JSON is valid and has no line breaks
	f       answer.Format
	data    []byte
}

func newEncoder[T any](c sse.Codec, f answer.Format) *encoder[T] {
	return &encoder[T]{enc: sse.NewEncoder[T](c), mixed: isInterface[T](), trusted: c == nil || c == sse.JSON, f: f}
}

// event appends ev: a block of the event stream, or a line of JSON.
func (e *encoder[T]) event(dst []byte, ev sse.ServerSentEvent[T]) ([]byte, error) {
	if err := checkReserved(ev.ID, ev.Event); err != nil {
		return dst, err
	}
	if e.f == answer.EventStream {
		return e.enc.Append(dst, ev)
	}
	if err := ev.Validate(); err != nil {
		return dst, err
	}
	data, err := e.json(ev.Data)
	if err != nil {
		return dst, err
	}
	return append(session.AppendObject(dst, ev.ID, ev.Event, data), '\n'), nil
}

// value appends v: the data of an unnamed event, or a line of JSON.
func (e *encoder[T]) value(dst []byte, v T) ([]byte, error) {
	if e.mixed {
		if t := reflect.TypeOf(v); t != nil && isEvent(t) {
			return dst, fmt.Errorf("the value is an event (%v), which Values does not serve: use Events", t)
		}
	}
	if e.f == answer.EventStream {
		return e.enc.Append(dst, sse.ServerSentEvent[T]{Data: v})
	}
	data, err := e.json(v)
	if err != nil {
		return dst, err
	}
	return append(append(dst, data...), '\n'), nil
}

// json returns v as one line of JSON, valid until the next call: text as a
// string, and what is JSON already without its white space.
func (e *encoder[T]) json(v T) ([]byte, error) {
	data, err := e.enc.AppendData(e.data[:0], v)
	if err != nil {
		return nil, err
	}
	e.data = data
	if e.enc.IsText(v) {
		e.data = session.AppendString(e.data, data)[len(data):]
		return e.data, nil
	}
	if e.trusted {
		return data, nil
	}
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return nil, fmt.Errorf("data: the codec calls it JSON, but: %w", err)
	}
	return line.Bytes(), nil
}

// checkReserved refuses names and ids that only control events may have.
func checkReserved(id, event string) error {
	if sse.IsControl(event) {
		return fmt.Errorf("event %q: names that begin with %q are reserved for control events; choose another", event, sse.ReservedPrefix)
	}
	if id == sse.EndID {
		return fmt.Errorf("id %q means that the stream is complete; choose another", id)
	}
	return nil
}

func isInterface[T any]() bool { return reflect.TypeFor[T]().Kind() == reflect.Interface }

// textRule says whether data of type T is text on the wire.
func textRule[T any](c sse.Codec) session.Text {
	if isInterface[T]() {
		return session.TextSniffed
	}
	var zero T
	if sse.NewEncoder[T](c).IsText(zero) {
		return session.TextAlways
	}
	return session.TextNever
}
