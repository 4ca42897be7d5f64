package sse_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

type (
	word  string
	blob  []byte
	small uint8
	point struct {
		X, Y int
	}
	// shout has text methods only on its pointer.
	shout struct{ s string }
	// secret has a JSON method only on its pointer.
	secret struct{ S string }
	// quoted is a string with MarshalJSON.
	quoted string
	// both has text methods and JSON methods.
	both struct{ s string }
)

func (s *shout) MarshalText() ([]byte, error) { return []byte(s.s + "!"), nil }
func (s *shout) UnmarshalText(p []byte) error {
	if !bytes.HasSuffix(p, []byte("!")) {
		return errors.New("not loud enough")
	}
	s.s = string(p[:len(p)-1])
	return nil
}

func (s *secret) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }
func (s *secret) UnmarshalJSON(p []byte) error { s.S = string(p); return nil }

func (q quoted) MarshalJSON() ([]byte, error) { return json.Marshal("[" + string(q) + "]") }

func (b both) MarshalText() ([]byte, error)  { return []byte(b.s), nil }
func (b both) MarshalJSON() ([]byte, error)  { return []byte(`"json"`), nil }
func (b *both) UnmarshalText(p []byte) error { b.s = string(p); return nil }

// check writes v, reads it back, and checks IsText.
func check[T any](t *testing.T, v T, data string, text bool) {
	t.Helper()
	checkWritten(t, v, data, text)
	var back T
	if err := sse.JSON.DecodeData([]byte(data), &back); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("DecodeData(%q) into a %T = %#v, %v; want %#v, nil", data, v, back, err, v)
	}
}

func checkWritten[T any](t *testing.T, v T, data string, text bool) {
	t.Helper()
	enc := sse.NewEncoder[T](nil)
	got, err := enc.AppendData(nil, v)
	if err != nil || string(got) != data {
		t.Errorf("AppendData(%#v) = %q, %v; want %q, nil", v, got, err, data)
	}
	if got := enc.IsText(v); got != text {
		t.Errorf("IsText(%#v) = %v, want %v", v, got, text)
	}
}

func TestJSONCodec(t *testing.T) {
	const isText, isJSON = true, false
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	// text as it is
	check(t, "", "", isText)
	check(t, "a <b> & \"c\"\n", "a <b> & \"c\"\n", isText)
	check(t, []byte("x\r\ny"), "x\r\ny", isText)
	check(t, []byte{}, "", isText)
	check(t, word("w"), "w", isText)
	check(t, blob("b"), "b", isText)
	check(t, now, "2026-01-02T03:04:05Z", isText)
	check(t, netip.MustParseAddr("10.0.0.1"), "10.0.0.1", isText)
	check(t, shout{"hey"}, "hey!", isText)
	check(t, both{"text"}, "text", isText)

	// everything else is JSON, not escaped for HTML
	check(t, point{1, 2}, `{"X":1,"Y":2}`, isJSON)
	check(t, 42, "42", isJSON)
	check(t, small(7), "7", isJSON)
	check(t, []small{1, 2}, `"AQI="`, isJSON)
	check(t, [3]byte{1, 2, 3}, "[1,2,3]", isJSON)
	check(t, true, "true", isJSON)
	check(t, time.Second, "1000000000", isJSON)
	check(t, []string{"<&>", "\u2028"}, "[\"<&>\",\"\\u2028\"]", isJSON)
	check(t, map[string]any{"k": nil}, `{"k":null}`, isJSON)
	check(t, json.Number("1.50"), "1.50", isJSON)
	check(t, json.RawMessage(`{"a":1}`), `{"a":1}`, isJSON)
	checkWritten(t, json.RawMessage("{\n\"a\": 1\n}"), `{"a":1}`, isJSON)
	checkWritten(t, secret{"s"}, `"***"`, isJSON)
	checkWritten(t, quoted("q"), `"[q]"`, isJSON)

	// pointers are written as what they point to, nil as null
	check(t, new("s"), "s", isText)
	check(t, new(new("s")), "s", isText)
	check(t, new([]byte("s")), "s", isText)
	check(t, new(word("s")), "s", isText)
	check(t, &now, "2026-01-02T03:04:05Z", isText)
	check(t, &shout{"hey"}, "hey!", isText)
	check(t, &point{1, 2}, `{"X":1,"Y":2}`, isJSON)
	check(t, new(&point{1, 2}), `{"X":1,"Y":2}`, isJSON)
	check(t, (*string)(nil), "null", isText)
	check(t, (**string)(nil), "null", isText)
	check(t, (*time.Time)(nil), "null", isText)
	check(t, (*shout)(nil), "null", isText)
	check(t, (*point)(nil), "null", isJSON)
	check(t, (**point)(nil), "null", isJSON)
	check(t, (*any)(nil), "null", isJSON)

	// interfaces are written as what they hold
	checkWritten[any](t, "s", "s", isText)
	checkWritten[any](t, []byte("s"), "s", isText)
	checkWritten[any](t, word("s"), "s", isText)
	checkWritten[any](t, blob("s"), "s", isText)
	checkWritten[any](t, now, "2026-01-02T03:04:05Z", isText)
	checkWritten[any](t, &shout{"hey"}, "hey!", isText)
	checkWritten[any](t, shout{"hey"}, `{}`, isJSON)
	checkWritten[any](t, new("s"), "s", isText)
	checkWritten[any](t, new(any("s")), "s", isText)
	checkWritten[any](t, point{1, 2}, `{"X":1,"Y":2}`, isJSON)
	checkWritten[any](t, 42, "42", isJSON)
	checkWritten[any](t, nil, "null", isJSON)
	checkWritten[any](t, (*string)(nil), "null", isText)
	checkWritten[any](t, (*time.Time)(nil), "null", isText)
	checkWritten[fmt.Stringer](t, now, "2026-01-02T03:04:05Z", isText)
	checkWritten[fmt.Stringer](t, time.Second, "1000000000", isJSON)
	checkWritten[fmt.Stringer](t, nil, "null", isJSON)
	check[any](t, map[string]any{"X": 1.5}, `{"X":1.5}`, isJSON)
	check[any](t, nil, "null", isJSON)
}

