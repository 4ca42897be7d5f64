package handlers

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// A deafWriter hides Flush from those it wraps.
type deafWriter struct{ http.ResponseWriter }

func TestFlush_unsupportedWriter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount func(s *Server, h *Handler) http.Handler
		names string
	}{
		{"net/http's TimeoutHandler", func(s *Server, h *Handler) http.Handler { return http.TimeoutHandler(h, time.Hour, "") }, "timeoutWriter"},
		{"a wrapper of somebody's", func(s *Server, h *Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(deafWriter{w}, r) })
		}, "handlers.deafWriter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opened := false
			mount := func(s *Server) http.Handler {
				return tt.mount(s, ValuesFunc(s, func(*http.Request) (streams.Observable[int], error) {
					opened = true
					return streams.Of(1), nil
				}))
			}
			virtual(t, Config{}, mount, func(h *harness) {
				h.get("/").problem(500, tt.names, "Unwrap")
				if opened {
					t.Error("the source was opened")
				}
				if n := h.log.count("ERROR", tt.names); n != 1 {
					t.Errorf("%d log lines that name the wrapper, want 1", n)
				}
			})
		})
	}
}

func TestFlush_unwrap(t *testing.T) {
	mount := func(s *Server) http.Handler {
		h := Values(s, streams.Of(1), Name("s"))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(openWriter{deafWriter{w}, w}, r) })
	}
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.expect("data: 1", "")
		a.rest()
	})
}

type openWriter struct {
	deafWriter
	inner http.ResponseWriter
}

func (w openWriter) Unwrap() http.ResponseWriter { return w.inner }

func TestFlush_recorder(t *testing.T) {
	srv, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	Values(srv, streams.Of(1), Finite()).ServeHTTP(rec, httptest.NewRequest("GET", "/n", nil))
	if got := rec.Body.String(); !strings.Contains(got, "data: 1\n\n") || !strings.HasSuffix(got, "event: stream.complete\ndata: {}\n\n") {
		t.Errorf("body %q", got)
	}
}

// A gzipWriter is named as compressors are; it is no use to a stream.
type gzipWriter struct{ openWriter }

func (gzipWriter) Write([]byte) (int, error) { return 0, errors.New("compressed") }

func TestFlush_compressorIsBypassed(t *testing.T) {
	mount := func(s *Server) http.Handler {
		h := Values(s, streams.Of(1), Name("s"))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(gzipWriter{openWriter{deafWriter{w}, w}}, r)
		})
	}
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.expect("data: 1", "")
		a.rest()
	})
}
