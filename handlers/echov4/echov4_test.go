package echov4_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/handlers/echov4"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A deafWriter hides Flush from its users.
type deafWriter struct{ http.ResponseWriter }

// An openWriter hides nothing: it says what it wraps.
type openWriter struct{ deafWriter }

func (w openWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// wrap is middleware that wraps the response's writer.
func wrap(in func(http.ResponseWriter) http.ResponseWriter) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Writer = in(c.Response().Writer)
			return next(c)
		}
	}
}

func newServer(t *testing.T, cfg handlers.Config) *handlers.Server {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := handlers.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// serve has e serve requests on a network in memory, in virtual time, and gives
// test a client.
func serve(t *testing.T, e *echo.Echo, test func(get func(path string) *http.Response)) {
	t.Helper()
	ln := memnet.Listen()
	transport := ln.Transport()
	transport.DisableCompression = true
	server := &http.Server{Handler: e}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(ln) })
	defer serving.Wait()
	defer server.Close()
	defer transport.CloseIdleConnections()
	test(func(path string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://mem"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	})
}

// until reads lines until one is want.
func until(t *testing.T, body io.Reader, want string) {
	t.Helper()
	for in := bufio.NewReader(body); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("body ended with %q, %v; want the line %q", line, err, want)
		}
		if line == want+"\n" {
			return
		}
	}
}

func read(t *testing.T, body io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHandlerNamesTheStreamByItsRoute(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []handlers.SourceOption
		want string
	}{
		{"route", nil, "/users/:id"},
		{"Name goes first", []handlers.SourceOption{handlers.Name("users")}, "users"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, handlers.Config{})
			e := echo.New()
			e.GET("/users/:id", echov4.Handler(handlers.Values(srv, streams.Of(1), tt.opts...)))
			mux := http.NewServeMux()
			mux.Handle("GET /", e) // its pattern is not the stream's name
			rec := httptest.NewRecorder()
			mux.ServeHTTP(rec, httptest.NewRequest("GET", "/users/7", nil))
			if routes := srv.Stats().Routes; len(routes) != 1 || routes[tt.want].Opened != 1 {
				t.Errorf("streams are named %v, want %q", routes, tt.want)
			}
		})
	}
}

func TestHandlerRequest(t *testing.T) {
	srv := newServer(t, handlers.Config{})
	var seen *http.Request
	h := handlers.ValuesFunc(srv, func(r *http.Request) (streams.Observable[int], error) {
		seen = r
		return streams.Of(1), nil
	})
	var after *http.Request
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			after = c.Request()
			return err
		}
	})
	e.GET("/plain", echov4.Handler(h))
	e.GET("/users/:id/*", echov4.Handler(h))
	mux := http.NewServeMux()
	mux.Handle("/", e)
	mux.Handle("/{id}/{more}/", e)

	for _, tt := range []struct {
		path, pattern, id, rest  string
		outerPattern, outerValue string // of the request outside, which must not change
	}{
		{"/plain", "/plain", "", "", "/", ""},
		{"/users/a%20b/c/d", "/users/:id/*", "a b", "c/d", "/{id}/{more}/", "users"},
	} {
		r := httptest.NewRequest("GET", tt.path, nil)
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if seen.Pattern != tt.pattern || seen.PathValue("id") != tt.id || seen.PathValue("*") != tt.rest {
			t.Errorf("%s: pattern %q, id %q, * %q; want %q, %q, %q", tt.path,
				seen.Pattern, seen.PathValue("id"), seen.PathValue("*"), tt.pattern, tt.id, tt.rest)
		}
		if seen.Context() != r.Context() {
			t.Errorf("%s: the context is another one", tt.path)
		}
		if after != r || r.Pattern != tt.outerPattern || r.PathValue("id") != tt.outerValue || r.PathValue("*") != "" {
			t.Errorf("%s: the request outside has pattern %q, id %q, * %q now", tt.path, r.Pattern, r.PathValue("id"), r.PathValue("*"))
		}
	}
}

func TestHandlerErrors(t *testing.T) {
	srv := newServer(t, handlers.Config{})
	e := echo.New()
	e.HTTPErrorHandler = func(err error, _ echo.Context) { t.Errorf("Echo was given the error %v", err) }
	e.Any("/", echov4.Handler(handlers.ValuesFunc(srv, func(*http.Request) (streams.Observable[int], error) {
		return streams.Observable[int]{}, &sse.Problem{Status: 409, Detail: "busy"}
	})))
	for method, want := range map[string]int{"GET": 409, "DELETE": 405, "OPTIONS": 204} {
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequest(method, "/", nil))
		if rec.Code != want {
			t.Errorf("%s: %d %s, want %d", method, rec.Code, rec.Body, want)
		}
	}
}

