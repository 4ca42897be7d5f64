package handlers

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/fluxwire-go/fluxwire/streams"
)

// A deafWriter hides Flush from those it wraps.
type deafWriter struct{ http.ResponseWriter }

func TestAWriterThatCannotFlushIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount func(s *Server, h *Handler) http.Handler
		names string
	}{
		{"net/http's TimeoutHandler", func(s *Server, h *Handler) http.Handler { return http.TimeoutHandler(h, time.Hour, "") }, "timeoutWriter"},
		{"a wrapper of somebody's", func(s *Server, h *Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(deafWriter{w}, r) })
		}, "handlers.deafWriter"},
		{"a wrapper below Echo's Response, which says it can", func(s *Server, h *Handler) http.Handler {
			e := echo.New()
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.Response().Writer = deafWriter{c.Response().Writer}
					return next(c)
				}
			})
			e.GET("/", Echo(h))
			return e
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

func TestAWriterThatUnwrapsIsFine(t *testing.T) {
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

func TestARecorderWillDo(t *testing.T) {
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

func echoGzip(s *Server) http.Handler {
	e := echo.New()
	e.Use(middleware.Gzip())
	e.GET("/stream", Echo(Values(s, streams.Concat(streams.Of("a"), streams.Never[string]()))))
	e.GET("/page", func(c echo.Context) error { return c.String(200, strings.Repeat("page ", 100)) })
	return e
}

func TestEchoGzipIsBypassed(t *testing.T) {
	virtual(t, Config{}, echoGzip, func(h *harness) {
		a := h.get("/stream", "Accept-Encoding", "gzip")
		if got := a.Header.Get("Content-Encoding"); got != "" {
			t.Errorf("Content-Encoding %q, want none", got)
		}
		a.preamble("/stream")
		a.expect("data: a", "")
		a.leave()
		h.ended("/stream", map[Reason]uint64{Left: 1})

		page := h.get("/page", "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(page.Body)
		if err != nil {
			t.Fatalf("the page is not compressed any more: %v", err)
		}
		if b, err := io.ReadAll(z); len(b) != 500 || err != nil {
			t.Errorf("page: %d bytes, %v", len(b), err)
		}
	})
}

// An outer wrapper keeps its view of the stream, and the compressor inside it
// works event by event.
func TestACompressorThatIsNotInnermostDelaysNothing(t *testing.T) {
	mount := func(s *Server) http.Handler {
		e := echo.New()
		e.Use(middleware.Gzip(), func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				inner := c.Response().Writer
				c.Response().Writer = openWriter{deafWriter{inner}, inner}
				return next(c)
			}
		})
		e.GET("/", Echo(Values(s, streams.Concat(streams.Of("a"), streams.Never[string]()), Name("s"))))
		return e
	}
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/", "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.lines = bufio.NewReader(z)
		a.preamble("s")
		a.expect("data: a", "")
		a.leave()
	})
}

func TestEchoCountsAndCommits(t *testing.T) {
	var size int64
	var committed bool
	mount := func(s *Server) http.Handler {
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				err := next(c)
				size, committed = c.Response().Size, c.Response().Committed
				return err
			}
		})
		e.GET("/a", Echo(Values(s, streams.Of(1))))
		return e
	}
	virtual(t, Config{}, mount, func(h *harness) {
		body := h.get("/a").rest()
		synctest.Wait()
		if size != int64(len(body)) || !committed {
			t.Errorf("Echo counted %d bytes, committed %v; want %d, true", size, committed, len(body))
		}
		if got := h.srv.Stats().Routes["/a"]; got.Bytes != uint64(len(body)) || got.Events != 1 || got.Opened != 1 {
			t.Errorf("stats %+v, want %d bytes of one event", got, len(body))
		}
	})
}
