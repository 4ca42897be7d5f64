package handlers

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func silent(s *Server) http.Handler { return Values(s, streams.Never[int](), Name("s")) }

func TestHeartbeat(t *testing.T) {
	source := schedule(nil, true, timed[string]{10 * time.Second, "a"}, timed[string]{24 * time.Second, "b"}, timed[string]{25 * time.Second, "c"})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		start := time.Now()
		a := h.get("/")
		a.preamble("s")
		for _, want := range []struct {
			line string
			at   time.Duration
		}{
			{"data: a", 10 * time.Second},
			{"data: b", 24 * time.Second}, // the event restarted the clock: no heartbeat at 15s
			{"data: c", 25 * time.Second},
			{":", 40 * time.Second},
			{":", 55 * time.Second},
			{":", 70 * time.Second},
		} {
			a.expect(want.line, "")
			if got := time.Since(start); got != want.at {
				t.Errorf("%q came %v after the start, want %v", want.line, got, want.at)
			}
		}
		synctest.Wait()
		if n := h.srv.Stats().Routes["s"].Heartbeats; n != 3 {
			t.Errorf("%d heartbeats counted, want 3", n)
		}
		a.leave()
	})
}

func TestHeartbeat_formats(t *testing.T) {
	t.Run("an empty line in NDJSON", func(t *testing.T) {
		virtual(t, Config{Heartbeat: 20 * time.Second}, silent, func(h *harness) {
			a := h.get("/", "Accept", "application/x-ndjson")
			if got := a.Header.Get("Stream-Heartbeat"); got != "20" {
				t.Errorf("Stream-Heartbeat %q, want 20", got)
			}
			start := time.Now()
			a.expect("", "")
			if got := time.Since(start); got != 40*time.Second {
				t.Errorf("two heartbeats in %v, want 40s", got)
			}
			a.leave()
		})
	})
	t.Run("none when switched off", func(t *testing.T) {
		virtual(t, Config{Heartbeat: Off, MaxAge: Off}, silent, func(h *harness) {
			a := h.get("/")
			if got, ok := a.Header["Stream-Heartbeat"]; ok {
				t.Errorf("Stream-Heartbeat %q is announced", got)
			}
			a.preamble("s")
			time.Sleep(24 * time.Hour)
			if n := h.srv.Stats().Routes["s"].Heartbeats; n != 0 {
				t.Errorf("%d heartbeats", n)
			}
			a.leave()
		})
	})
	t.Run("less than a second is announced as one", func(t *testing.T) {
		virtual(t, Config{Heartbeat: 300 * time.Millisecond}, silent, func(h *harness) {
			a := h.get("/")
			if got := a.Header.Get("Stream-Heartbeat"); got != "1" {
				t.Errorf("Stream-Heartbeat %q, want 1", got)
			}
			a.leave()
		})
	})
}

func TestHeartbeat_stalledClient(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		conn, err := h.ln.Dial(h.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: mem\r\n\r\n")
		// The head is due after 50ms; nobody reads it.
		time.Sleep(10*time.Second + 50*time.Millisecond - 1)
		h.ended("s", nil)
		time.Sleep(time.Nanosecond)
		h.ended("s", map[Reason]uint64{ReasonStalled: 1})
		if got := time.Since(start); got != 10*time.Second+50*time.Millisecond {
			t.Errorf("cut after %v", got)
		}
		conn.Close()
	})
}

func TestMaxAge(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		start := time.Now()
		a := h.get("/")
		body := a.rest()
		if got := time.Since(start); got != time.Hour {
			t.Errorf("ended after %v, want 1h", got)
		}
		if want := "event: stream.bye\nretry: 2000\ndata: {\"reason\":\"max-age\",\"retry\":2000}\n\n"; !strings.HasSuffix(body, want) {
			t.Errorf("ended with %q, want %q", body[max(0, len(body)-100):], want)
		}
		if want, got := 239, strings.Count(body, "\n:\n"); got != want {
			t.Errorf("%d heartbeats in an hour, want %d", got, want)
		}
		h.ended("s", map[Reason]uint64{ReasonMaxAge: 1})

		a = h.get("/", "Accept", "application/x-ndjson")
		if _, err := io.ReadAll(a.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("plain lines ended with %v, want to be aborted", err)
		}
		h.get("/?take=1", "Accept", "application/json").problem(503, "not whole", "max-age")
		h.ended("s", map[Reason]uint64{ReasonMaxAge: 3})
	})
}

func TestJitter(t *testing.T) {
	srv, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if d := srv.retry(); d < time.Second || d > 3*time.Second || d%time.Millisecond != 0 {
			t.Fatalf("retry %v, want whole milliseconds within 2s ± 50%%", d)
		}
		if d := srv.maxAge(); d < 54*time.Minute || d > 66*time.Minute {
			t.Fatalf("max age %v, want 1h ± 10%%", d)
		}
	}
}

