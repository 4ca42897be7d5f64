package sse

import (
	"strconv"
	"sync"
	"time"
)

// Append appends the wire block of ev, encoded by [JSON], to dst. The lines are in
// the order id, event, retry, comment, data, and a blank line ends the block.
//
// Append checks every field. If one cannot be written, it returns a [*FieldError]
// that names the field and the byte, and dst unchanged. It may be called
// concurrently, and it does not allocate once dst is large enough, unless encoding
// the data does. An [Encoder] is slightly faster: it saves a look-up.
func Append[T any](dst []byte, ev ServerSentEvent[T]) ([]byte, error) {
	pool := encoderPool[T]()
	e := pool.Get().(*Encoder[T])
	dst, err := e.Append(dst, ev)
	pool.Put(e)
	return dst, err
}

var encoderPools sync.Map // poolKey[T] to *sync.Pool of *Encoder[T]

type poolKey[T any] struct{}

func encoderPool[T any]() *sync.Pool {
	p, ok := encoderPools.Load(poolKey[T]{})
	if !ok {
		p, _ = encoderPools.LoadOrStore(poolKey[T]{}, &sync.Pool{New: func() any { return NewEncoder[T](nil) }})
	}
	return p.(*sync.Pool)
}

// An Encoder writes events with data of type T. It can be used for any number of
// events, by one goroutine at a time. The zero Encoder uses [JSON].
//
// With a buffer that is large enough it does not allocate for strings, byte
// slices, types with AppendText, and structs that encoding/json writes without
// allocating (no maps, no marshaling methods). It keeps no reference to an event.
type Encoder[T any] struct {
	codec Codec
	v     T // the value during a call, so that passing a pointer to the codec does not allocate
}

// NewEncoder returns an Encoder that writes data with c, or with [JSON] if c is nil.
func NewEncoder[T any](c Codec) *Encoder[T] {
	return &Encoder[T]{codec: c}
}

// Append appends the wire block of ev to dst, as the function [Append] does.
func (e *Encoder[T]) Append(dst []byte, ev ServerSentEvent[T]) ([]byte, error) {
	if err := checkFields(ev.ID, ev.Event, ev.Retry, ev.Comment); err != nil {
		return dst, err
	}
	out := dst
	if ev.ID != "" {
		out = appendField(out, "id: ", ev.ID)
	}
	if ev.Event != "" {
		out = appendField(out, "event: ", ev.Event)
	}
	if ev.Retry > 0 {
		out = appendRetry(out, ev.Retry)
	}
	if ev.Comment != "" {
		out = appendComment(out, ev.Comment)
	}
	out = append(out, "data: "...)
	start := len(out)
	out, err := e.AppendData(out, ev.Data)
	if err != nil {
		return dst, err
	}
	out = breakLines(out, start, "data: ")
	return append(out, "\n\n"...), nil
}

// AppendData appends only the data of v, without the field names of an event stream.
// It returns the same errors as Append.
func (e *Encoder[T]) AppendData(dst []byte, v T) ([]byte, error) {
	e.v = v
	out, err := e.dataCodec().AppendData(dst, &e.v)
	var zero T
	e.v = zero
	if err == nil && len(out) < len(dst) {
		err = errShrunk
	}
	if err != nil {
		return dst, &FieldError{Field: "data", Offset: -1, Err: err}
	}
	if i := invalidUTF8(out[len(dst):]); i >= 0 {
		return dst, &FieldError{Field: "data", Offset: i, Err: ErrInvalidUTF8}
	}
	return out, nil
}

// IsText reports whether the data of v is plain text, and not a JSON value. Code that
// puts data into JSON, such as a line of NDJSON, must write text as a JSON string and
// can embed everything else as it is.
//
// The answer depends on the codec and on the type alone. It is the same for all v,
// so that the zero T can be passed, unless T is an interface: then it depends on
// the type of what v holds (a nil interface is JSON).
func (e *Encoder[T]) IsText(v T) bool {
	e.v = v
	text := e.dataCodec().IsText(&e.v)
	var zero T
	e.v = zero
	return text
}

func (e *Encoder[T]) dataCodec() Codec {
	if e.codec == nil {
		return JSON
	}
	return e.codec
}

func appendField(dst []byte, prefix, value string) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, value...)
	return append(dst, '\n')
}

// appendRetry writes whole milliseconds. It rounds less than one up, because 0 would
// ask clients to reconnect without a pause.
func appendRetry(dst []byte, d time.Duration) []byte {
	ms := d.Milliseconds()
	if d > 0 {
		ms = max(ms, 1)
	}
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, ms, 10)
	return append(dst, '\n')
}

func appendComment(dst []byte, text string) []byte {
	dst = append(dst, ": "...)
	start := len(dst)
	dst = append(dst, text...)
	dst = breakLines(dst, start, ": ")
	return append(dst, '\n')
}
