package answer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A deafWriter hides Flush from its users.
type deafWriter struct{ http.ResponseWriter }

// An openWriter hides nothing: it says what it wraps.
type openWriter struct{ deafWriter }

func (w openWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A gzipWriter is named as compressors are.
type gzipWriter struct{ openWriter }

// A closedGzipWriter compresses and does not say what it wraps.
type closedGzipWriter struct{ deafWriter }

func TestCheckFlush(t *testing.T) {
	rec := httptest.NewRecorder()
	for _, tt := range []struct {
		name  string
		w     http.ResponseWriter
		names string // the type in the error; "" if there is none
	}{
		{"a Flusher", rec, ""},
		{"a wrapper with Unwrap", openWriter{deafWriter{rec}}, ""},
		{"a wrapper without", deafWriter{rec}, "answer.deafWriter"},
		{"a wrapper without inside one with", openWriter{deafWriter{deafWriter{rec}}}, "answer.deafWriter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckFlush(tt.w)
			if (err != nil) != (tt.names != "") || err != nil && !strings.Contains(err.Error(), tt.names) {
				t.Errorf("CheckFlush = %v, want an error: %v that names %q", err, tt.names != "", tt.names)
			}
		})
	}
}

func TestUncompressed(t *testing.T) {
	rec := httptest.NewRecorder()
	other, closed := openWriter{deafWriter{rec}}, closedGzipWriter{deafWriter{rec}}
	for _, tt := range []struct {
		name    string
		w, want http.ResponseWriter
	}{
		{"no wrapper", rec, rec},
		{"a wrapper that does not compress", other, other},
		{"a compressor", gzipWriter{other}, rec},
		{"a compressor that cannot be unwrapped", closed, closed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Uncompressed(tt.w); got != tt.want {
				t.Errorf("Uncompressed(%T) = %T, want %T", tt.w, got, tt.want)
			}
		})
	}
}
