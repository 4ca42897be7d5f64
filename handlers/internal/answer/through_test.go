package answer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A counter counts, and flushes as Echo's Response does: without an error.
type counter struct {
	openWriter
	bytes, status int
}

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	return c.openWriter.Write(b)
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.openWriter.WriteHeader(status)
}

func (c *counter) Flush() {}

// A brokenWriter fails to flush, and has deadlines.
type brokenWriter struct {
	http.ResponseWriter
	deadline time.Time
}

var errBroken = errors.New("broken pipe")

func (w *brokenWriter) FlushError() error { return errBroken }

func (w *brokenWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func TestThrough(t *testing.T) {
	rec := httptest.NewRecorder()
	below := &brokenWriter{ResponseWriter: rec}
	outer := &counter{openWriter: openWriter{deafWriter{below}}}
	w := Through(outer, below)

	w.Header().Set("A", "b")
	w.WriteHeader(201)
	w.Write([]byte("body"))
	if outer.status != 201 || outer.bytes != 4 {
		t.Errorf("outer has counted status %d and %d bytes, want 201 and 4", outer.status, outer.bytes)
	}
	if rec.Code != 201 || rec.Body.String() != "body" || rec.Header().Get("A") != "b" {
		t.Errorf("below got %d %q %v", rec.Code, rec.Body, rec.Header())
	}

	control := http.NewResponseController(w)
	if err := control.Flush(); err != errBroken {
		t.Errorf("Flush = %v, want below's error", err)
	}
	deadline := time.Unix(1, 0)
	if err := control.SetWriteDeadline(deadline); err != nil || !below.deadline.Equal(deadline) {
		t.Errorf("SetWriteDeadline = %v, below has %v", err, below.deadline)
	}
	if err := CheckFlush(w); err != nil {
		t.Errorf("CheckFlush = %v", err)
	}
	deaf := deafWriter{rec}
	if err := CheckFlush(Through(&counter{openWriter: openWriter{deaf}}, deaf)); err == nil {
		t.Error("CheckFlush = nil, although the writer below cannot flush")
	}
}

func TestBeneath(t *testing.T) {
	rec := httptest.NewRecorder()
	wrapper := openWriter{deafWriter{rec}}
	for _, tt := range []struct {
		name    string
		w, want http.ResponseWriter
	}{
		{"no wrapper", rec, rec},
		{"Through", Through(wrapper, rec), rec},
		{"Through twice", Through(wrapper, Through(wrapper, rec)), rec},
		{"another wrapper", wrapper, wrapper},
		{"another wrapper below Through", Through(wrapper, wrapper), wrapper},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Beneath(tt.w); got != tt.want {
				t.Errorf("Beneath(%T) = %T, want %T", tt.w, got, tt.want)
			}
		})
	}
}
