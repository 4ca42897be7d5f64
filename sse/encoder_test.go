package sse_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestAppend(t *testing.T) {
	type event = sse.ServerSentEvent[string]
	tests := []struct {
		name string
		in   event
		want string
	}{
		{"an event has data, possibly empty", event{}, "data: \n\n"},
		{"fields are in order, data last", event{ID: "1", Event: "tick", Data: "x", Retry: time.Second, Comment: "c"},
			"id: 1\nevent: tick\nretry: 1000\n: c\ndata: x\n\n"},
		{"line breaks of data become lines", event{Data: "a\nb\rc\r\nd"}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"empty lines of data are kept", event{Data: "\n\na\r\r\n\r\n"}, "data: \ndata: \ndata: a\ndata: \ndata: \ndata: \n\n"},
		{"LF and CR are two line breaks", event{Data: "a\n\rb"}, "data: a\ndata: \ndata: b\n\n"},
		{"data that looks like a field is data", event{Data: "a\n\nevent: x\ndata: y\n\n"},
			"data: a\ndata: \ndata: event: x\ndata: data: y\ndata: \ndata: \n\n"},
		{"line breaks of a comment become lines", event{Comment: "a\r\n\rb\n"}, ": a\n: \n: b\n: \ndata: \n\n"},
		{"leading spaces survive the one that is stripped", event{ID: " 1", Event: " e", Data: " d"}, "id:  1\nevent:  e\ndata:  d\n\n"},
		{"NUL is allowed, except in the id", event{Event: "\x00", Data: "\x00", Comment: "\x00"}, "event: \x00\n: \x00\ndata: \x00\n\n"},
		{"other line separators are text", event{ID: "\v\f", Data: "a\u2028b\u2029c\u0085d\ve\f"}, "id: \v\f\ndata: a\u2028b\u2029c\u0085d\ve\f\n\n"},
		{"a retry of less than a millisecond is one", event{Retry: 1}, "retry: 1\ndata: \n\n"},
		{"retry is whole milliseconds", event{Retry: 1_999_999}, "retry: 1\ndata: \n\n"},
		{"the longest retry", event{Retry: 1<<63 - 1}, "retry: 9223372036854\ndata: \n\n"},
		{"text is written as UTF-8", event{ID: "é", Event: "größe", Data: "温度", Comment: "♥"}, "id: é\nevent: größe\n: ♥\ndata: 温度\n\n"},
	}
	enc := sse.NewEncoder[string](nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sse.Append(nil, tt.in)
			if err != nil || string(got) != tt.want {
				t.Errorf("Append(nil, %#v) = %q, %v; want %q, nil", tt.in, got, err, tt.want)
			}
			got, err = enc.Append([]byte("before "), tt.in)
			if err != nil || string(got) != "before "+tt.want {
				t.Errorf("Encoder.Append(%#v) = %q, %v; want %q after what was there", tt.in, got, err, tt.want)
			}
			in := tt.in.Data
			got, err = enc.AppendData([]byte("before "), in)
			if err != nil || string(got) != "before "+in {
				t.Errorf("AppendData(%q) = %q, %v; want it as it is", in, got, err)
			}
		})
	}
}

func TestAppendErrors(t *testing.T) {
	type event = sse.ServerSentEvent[string]
	tests := []struct {
		in     event
		field  string
		offset int
		cause  error
		msg    string
	}{
		{event{ID: "123\ndata: forged"}, "id", 3, sse.ErrLineBreak,
			"sse: id: line break at byte 3; the field is one line, remove line breaks"},
		{event{ID: "12\r"}, "id", 2, sse.ErrLineBreak, "sse: id: line break at byte 2; "},
		{event{ID: "\x00"}, "id", 0, sse.ErrNUL, "sse: id: NUL character at byte 0; "},
		{event{ID: "é\xff"}, "id", 2, sse.ErrInvalidUTF8, "sse: id: invalid UTF-8 at byte 2; "},
		{event{Event: "e\n"}, "event", 1, sse.ErrLineBreak, "sse: event: line break at byte 1; "},
		{event{Event: "\re"}, "event", 0, sse.ErrLineBreak, "sse: event: line break at byte 0; "},
		{event{Event: "e\xc0\x80"}, "event", 1, sse.ErrInvalidUTF8, "sse: event: invalid UTF-8 at byte 1; "},
		{event{Retry: -1}, "retry", -1, sse.ErrNegativeRetry, "sse: retry: negative reconnection time"},
		{event{Comment: "c\n\xed\xa0\x80"}, "comment", 2, sse.ErrInvalidUTF8, "sse: comment: invalid UTF-8 at byte 2; "},
		{event{Data: "\n\ne\xf0\x9f\x92"}, "data", 3, sse.ErrInvalidUTF8, "sse: data: invalid UTF-8 at byte 3; "},
		{event{ID: "\n", Event: "\n", Data: "\xff"}, "id", 0, sse.ErrLineBreak, "sse: id: "},
	}
	for _, tt := range tests {
		dst := append(make([]byte, 0, 256), "before"...)
		got, err := sse.Append(dst, tt.in)
		fe, ok := errors.AsType[*sse.FieldError](err)
		if !ok || fe.Field != tt.field || fe.Offset != tt.offset || !errors.Is(err, tt.cause) || !strings.HasPrefix(err.Error(), tt.msg) {
			t.Errorf("Append(%#v) = %v; want %q", tt.in, err, tt.msg)
		}
		if string(got) != "before" {
			t.Errorf("Append(%#v) returns %q, want dst as it was", tt.in, got)
		}
	}
}