func TestJSONCodecDecode(t *testing.T) {
	t.Run("a copy, since the data is overwritten", func(t *testing.T) {
		data := []byte("abc")
		var b []byte
		var n blob
		if err := errors.Join(sse.JSON.DecodeData(data, &b), sse.JSON.DecodeData(data, &n)); err != nil {
			t.Fatal(err)
		}
		copy(data, "xyz")
		if string(b) != "abc" || string(n) != "abc" {
			t.Errorf("the values became %q and %q", b, n)
		}
	})
	t.Run("with UnmarshalJSON on the pointer", func(t *testing.T) {
		var s secret
		if err := sse.JSON.DecodeData([]byte(`"x"`), &s); err != nil || s.S != `"x"` {
			t.Errorf("DecodeData = %v, %v", s, err)
		}
	})
	t.Run("a string that writes itself as JSON as JSON", func(t *testing.T) {
		var q quoted
		if err := sse.JSON.DecodeData([]byte(`"[q]"`), &q); err != nil || q != "[q]" {
			t.Errorf("DecodeData = %q, %v", q, err)
		}
	})
	t.Run("null with space around it", func(t *testing.T) {
		p := new(&point{})
		if err := sse.JSON.DecodeData([]byte(" null "), p); err != nil || *p != nil {
			t.Errorf("DecodeData = %v, %v; want nil", *p, err)
		}
	})
	t.Run("raw JSON as encoding/json does", func(t *testing.T) {
		for _, data := range []string{`{"a": [1, 2]}`, " \r\n\t[1] \n", "null", `" x "`, "", "{", "[1] 2", "\v1", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
			var got, want json.RawMessage
			err := sse.JSON.DecodeData([]byte(data), &got)
			wantErr := json.Unmarshal([]byte(data), &want)
			if wantErr != nil {
				wantErr = fmt.Errorf("sse: data: %w", wantErr)
			}
			if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("DecodeData(%.20q) = %.20q, %v; want %.20q, %v", data, got, err, want, wantErr)
			}
		}
	})
	for _, tt := range []struct {
		data string
		v    any
		msg  string
	}{
		{"1", (*string)(nil), "sse: data: cannot decode into *string; pass a pointer"},
		{"1", (*json.RawMessage)(nil), "sse: data: cannot decode into *json.RawMessage; pass a pointer"},
		{"{", new(point), "sse: data: unexpected end of JSON input"},
		{"", new(int), "sse: data: unexpected end of JSON input"},
		{"quiet", new(shout), "sse: data: not loud enough"},
		{"1", point{}, "sse: data: cannot decode into sse_test.point; pass a pointer"},
		{"1", nil, "sse: data: cannot decode into <nil>; pass a pointer"},
		{"1", (*int)(nil), "sse: data: cannot decode into *int; pass a pointer"},
	} {
		if err := sse.JSON.DecodeData([]byte(tt.data), tt.v); err == nil || err.Error() != tt.msg {
			t.Errorf("DecodeData(%q, %T) = %v, want %q", tt.data, tt.v, err, tt.msg)
		}
	}
}

func TestJSONCodecNilAndPlainValues(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "null"}, {(*string)(nil), "null"}, {(*[]byte)(nil), "null"}, {"s", "s"}, {point{1, 2}, `{"X":1,"Y":2}`},
	} {
		if got, err := sse.JSON.AppendData(nil, tt.v); err != nil || string(got) != tt.want {
			t.Errorf("AppendData(%#v) = %q, %v; want %q", tt.v, got, err, tt.want)
		}
	}
}

func TestAppendInvalidUTF8(t *testing.T) {
	for _, v := range []any{"a\xff", []byte("a\xff"), word("a\xff"), &shout{"a\xff"}} {
		got, err := sse.Append(nil, sse.ServerSentEvent[any]{Data: v})
		if fe, ok := errors.AsType[*sse.FieldError](err); !ok || fe.Field != "data" || fe.Offset != 1 || len(got) > 0 {
			t.Errorf("Append of %#v = %q, %v; want an error at byte 1 of data", v, got, err)
		}
	}
	got, err := sse.Append(nil, sse.ServerSentEvent[[]string]{Data: []string{"a\xff"}})
	if err != nil || !strings.Contains(string(got), `\ufffd`) {
		t.Errorf("Append of JSON = %q, %v; want U+FFFD, as encoding/json writes it", got, err)
	}
}

// yamlLike writes numbers as JSON and the rest as text.
type yamlLike struct{ failingCodec }

func (yamlLike) IsText(v any) bool { _, number := v.(*int); return !number }

func TestEncoderIsText(t *testing.T) {
	if sse.NewEncoder[int](yamlLike{}).IsText(1) || !sse.NewEncoder[point](yamlLike{}).IsText(point{}) {
		t.Error("IsText differs from what the codec says")
	}
}