// A wrapper below Echo's Response, which says that it can flush whatever it wraps.
func TestHandlerRefusesAWriterThatCannotFlush(t *testing.T) {
	srv := newServer(t, handlers.Config{})
	e := echo.New()
	e.Use(wrap(func(w http.ResponseWriter) http.ResponseWriter { return deafWriter{w} }))
	e.GET("/", echov4.Handler(handlers.Values(srv, streams.Of(1))))
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if body := rec.Body.String(); rec.Code != 500 || !strings.Contains(body, "echov4_test.deafWriter") || !strings.Contains(body, "Unwrap") {
		t.Errorf("%d %s, want a 500 that names the wrapper and says what to do", rec.Code, body)
	}
}

// A brokenWriter is a connection that is gone: only a flush notices.
type brokenWriter struct {
	http.ResponseWriter
	flushed int
}

func (w *brokenWriter) FlushError() error {
	w.flushed++
	return errors.New("broken pipe")
}

func TestHandlerNoticesAFailedFlush(t *testing.T) {
	srv := newServer(t, handlers.Config{Grace: handlers.Off})
	e := echo.New()
	var broken *brokenWriter
	e.Use(wrap(func(w http.ResponseWriter) http.ResponseWriter {
		broken = &brokenWriter{ResponseWriter: w}
		return broken
	}))
	e.GET("/", echov4.Handler(handlers.Values(srv, streams.Of(1))))
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if got := srv.Stats().Routes["/"].Ended; broken.flushed != 1 || got[handlers.ReasonLeft] != 1 {
		t.Errorf("flushed %d times, ended %v; want once, and one stream left", broken.flushed, got)
	}
}

func TestHandlerBypassesGzip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, handlers.Config{})
		e := echo.New()
		e.Use(middleware.Gzip())
		e.GET("/stream", echov4.Handler(handlers.Values(srv, streams.Concat(streams.Of("a"), streams.Never[string]()))))
		e.GET("/page", func(c echo.Context) error { return c.String(200, strings.Repeat("page ", 100)) })
		serve(t, e, func(get func(string) *http.Response) {
			stream := get("/stream")
			if got := stream.Header.Get("Content-Encoding"); got != "" {
				t.Errorf("Content-Encoding %q, want none", got)
			}
			until(t, stream.Body, "data: a")
			stream.Body.Close()

			z, err := gzip.NewReader(get("/page").Body)
			if err != nil {
				t.Fatalf("other pages are not compressed: %v", err)
			}
			if got := len(read(t, z)); got != 500 {
				t.Errorf("page: %d bytes, want 500", got)
			}
		})
	})
}

// The outer wrapper sees the stream, and the compressor below it is flushed for
// each event.
func TestHandlerFlushesACompressorThatIsNotInnermost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, handlers.Config{})
		e := echo.New()
		e.Use(middleware.Gzip(), wrap(func(w http.ResponseWriter) http.ResponseWriter { return openWriter{deafWriter{w}} }))
		e.GET("/", echov4.Handler(handlers.Values(srv, streams.Concat(streams.Of("a"), streams.Never[string]()))))
		serve(t, e, func(get func(string) *http.Response) {
			res := get("/")
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			until(t, z, "data: a")
			if late := time.Since(start); late != 0 {
				t.Errorf("the event came %v late", late)
			}
			res.Body.Close()
		})
	})
}

func TestHandlerCountsAndCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, handlers.Config{})
		var size int64
		var committed bool
		var inside, outside http.ResponseWriter
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				inside = c.Response().Writer
				err := next(c)
				size, committed, outside = c.Response().Size, c.Response().Committed, c.Response().Writer
				return err
			}
		})
		e.GET("/a", echov4.Handler(handlers.Values(srv, streams.Of(1))))
		serve(t, e, func(get func(string) *http.Response) {
			body := read(t, get("/a").Body)
			synctest.Wait()
			if size != int64(len(body)) || !committed {
				t.Errorf("Echo counted %d bytes, committed %v; want %d, true", size, committed, len(body))
			}
			if inside != outside {
				t.Errorf("the response's writer is a %T afterwards, and was a %T", outside, inside)
			}
			if got := srv.Stats().Routes["/a"]; got.Bytes != uint64(len(body)) || got.Events != 1 || got.Opened != 1 {
				t.Errorf("stats %+v, want %d bytes of one event", got, len(body))
			}
		})
	})
}

func ExampleHandler() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := echo.New()
	e.Any("/greetings/:name", echov4.Handler(handlers.ValuesFunc(srv, func(r *http.Request) (streams.Observable[string], error) {
		return streams.Of("hello", r.PathValue("name")), nil
	})))

	r := httptest.NewRequest("GET", "/greetings/ann", nil)
	r.Header.Set("Accept", "application/x-ndjson")
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	fmt.Print(rec.Body)
	// Output:
	// "hello"
	// "ann"
}