// brokenCodec drops dst, which a Codec must not do.
type brokenCodec struct{ out string }

func (c brokenCodec) AppendData([]byte, any) ([]byte, error) { return []byte(c.out), nil }
func (c brokenCodec) DecodeData([]byte, any) error           { return nil }
func (c brokenCodec) IsText(any) bool                        { return true }

// failingCodec appends half a value and fails.
type failingCodec struct{ err error }

func (c failingCodec) AppendData(dst []byte, _ any) ([]byte, error) {
	return append(dst, "half\n"...), c.err
}
func (c failingCodec) DecodeData([]byte, any) error { return c.err }
func (c failingCodec) IsText(any) bool              { return true }

func TestAppendCodecErrors(t *testing.T) {
	type event = sse.ServerSentEvent[int]
	cause := errors.New("no such value")
	for _, codec := range []sse.Codec{failingCodec{cause}, brokenCodec{"short"}} {
		enc := sse.NewEncoder[int](codec)
		got, err := enc.Append([]byte("before"), event{ID: "1"})
		fe, ok := errors.AsType[*sse.FieldError](err)
		if !ok || fe.Field != "data" || fe.Offset != -1 || string(got) != "before" {
			t.Errorf("%#v: Append = %q, %v; want a FieldError for data, and dst as it was", codec, got, err)
		}
	}
	_, err := sse.NewEncoder[int](failingCodec{cause}).AppendData(nil, 1)
	if !errors.Is(err, cause) || err.Error() != "sse: data: no such value" {
		t.Errorf("AppendData = %v, want it to wrap and to read as %v", err, cause)
	}

	_, err = sse.Append(nil, sse.ServerSentEvent[chan int]{})
	if err == nil || err.Error() != "sse: data: json: unsupported type: chan int" {
		t.Errorf("Append of a channel = %v, want json's error", err)
	}
	got, err := sse.Append(nil, sse.ServerSentEvent[any]{Data: 1})
	if err != nil || string(got) != "data: 1\n\n" {
		t.Errorf("Append after an error = %q, %v", got, err)
	}
}

func TestZeroEncoder(t *testing.T) {
	var enc sse.Encoder[[]int]
	got, err := enc.Append(nil, sse.ServerSentEvent[[]int]{Data: []int{1, 2}})
	if err != nil || string(got) != "data: [1,2]\n\n" || enc.IsText(nil) {
		t.Errorf("Append = %q, %v; want JSON", got, err)
	}
}

func TestEncoderKeepsNoReference(t *testing.T) {
	enc := sse.NewEncoder[*tick](nil)
	for name, use := range map[string]func(*tick) error{
		"Append": func(data *tick) error {
			_, err := enc.Append(nil, sse.ServerSentEvent[*tick]{Data: data})
			return err
		},
		"IsText": func(data *tick) error {
			enc.IsText(data)
			return nil
		},
	} {
		data := &tick{Text: strings.Repeat("x", 1000)}
		kept := weak.Make(data)
		if err := use(data); err != nil {
			t.Fatal(err)
		}
		data = nil
		for range 3 { // the JSON encoder's buffers go through a pool
			runtime.GC()
		}
		if kept.Value() != nil {
			t.Errorf("after %s, the encoder keeps the data alive", name)
		}
	}
	runtime.KeepAlive(enc)
}

func TestAppendConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := "data: {\"sequence\":" + string(rune('0'+i)) + ",\"time\":\"\",\"text\":\"\"}\n\n"
			for range 500 {
				got, err := sse.Append(nil, sse.ServerSentEvent[tick]{Data: tick{Sequence: i}})
				if err != nil || string(got) != want {
					t.Errorf("Append = %q, %v; want %q", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