func TestServerShutdown(t *testing.T) {
	const clients = 1000
	virtual(t, Config{Grace: Off}, silent, func(h *harness) {
		answers := make([]*reply, clients)
		for i := range answers {
			answers[i] = h.get("/")
			answers[i].preamble("s")
		}
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- h.srv.Shutdown(h.t.Context()) }()
		for _, a := range answers {
			// Half of the second over which a thousand are spread.
			a.expect("event: stream.bye", "retry: 2500", `data: {"reason":"shutdown","retry":2500}`, "")
			if rest := a.rest(); rest != "" {
				t.Fatalf("rest %q, want none", rest)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("clients that read were told after %v, want at once", got)
		}
		h.ended("s", map[Reason]uint64{ReasonShutdown: clients})

		a := h.get("/")
		if got, want := a.rest(), "event: stream.bye\nretry: 2500\ndata: {\"reason\":\"shutdown\",\"retry\":2500}\n\n"; a.StatusCode != 200 || got != want {
			t.Errorf("an EventSource that comes now gets %d %q, want 200 %q", a.StatusCode, got, want)
		}
		a = h.get("/?take=1", "Accept", "application/json")
		if got := a.Header.Get("Retry-After"); got != "3" {
			t.Errorf("Retry-After %q, want 3", got)
		}
		a.problem(503, "shutting down")
		if err := h.srv.Shutdown(h.t.Context()); err != nil {
			t.Errorf("second Shutdown = %v", err)
		}
	})
}

func TestServerShutdown_stalledClient(t *testing.T) {
	flood := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		for i := 0; emit(i); i++ {
		}
		return context.Cause(ctx)
	})
	for name, mount := range map[string]func(*Server) http.Handler{
		"in the middle of a write": func(s *Server) http.Handler { return Values(s, flood, Name("s")) },
		"before the farewell":      silent,
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, Config{}, mount, func(h *harness) {
				a := h.get("/")
				synctest.Wait()
				start := time.Now()
				if err := h.srv.Shutdown(h.t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got > farewell {
					t.Errorf("Shutdown took %v, want %v at most", got, farewell)
				}
				h.ended("s", map[Reason]uint64{ReasonShutdown: 1})
				if n := h.log.count("WARN"); n != 0 {
					t.Errorf("%d warnings in the log, want none", n)
				}
				a.leave()
			})
		})
	}
}

func TestServerShutdown_contextEnds(t *testing.T) {
	release := make(chan struct{})
	deaf := streams.Create(func(context.Context, func(int) bool) error {
		<-release
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { release = make(chan struct{}); return Values(s, deaf, Name("s")) }, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Second)
		defer cancel()
		var said string
		var reading sync.WaitGroup
		reading.Go(func() { said, _ = a.lines.ReadString('\n') })
		err := h.srv.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 streams") {
			t.Errorf("Shutdown = %v, want the context's error and how many are open", err)
		}
		reading.Wait()
		if said != "event: stream.bye\n" {
			t.Errorf("before its source has returned the client gets %q, want stream.bye", said)
		}
		close(release)
		a.rest()
	})
}

func TestHTTPServerTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, Config{})
		source := schedule(nil, false, timed[string]{time.Minute, "late"})
		h.run(&http.Server{
			Handler:      Values(h.srv, source, Name("s")),
			ReadTimeout:  5 * time.Second,
			WriteTimeout: 5 * time.Second,
		}, func(h *harness) {
			a := h.get("/")
			a.preamble("s")
			a.expect(":", "", ":", "", ":", "", "data: late", "")
			a.rest()
			h.ended("s", map[Reason]uint64{ReasonComplete: 1})
		})
	})
}

func TestWriteTimeout_nextRequest(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Of(1, 2), Finite(), Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		dials := 0
		dial := h.transport.DialContext
		h.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, network, addr)
		}
		for range 3 {
			a := h.get("/", "Accept", "application/json")
			if got := a.rest(); got != "[1,2]\n" {
				t.Errorf("array %q", got)
			}
			a.Body.Close()
			time.Sleep(20 * time.Second) // longer than a write may take
		}
		if dials != 1 {
			t.Errorf("%d connections for three arrays, want one that is kept", dials)
		}
		for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
			if a := h.get("/", "Accept", accept); !a.Close {
				t.Errorf("%s: the connection is kept, with the stream's deadline on it", accept)
			} else {
				a.rest()
			}
		}
	})
}

// The last words follow a heartbeat whose write was stuck when the server began to drain,
// though the source takes its time.
func TestShutdown_duringHeartbeat(t *testing.T) {
	mount := func(s *Server) http.Handler {
		return Values(s, streams.Create(func(ctx context.Context, _ func(int) bool) error {
			<-ctx.Done()
			time.Sleep(20 * time.Second)
			return nil
		}), Name("s"))
	}
	virtual(t, Config{Heartbeat: time.Second, MaxAge: Off}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		time.Sleep(8 * time.Second) // a heartbeat is stuck
		done := make(chan error)
		go func() { done <- h.srv.Shutdown(h.t.Context()) }()
		time.Sleep(farewell / 2)
		if body := a.rest(); !strings.HasPrefix(body, ":\n\nevent: stream.bye\n") {
			t.Errorf("the client gets %q, want the heartbeat and stream.bye", body)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		h.ended("s", map[Reason]uint64{ReasonShutdown: 1})
	})
}

// A path that is not UTF-8 may name a stream: the name goes into its opening comment.
func TestStreamName_invalidUTF8(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Of(1)) }
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/%ff")
		a.preamble("/\uFFFD")
		a.expect("data: 1")
		a.rest()
	})
}

func TestJitter_doesNotOverflow(t *testing.T) {
	srv, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, random := range []float64{0, 0.5, 0.999999} {
		srv.random = func() float64 { return random }
		if d := srv.jitter(math.MaxInt64, 0.5); d <= 0 {
			t.Errorf("jitter(%v, 0.5) = %v at %v, want a long time", time.Duration(math.MaxInt64), d, random)
		}
	}
}
