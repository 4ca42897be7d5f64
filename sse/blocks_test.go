package sse_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestAppendCommentRetryID(t *testing.T) {
	comment := func(text string) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) { return sse.AppendComment(dst, text) }
	}
	retry := func(d time.Duration) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) { return sse.AppendRetry(dst, d) }
	}
	id := func(id string) func([]byte) ([]byte, error) {
		return func(dst []byte) ([]byte, error) { return sse.AppendID(dst, id) }
	}
	tests := []struct {
		name  string
		block func([]byte) ([]byte, error)
		want  string
		err   error
	}{
		{"a heartbeat", comment(""), ":\n\n", nil},
		{"a comment", comment("text"), ": text\n\n", nil},
		{"a comment of many lines", comment("a\r\nb\n\ndata: c\r"), ": a\n: b\n: \n: data: c\n: \n\n", nil},
		{"a comment that is not UTF-8", comment("a\xff"), "", sse.ErrInvalidUTF8},
		{"a retry", retry(2500 * time.Millisecond), "retry: 2500\n\n", nil},
		{"a retry of 0", retry(0), "retry: 0\n\n", nil},
		{"a retry below a millisecond", retry(1), "retry: 1\n\n", nil},
		{"a negative retry", retry(-time.Second), "", sse.ErrNegativeRetry},
		{"an id", id("42.k3x"), "id: 42.k3x\n\n", nil},
		{"an empty id", id(""), "id: \n\n", nil},
		{"an id of two lines", id("1\n2"), "", sse.ErrLineBreak},
		{"an id with NUL", id("1\x00"), "", sse.ErrNUL},
		{"an id that is not UTF-8", id("\xff"), "", sse.ErrInvalidUTF8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.block([]byte("before "))
			if !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) || string(got) != "before "+tt.want {
				t.Errorf("got %q, %v; want %q, %v", got, err, "before "+tt.want, tt.err)
			}
			if _, ok := errors.AsType[*sse.FieldError](err); err != nil && !ok {
				t.Errorf("error %T, want a *FieldError", err)
			}
			stream := append(got[len("before "):], "data: after\n\n"...)
			events := read(t, stream, nil, sse.DefaultMaxEventSize).events
			if len(events) != 1 || string(events[0].Data) != "after" {
				t.Errorf("%q is read as %#v, want the event after alone", stream, events)
			}
		})
	}
}
