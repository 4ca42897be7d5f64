package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/streams"
)

func TestJSONArray_limits(t *testing.T) {
	big := strings.Repeat("x", 1<<19)
	source := streams.Create(func(ctx context.Context, emit func(string) bool) error {
		for emit(big) {
		}
		return nil
	})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Name("s")) }, func(h *harness) {
		h.get("/?take=1000", "Accept", "application/json").problem(500, "16777216", "application/x-ndjson")
		h.ended("s", map[Reason]uint64{ReasonError: 1})
	})
}

func TestJSONArray_sourceFails(t *testing.T) {
	source := schedule(&Problem{Status: 502, Detail: "lost"}, false, timed[int]{0, 1}, timed[int]{time.Minute, 2})
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, source, Finite(), Name("s")) }, func(h *harness) {
		start := time.Now()
		h.get("/", "Accept", "application/json").problem(502, "lost")
		if got := time.Since(start); got != time.Minute {
			t.Errorf("answered after %v, want 1m", got)
		}
	})
}

func TestJSONArray_clientLeaves(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", "http://mem/?take=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/json")
		if _, err := h.transport.RoundTrip(r); err == nil {
			t.Fatal("an answer came")
		}
		h.ended("s", map[Reason]uint64{ReasonLeft: 1})
	})
}

func TestJSONArray_shutdown(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		go func() {
			time.Sleep(time.Second)
			h.srv.Shutdown(context.Background())
		}()
		a := h.get("/?take=5", "Accept", "application/json")
		if got := a.Header.Get("Retry-After"); got != "3" {
			t.Errorf("Retry-After %q, want 3: two seconds and the spread, rounded up", got)
		}
		a.problem(503, "0 values", "shutdown")
		h.ended("s", map[Reason]uint64{ReasonShutdown: 1})
	})
}

// With the policy Cut a client of an array that falls behind is told to try again.
func TestJSONArray_policyCut(t *testing.T) {
	reading, read := make(chan struct{}), make(chan struct{})
	slow := Filter(func(*http.Request) (hub.Filter, error) {
		return hub.Where(func(_ string, data []byte) bool {
			if string(data) == "first" {
				close(reading)
				<-read
			}
			return true
		}), nil
	})
	transported(t, Config{}, hub.Config{Events: 2}, func(h *harness, topic *hub.Topic[string]) {
		var waiting sync.WaitGroup
		waiting.Go(func() {
			a := h.get("/?take=9", "Accept", "application/json")
			if got := a.Header.Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After %q, want 2", got)
			}
			a.problem(http.StatusServiceUnavailable, "(slow)")
		})
		synctest.Wait()
		add(h.t, topic, "first")
		<-reading
		add(h.t, topic, "1", "2", "3", "4")
		close(read)
		waiting.Wait()
		h.ended("s", map[Reason]uint64{ReasonSlow: 1})
	}, slow, Policy(hub.PolicyCut))
}

// The bytes of an array are counted once: those that the client gets.
func TestArray_bytesAreCountedOnce(t *testing.T) {
	virtual(t, Config{}, func(s *Server) http.Handler {
		return Values(s, streams.Of("one", "two"), Finite(), Name("s"))
	}, func(h *harness) {
		body := h.get("/", "Accept", "application/json").rest()
		h.ended("s", map[Reason]uint64{ReasonComplete: 1})
		if got := h.srv.Stats().Routes["s"].Bytes; got != uint64(len(body)) {
			t.Errorf("%d bytes counted of %d", got, len(body))
		}
	})
}

// A client that reads a large array slowly, but all the time, gets all of it.
func TestArray_slowClient(t *testing.T) {
	large := strings.Repeat("x", 512<<10)
	virtual(t, Config{WriteTimeout: time.Second}, func(s *Server) http.Handler {
		return Values(s, streams.Of(large), Finite(), Name("s"))
	}, func(h *harness) {
		a := h.get("/", "Accept", "application/json")
		start, got := time.Now(), 0
		for part := make([]byte, 16<<10); got < a.contentLength(); {
			n, err := a.lines.Read(part)
			if got += n; err != nil && got < a.contentLength() {
				t.Fatalf("%d of %d bytes, then %v", got, a.contentLength(), err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if took := time.Since(start); took < 1500*time.Millisecond {
			t.Fatalf("the client took %v, which shows nothing", took)
		}
		h.ended("s", map[Reason]uint64{ReasonComplete: 1})
	})
}

func (a *reply) contentLength() int { return int(a.ContentLength) }
