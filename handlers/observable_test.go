package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type point struct {
	X int `json:"x"`
}

func typedPoints(s *Server) http.Handler {
	return Events(s, streams.Of(
		sse.ServerSentEvent[point]{ID: "a", Event: "moved", Data: point{1}, Retry: 3 * time.Second, Comment: "first"},
		sse.ServerSentEvent[point]{Data: point{2}},
	), Name("points"), Finite())
}

func TestEvents(t *testing.T) {
	virtual(t, Config{}, typedPoints, func(h *harness) {
		a := h.get("/")
		for name, want := range map[string]string{
			"Content-Type":      "text/event-stream",
			"Cache-Control":     "no-cache, no-transform",
			"X-Accel-Buffering": "no",
			"Stream-Heartbeat":  "15",
			"Vary":              "Accept",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("header %s: %q, want %q", name, got, want)
			}
		}
		a.preamble("points")
		a.expect("id: a", "event: moved", "retry: 3000", ": first", `data: {"x":1}`, "", `data: {"x":2}`, "")
		a.expect("id: end", "event: stream.complete", "data: {}", "")
		if rest := a.rest(); rest != "" {
			t.Errorf("after stream.complete: %q, want the end", rest)
		}
		h.ended("points", map[Reason]uint64{ReasonComplete: 1})
	})
}

func TestEvents_linesAndArray(t *testing.T) {
	virtual(t, Config{}, typedPoints, func(h *harness) {
		a := h.get("/", "Accept", "application/x-ndjson")
		a.expect(
			`{"id":"a","event":"moved","data":{"x":1}}`,
			`{"data":{"x":2}}`,
			`{"id":"end","event":"stream.complete","data":{}}`,
		)
		if got := a.Header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("Content-Type %q", got)
		}
		if rest := a.rest(); rest != "" {
			t.Errorf("rest %q, want none", rest)
		}
		a = h.get("/", "Accept", "application/json")
		if got, want := a.rest(), `[{"id":"a","event":"moved","data":{"x":1}},{"data":{"x":2}}]`+"\n"; got != want {
			t.Errorf("array %q, want %q", got, want)
		}
		if a.Header.Get("Content-Length") == "" || a.Header.Get("Stream-Heartbeat") != "" {
			t.Errorf("headers of an array: %v", a.Header)
		}
	})
}

func TestValues(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Of("a\nb", `<"ü">`), Finite()) }
	for _, tt := range []struct{ accept, want string }{
		{"text/event-stream", "retry: 2000\n\n: /\n\ndata: a\ndata: b\n\ndata: <\"ü\">\n\nid: end\nevent: stream.complete\ndata: {}\n\n"},
		{"application/x-ndjson", `"a\nb"` + "\n" + `"<\"ü\">"` + "\n"},
		{"application/json", `["a\nb","<\"ü\">"]` + "\n"},
	} {
		t.Run(tt.accept, func(t *testing.T) {
			virtual(t, Config{}, mount, func(h *harness) {
				if got := h.get("/", "Accept", tt.accept).rest(); got != tt.want {
					t.Errorf("body %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestValues_emptySource(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Empty[int](), Finite()) }
	for accept, want := range map[string]string{
		"text/event-stream":    "retry: 2000\n\n: /\n\nid: end\nevent: stream.complete\ndata: {}\n\n",
		"application/x-ndjson": "",
		"application/json":     "[]\n",
	} {
		virtual(t, Config{}, mount, func(h *harness) {
			a := h.get("/", "Accept", accept)
			if got := a.rest(); got != want || a.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %q, want 200 %q", accept, a.StatusCode, got, want)
			}
		})
	}
}

func TestTake_stopsSource(t *testing.T) {
	var runs, stopped int
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		runs++
		defer func() { stopped++ }()
		for i := 0; emit(i); i++ {
		}
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("n")) }, func(h *harness) {
		for i, tt := range []struct{ accept, query, want string }{
			{"text/event-stream", "?take=2", "retry: 2000\n\n: n\n\ndata: 0\n\ndata: 1\n\nid: end\nevent: stream.complete\ndata: {}\n\n"},
			{"application/json", "?take=3", "[0,1,2]\n"},
			{"application/x-ndjson", "?take=3", "0\n1\n2\n"},
		} {
			if got := h.get("/"+tt.query, "Accept", tt.accept).rest(); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.accept, got, tt.want)
			}
			synctest.Wait()
			if runs != i+1 || stopped != i+1 {
				t.Errorf("%s: the source has been run %d times and has stopped %d times, want %d", tt.accept, runs, stopped, i+1)
			}
		}
		h.ended("n", map[Reason]uint64{ReasonComplete: 3})
	})
}

