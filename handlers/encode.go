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

// An encoder puts values whose data is of type T into one stream's format. It
// is used by one goroutine at a time: the one that holds the stream's sink.
type encoder[T any] struct {
	enc     *sse.Encoder[T]
	trusted bool // the codec's JSON is one line, and is JSON
	f       answer.Format
	data    []byte
}

func newEncoder[T any](c sse.Codec, f answer.Format) *encoder[T] {
	return &encoder[T]{enc: sse.NewEncoder[T](c), trusted: c == nil || c == sse.JSON, f: f}
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
// string, and what is JSON already as it is, but for the white space in it.
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

// checkReserved refuses what would be taken for the server's own words.
func checkReserved(id, event string) error {
	if sse.IsControl(event) {
		return fmt.Errorf("event %q: names that begin with %q are the server's own; choose another", event, sse.ReservedPrefix)
	}
	if id == sse.EndID {
		return fmt.Errorf("id %q means that the stream is complete; choose another", id)
	}
	return nil
}

// textRule says whether data of type T is text on the wire.
func textRule[T any](c sse.Codec) session.Text {
	if reflect.TypeFor[T]().Kind() == reflect.Interface {
		return session.TextSniffed
	}
	var zero T
	if sse.NewEncoder[T](c).IsText(zero) {
		return session.TextAlways
	}
	return session.TextNever
}
