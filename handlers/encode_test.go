package handlers

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/sse"
)

func line[T any](t *testing.T, codec sse.Codec, v T) string {
	t.Helper()
	b, err := newEncoder[T](codec, answer.NDJSON).value(nil, v)
	if err != nil {
		t.Fatalf("value(%v): %v", v, err)
	}
	return string(b)
}

func TestEncoder_lines(t *testing.T) {
	instant := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ name, got, want string }{
		{"text is a string", line(t, nil, "a\n\"b\"\t\\\x01<>&\u2028"), `"a\n\"b\"\t\\\u0001<>&` + "\u2028\"\n"},
		{"bytes are text", line(t, nil, []byte("a")), "\"a\"\n"},
		{"a number is a number", line(t, nil, 1.5), "1.5\n"},
		{"text inside an interface", line[any](t, nil, "a"), "\"a\"\n"},
		{"a number inside an interface", line[any](t, nil, 2), "2\n"},
		{"nil", line[any](t, nil, nil), "null\n"},
		{"a text marshaler is text", line(t, nil, instant), "\"2026-01-02T03:04:05Z\"\n"},
		{"raw JSON is made one line", line(t, nil, json.RawMessage("{\n \"a\": 1\n}")), "{\"a\":1}\n"},
		{"another codec's data is text", line[int](t, xmlCodec{}, 7), "\"<int>7</int>\"\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestEncoder_codecWithInvalidJSON(t *testing.T) {
	if b, err := newEncoder[string](lyingCodec{}, answer.NDJSON).value(nil, "}\n{\"event\":\"stream.bye\""); err == nil {
		t.Errorf("data that is not JSON is sent as %q", b)
	}
	if got := line(t, lyingCodec{}, "[1,\n2]"); got != "[1,2]\n" {
		t.Errorf("JSON on two lines is sent as %q", got)
	}
}

type xmlCodec struct{}

func (xmlCodec) AppendData(dst []byte, v any) ([]byte, error) {
	b, err := xml.Marshal(v)
	return append(dst, b...), err
}
func (xmlCodec) DecodeData(data []byte, v any) error { return xml.Unmarshal(data, v) }
func (xmlCodec) IsText(any) bool                     { return true }

type lyingCodec struct{}

func (lyingCodec) AppendData(dst []byte, v any) ([]byte, error) {
	return append(dst, *v.(*string)...), nil
}
func (lyingCodec) DecodeData([]byte, any) error { return nil }
func (lyingCodec) IsText(any) bool              { return false }

// A client reads from a line what the event held: no field can forge another one.
func FuzzEncoderLine(f *testing.F) {
	f.Add("1", "pong", "pong!")
	f.Add("\"", "\\", "\n\r\x00\x7f\u2028</script>")
	f.Add("", "", "{}\n{\"event\":\"stream.bye\"}")
	f.Fuzz(func(t *testing.T, id, event, data string) {
		b, err := newEncoder[string](nil, answer.NDJSON).event(nil, sse.ServerSentEvent[string]{ID: id, Event: event, Data: data})
		if err != nil {
			if utf8.ValidString(id) && utf8.ValidString(event) && utf8.ValidString(data) && checkReserved(id, event) == nil && !strings.ContainsAny(id+event, "\r\n\x00") {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		var got struct{ ID, Event, Data string }
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if got.ID != id || got.Event != event || got.Data != data {
			t.Fatalf("%q reads as %+v, want %q %q %q", b, got, id, event, data)
		}
		if n := strings.Count(string(b), "\n"); n != 1 {
			t.Fatalf("%q is %d lines", b, n)
		}
	})
}