func TestGrace(t *testing.T) {
	source := schedule(nil, true, timed[string]{80 * time.Millisecond, "late"})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		start := time.Now()
		a := h.get("/")
		if got := time.Since(start); got != 50*time.Millisecond {
			t.Errorf("head after %v, want 50ms", got)
		}
		a.preamble("s")
		a.expect("data: late", "")
		if got := time.Since(start); got != 80*time.Millisecond {
			t.Errorf("event after %v, want 80ms", got)
		}
		a.leave()
		h.ended("s", map[Reason]uint64{ReasonLeft: 1})
	})
}

func TestGrace_sourceFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		accept string
		status int
		says   []string
	}{
		{"any error is a bare 500", errors.New("secret"), "text/event-stream", 500, []string{`"title":"Internal Server Error"`}},
		{"a problem chooses its status", &Problem{Status: 409, Detail: "busy"}, "text/event-stream", 409, []string{`"detail":"busy"`, `"title":"Conflict"`}},
		{"lines too", &Problem{Status: 409}, "application/x-ndjson", 409, nil},
		{"arrays too", &Problem{Status: 409}, "application/json", 409, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := schedule[int](tt.err, false, timed[int]{})
			source = streams.Create(func(ctx context.Context, emit func(int) bool) error {
				time.Sleep(49 * time.Millisecond)
				return tt.err
			})
			virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Finite(), Name("s")) }, func(h *harness) {
				a := h.get("/", "Accept", tt.accept)
				a.problem(tt.status, tt.says...)
				h.ended("s", map[Reason]uint64{ReasonError: 1})
				level := "ERROR"
				if tt.status < 500 {
					level = "DEBUG" // the client's mistake
				}
				if n := h.log.count(level+" stream ended", tt.err.Error()); n != 1 {
					t.Errorf("%d log lines with the error, want 1: %q", n, h.log.lines)
				}
				if h.log.count("secret") > 0 && strings.Contains(a.Status, "secret") {
					t.Error("the error's text was told to the client")
				}
			})
		})
	}
}

func TestEvents_sourceFails(t *testing.T) {
	fail := func(err error) func(*Server) http.Handler {
		return func(s *Server) http.Handler {
			return Events(s, schedule(err, false, timed[sse.ServerSentEvent[string]]{0, text("one")}), Name("s"))
		}
	}
	t.Run("its text is for the log", func(t *testing.T) {
		virtual(t, Config{}, fail(errors.New("secret")), func(h *harness) {
			a := h.get("/")
			a.preamble("s")
			a.expect("data: one", "", "event: stream.error", `data: {"title":"Internal Server Error","status":500}`, "")
			if rest := a.rest(); rest != "" {
				t.Errorf("rest %q, want none", rest)
			}
			if n := h.log.count("ERROR", "secret"); n != 1 {
				t.Errorf("%d log lines with the error, want 1", n)
			}
		})
	})
	t.Run("a problem is told", func(t *testing.T) {
		virtual(t, Config{}, fail(&Problem{Status: 502, Detail: "upstream is away"}), func(h *harness) {
			a := h.get("/", "Accept", "application/x-ndjson")
			a.expect(`{"data":"one"}`, `{"event":"stream.error","data":{"title":"Bad Gateway","status":502,"detail":"upstream is away"}}`)
			h.ended("s", map[Reason]uint64{ReasonError: 1})
		})
	})
	t.Run("plain lines are aborted", func(t *testing.T) {
		source := schedule(errors.New("broken"), false, timed[int]{0, 1})
		virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
			a := h.get("/", "Accept", "application/x-ndjson")
			a.expect("1")
			if _, err := io.ReadAll(a.lines); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("body ended with %v, want an unexpected EOF", err)
			}
			h.ended("s", map[Reason]uint64{ReasonError: 1})
		})
	})
}

func TestValues_sourcePanics(t *testing.T) {
	source := streams.Map(streams.Of(1, 2), func(n int) int {
		if n == 2 {
			panic("two")
		}
		return n
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.expect("data: 1", "", "event: stream.error")
		a.rest()
		if n := h.log.count("ERROR", "two", "stack=goroutine"); n != 1 {
			t.Errorf("%d log lines with the panic, want 1: %q", n, h.log.lines)
		}
	})
}

