package sse

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// A Codec turns values into the data of events and back. v is a pointer to the
// value in both directions, valid only during the call, so that methods with
// pointer receivers can be called. A Codec must be safe for concurrent use.
//
// AppendData appends the data of *v to dst and returns the extended slice. It may
// contain line breaks: each line becomes a line of the data field (and a CR is
// read back as LF). The [Encoder] refuses text that is not UTF-8.
//
// DecodeData sets *v from data. It must not keep data, which is overwritten when
// the next event is read.
//
// IsText reports whether the data of *v is plain text, and not a JSON value. The
// answer depends on the type of *v alone or, if that is an interface, on the type
// of what it holds. See [Encoder.IsText].
type Codec interface {
	AppendData(dst []byte, v any) ([]byte, error)
	DecodeData(data []byte, v any) error
	IsText(v any) bool
}

// JSON is the default Codec. The first rule that applies decides how a value is
// written:
//
//   - Types with AppendText or MarshalText ([encoding.TextAppender],
//     [encoding.TextMarshaler]; time.Time is one) are written as that text, even
//     if they have MarshalJSON as well.
//   - Types with MarshalJSON, and json.Number, are written as JSON.
//   - Strings and byte slices, named ones too, are written as they are.
//   - A pointer is written as what it points to, an interface as what it holds,
//     and either as null if it is nil.
//   - Everything else is written as encoding/json does, but <, > and & are not
//     escaped: an event stream is not HTML.
//
// Methods with pointer receivers count, because the codec gets a pointer to the
// value (json.Marshal of a plain value would miss them). Of a value inside an
// interface only methods with value receivers count.
//
// Reading follows the same rules with UnmarshalText and UnmarshalJSON; a type
// without them is read the way it is written. The data null read into a pointer
// sets it to nil, even if the pointer is a *string.
var JSON jsonCodec

// A jsonCodec has a type of its own so that nothing else can be assigned to [JSON].
type jsonCodec struct{}

func (jsonCodec) AppendData(dst []byte, v any) ([]byte, error) {
	switch p := v.(type) { // the most common types, without a look-up
	case *string:
		if p != nil {
			return append(dst, *p...), nil
		}
	case *[]byte:
		if p != nil {
			return append(dst, *p...), nil
		}
	}
	rv, f := resolve(v)
	if !rv.IsValid() {
		return append(dst, "null"...), nil
	}
	switch f {
	case asString:
		return append(dst, reflect.Indirect(rv).String()...), nil
	case asBytes:
		return append(dst, reflect.Indirect(rv).Bytes()...), nil
	case asText:
		if a, ok := rv.Interface().(encoding.TextAppender); ok {
			return a.AppendText(dst)
		}
		text, err := rv.Interface().(encoding.TextMarshaler).MarshalText()
		return append(dst, text...), err
	}

	w := jsonWriters.Get().(*jsonWriter)
	w.b = dst
	err := w.enc.Encode(v)
	dst, w.b = w.b, nil
	if err != nil {
		return dst, err
	}
	jsonWriters.Put(w)
	return bytes.TrimSuffix(dst, []byte("\n")), nil // Encode ends with a line feed
}

// IsText reports whether *v is written as plain text. It looks only at types, so a
// nil *string is text.
func (jsonCodec) IsText(v any) bool {
	_, f := resolve(v)
	return f != asJSON
}

func (jsonCodec) DecodeData(data []byte, v any) error {
	switch p := v.(type) { // the most common types, without a look-up
	case *string:
		if p != nil {
			*p = string(data)
			return nil
		}
	case *[]byte:
		if p != nil {
			*p = append([]byte{}, data...)
			return nil
		}
	case *json.RawMessage:
		// json.Unmarshal would scan it twice, once to check it and once to find its
		// end. If it is not JSON, let json.Unmarshal below say what is wrong.
		if p != nil && json.Valid(data) {
			*p = append((*p)[:0], bytes.Trim(data, " \t\r\n")...)
			return nil
		}
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("sse: data: cannot decode into %T; pass a pointer", v)
	}
	for {
		if u, ok := rv.Interface().(encoding.TextUnmarshaler); ok {
			return decodeError(u.UnmarshalText(data))
		}
		if _, ok := rv.Interface().(json.Unmarshaler); ok || rv.Elem().Kind() != reflect.Pointer {
			break
		}
		if string(data) == "null" {
			rv.Elem().SetZero()
			return nil
		}
		if rv.Elem().IsNil() {
			rv.Elem().Set(reflect.New(rv.Elem().Type().Elem()))
		}
		rv = rv.Elem()
	}
	if _, ok := rv.Interface().(json.Unmarshaler); !ok && formOf(rv.Type()) != asJSON {
		switch elem := rv.Elem(); {
		case elem.Kind() == reflect.String:
			elem.SetString(string(data))
			return nil
		case isBytes(elem.Type()):
			elem.SetBytes(append([]byte{}, data...))
			return nil
		}
	}
	return decodeError(json.Unmarshal(data, v))
}

func decodeError(err error) error {
	if err != nil {
		return fmt.Errorf("sse: data: %w", err)
	}
	return nil
}

// A form is how the values of a type are written.
type form uint8

const (
	asJSON   form = iota
	asText        // by AppendText or MarshalText
	asString      // a string
	asBytes       // a []byte
	asLink        // a pointer to a pointer or interface: decided by what that holds
)

// resolve follows pointers and interfaces to the value that decides how *v is
// written. The value is a pointer, or not addressable. If it is nil, the returned
// value is invalid, and the form is that of the pointer's type.
func resolve(v any) (reflect.Value, form) {
	rv := reflect.ValueOf(v)
	for rv.IsValid() {
		t := rv.Type()
		f := formOf(t)
		if rv.Kind() == reflect.Pointer && rv.IsNil() {
			for f == asLink {
				if t = t.Elem(); t.Kind() == reflect.Interface {
					return reflect.Value{}, asJSON
				}
				f = formOf(t)
			}
			return reflect.Value{}, f
		}
		if f != asLink {
			return rv, f
		}
		if rv = rv.Elem(); rv.Kind() == reflect.Interface {
			rv = rv.Elem()
		}
	}
	return reflect.Value{}, asJSON
}

var forms sync.Map // reflect.Type to form

// formOf returns the form of values of type t, which is a pointer type or the type
// of what an interface holds.
func formOf(t reflect.Type) form {
	if f, ok := forms.Load(t); ok {
		return f.(form)
	}
	f := findForm(t)
	forms.Store(t, f)
	return f
}

func findForm(t reflect.Type) form {
	switch {
	case t.Implements(reflect.TypeFor[encoding.TextAppender]()), t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return asText
	case t.Implements(reflect.TypeFor[json.Marshaler]()):
		return asJSON
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Interface:
		return asLink
	case t == reflect.TypeFor[json.Number]():
		return asJSON
	case t.Kind() == reflect.String:
		return asString
	case isBytes(t):
		return asBytes
	}
	return asJSON
}

// isBytes reports whether t is a slice of plain bytes. A slice of a named byte type
// may be a list of levels or flags.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem() == reflect.TypeFor[byte]()
}

// A jsonWriter is a json.Encoder that appends to b. json.Marshal would allocate its
// result, and would escape for HTML.
type jsonWriter struct {
	b   []byte
	enc *json.Encoder
}

func (w *jsonWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

var jsonWriters = sync.Pool{New: func() any {
	w := new(jsonWriter)
	w.enc = json.NewEncoder(w)
	w.enc.SetEscapeHTML(false)
	return w
}}

var errShrunk = errors.New("the codec returned less than it was given")
