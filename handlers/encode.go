package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
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
	return append(appendObject(dst, ev.ID, ev.Event, data), '\n'), nil
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
		e.data = appendString(e.data, data)[len(data):]
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

// appendObject appends the JSON form of an event: {"id","event","data"}, without
// the fields that it does not have.
func appendObject(dst []byte, id, event string, data []byte) []byte {
	dst = append(dst, '{')
	if id != "" {
		dst = append(appendString(append(dst, `"id":`...), id), ',')
	}
	if event != "" {
		dst = append(appendString(append(dst, `"event":`...), event), ',')
	}
	dst = append(append(dst, `"data":`...), data...)
	return append(dst, '}')
}

// appendString appends s as a JSON string (RFC 8259, section 7). Unlike
// encoding/json it leaves <, > and & alone: the answer is no HTML.
func appendString[S []byte | string](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}