func TestEvents_encodeFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  sse.ServerSentEvent[any]
		says string
	}{
		{"no JSON", sse.ServerSentEvent[any]{Data: make(chan int)}, "chan int"},
		{"line break in the id", sse.ServerSentEvent[any]{ID: "a\nb", Data: 1}, "id"},
		{"a reserved name", sse.ServerSentEvent[any]{Event: "stream.gap", Data: 1}, "stream."},
		{"the reserved id", sse.ServerSentEvent[any]{ID: "end", Data: 1}, "end"},
		{"a marshaler that panics", sse.ServerSentEvent[any]{Data: explosive{}}, "panic: bang"},
		{"too large", sse.ServerSentEvent[any]{Data: strings.Repeat("x", 1<<20)}, "limit of 1048576"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mount := func(s *Server) http.Handler {
				return Events(s, streams.Of(sse.ServerSentEvent[any]{Data: "ok"}, tt.bad, sse.ServerSentEvent[any]{Data: "never"}), Name("s"))
			}
			virtual(t, Config{}, mount, func(h *harness) {
				a := h.get("/")
				a.preamble("s")
				a.expect("data: ok", "", "event: stream.error", `data: {"title":"Internal Server Error","status":500}`, "")
				if rest := a.rest(); rest != "" {
					t.Errorf("rest %q, want none", rest)
				}
				if n := h.log.count("ERROR", tt.says); n != 1 || h.log.count("ERROR") != 1 {
					t.Errorf("%d log lines that say %q, want the only one: %q", n, tt.says, h.log.lines)
				}
				h.ended("s", map[Reason]uint64{ReasonError: 1})
			})
		})
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("bang") }

func TestValuesFunc(t *testing.T) {
	mount := func(s *Server) http.Handler {
		return ValuesFunc(s, func(r *http.Request) (streams.Observable[string], error) {
			if r.URL.Query().Get("who") == "" {
				return streams.Observable[string]{}, &Problem{Status: 400, Detail: "who is missing", Parameter: "who"}
			}
			return streams.Of("hello "+r.URL.Query().Get("who"), "after "+LastEventID(r)), nil
		}, Finite(), Name("s"))
	}
	virtual(t, Config{}, mount, func(h *harness) {
		h.get("/").problem(400, `"parameter":"who"`)
		if got := h.get("/?who=you", "Accept", "application/json", "Last-Event-ID", "7").rest(); got != `["hello you","after 7"]`+"\n" {
			t.Errorf("array %q", got)
		}
	})
}

func TestEvents_resumeAfterComplete(t *testing.T) {
	virtual(t, Config{}, typedPoints, func(h *harness) {
		for _, a := range []*reply{
			h.get("/", "Last-Event-ID", "end"),
			h.get("/?lastEventId=end"),
			h.get("/?last_event_id=end"),
		} {
			if a.StatusCode != http.StatusNoContent {
				t.Errorf("status %d, want 204", a.StatusCode)
			}
		}
		for _, id := range []string{"a", "\xff\xfe", strings.Repeat("9", 5000), "end2"} {
			if a := h.get("/", "Last-Event-ID", id); a.StatusCode != http.StatusOK {
				t.Errorf("Last-Event-ID %.20q: status %d, want 200", id, a.StatusCode)
			} else {
				a.rest()
			}
		}
	})
}

// The end of the body is written after the handler has returned.
func TestLines_endAfterSilence(t *testing.T) {
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		emit(1)
		time.Sleep(12 * time.Second) // longer than a write may take, shorter than a heartbeat
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		if got := h.get("/", "Accept", "application/x-ndjson").rest(); got != "1\n" {
			t.Errorf("lines %q, want one, and a proper end", got)
		}
	})
}

func TestValues_clientLeaves(t *testing.T) {
	stopped := make(chan error, 1)
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		emit(1)
		<-ctx.Done()
		stopped <- ctx.Err()
		return context.Cause(ctx)
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.expect("data: 1", "")
		if open := h.srv.Stats().Routes["s"].Open; open != 1 {
			t.Errorf("%d streams open, want 1", open)
		}
		a.leave()
		select {
		case err := <-stopped:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the source was stopped by %v", err)
			}
		default:
			t.Error("the source runs on")
		}
		h.ended("s", map[Reason]uint64{ReasonLeft: 1})
		if n := h.log.count("INFO") + h.log.count("WARN") + h.log.count("ERROR"); n != 0 {
			t.Errorf("a client that leaves is logged above debug: %q", h.log.lines)
		}
	})
}

func TestBackpressure(t *testing.T) {
	sent := 0
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		for emit(sent) {
			sent++
		}
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.expect("data: 0", "")
		synctest.Wait()
		// What the client's transport has read ahead (4 KiB at most) may be gone,
		// no more: the connection has no buffer.
		if sent > 1000 {
			t.Errorf("%d values were sent to a client that read one", sent)
		}
		before := sent
		time.Sleep(9 * time.Second)
		if sent != before {
			t.Errorf("%d more values were sent to a client that does not read", sent-before)
		}
		a.leave()
	})
}

func TestWriteTimeout(t *testing.T) {
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		for i := 0; emit(i); i++ {
		}
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		a := h.get("/")
		synctest.Wait()
		start := time.Now()
		time.Sleep(10*time.Second - 1)
		h.ended("s", nil)
		time.Sleep(time.Nanosecond)
		h.ended("s", map[Reason]uint64{ReasonStalled: 1})
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("cut after %v, want 10s", got)
		}
		if n := h.log.count("WARN stream ended", "reason=stalled"); n != 1 {
			t.Errorf("%d log lines, want 1: %q", n, h.log.lines)
		}
		a.leave()
	})
}
