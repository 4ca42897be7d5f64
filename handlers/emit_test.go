package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
)

func emitting(f func(ctx context.Context, e *Emitter[any]) error) func(*Server) http.Handler {
	return func(s *Server) http.Handler { return Emit(s, f, Name("s")) }
}

func TestEmit(t *testing.T) {
	f := func(ctx context.Context, e *Emitter[any]) error {
		for n := range 2 {
			if err := e.Send(sse.ServerSentEvent[any]{ID: fmt.Sprint(n), Event: "mvc", Data: e.Request().URL.Query().Get("q")}); err != nil {
				return err
			}
		}
		return nil
	}
	virtual(t, Config{}, emitting(f), func(h *harness) {
		a := h.get("/?q=x")
		a.preamble("s")
		a.expect("id: 0", "event: mvc", "data: x", "", "id: 1", "event: mvc", "data: x", "", "id: end", "event: stream.complete", "data: {}", "")
		if rest := a.rest(); rest != "" {
			t.Errorf("rest %q", rest)
		}
		h.ended("s", map[Reason]uint64{ReasonComplete: 1})
	})
}

func TestEmitterSend_blocksUntilWritten(t *testing.T) {
	sent := 0
	f := func(ctx context.Context, e *Emitter[any]) error {
		for {
			if err := e.Send(sse.ServerSentEvent[any]{Data: strings.Repeat("x", 100_000)}); err != nil {
				return err
			}
			sent++
		}
	}
	virtual(t, Config{}, emitting(f), func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		synctest.Wait()
		if sent != 0 {
			t.Errorf("%d sends of 100 kB returned before the client read one", sent)
		}
		a.expect("data: "+strings.Repeat("x", 100_000), "")
		a.leave()
		h.ended("s", map[Reason]uint64{ReasonLeft: 1})
	})
}

func TestEmit_functionReturns(t *testing.T) {
	for _, tt := range []struct {
		name, log string
		f         func(ctx context.Context, e *Emitter[any]) error
	}{
		{"its error", "no more", func(context.Context, *Emitter[any]) error { return errors.New("no more") }},
		{"its panic", "boom", func(context.Context, *Emitter[any]) error { panic("boom") }},
		{"its goroutine's exit", "exited", func(context.Context, *Emitter[any]) error { runtime.Goexit(); return nil }},
		{"an event that does not encode", "chan int", func(_ context.Context, e *Emitter[any]) error {
			return e.Send(sse.ServerSentEvent[any]{Data: make(chan int)})
		}},
		{"an event that does not encode, ignored", "chan int", func(ctx context.Context, e *Emitter[any]) error {
			err := e.Send(sse.ServerSentEvent[any]{Data: make(chan int)})
			if !errors.Is(err, ErrEnded) {
				panic(err)
			}
			<-ctx.Done() // the stream is over
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := func(ctx context.Context, e *Emitter[any]) error {
				if err := e.Send(sse.ServerSentEvent[any]{Data: "one"}); err != nil {
					return err
				}
				return tt.f(ctx, e)
			}
			virtual(t, Config{}, emitting(f), func(h *harness) {
				a := h.get("/")
				a.preamble("s")
				a.expect("data: one", "", "event: stream.error", `data: {"title":"Internal Server Error","status":500}`, "")
				a.rest()
				h.ended("s", map[Reason]uint64{ReasonError: 1})
				if n := h.log.count("ERROR", tt.log); n != 1 {
					t.Errorf("%d log lines with %q, want 1: %q", n, tt.log, h.log.lines)
				}
			})
		})
	}
}

func TestEmitterSend_manyGoroutines(t *testing.T) {
	const senders, each = 8, 50
	f := func(ctx context.Context, e *Emitter[any]) error {
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for n := range each {
					e.Send(sse.ServerSentEvent[any]{Data: fmt.Sprintf("%d %d", s, n)})
				}
			})
		}
		wg.Wait()
		return nil
	}
	virtual(t, Config{}, emitting(f), func(h *harness) {
		a := h.get("/", "Accept", "application/x-ndjson")
		next := make([]int, senders)
		for range senders * each {
			var s, n int
			if line := a.line(); !scan(line, &s, &n) || n != next[s] {
				t.Fatalf("line %q: want number %d of its sender", line, next[s])
			}
			next[s]++
		}
		a.expect(`{"id":"end","event":"stream.complete","data":{}}`)
	})
}

func scan(line string, s, n *int) bool {
	_, err := fmt.Sscanf(line, `{"data":"%d %d"}`, s, n)
	return err == nil
}

func TestEmit_waitsForFunction(t *testing.T) {
	var after error
	returned := make(chan struct{})
	f := func(ctx context.Context, e *Emitter[any]) error {
		defer close(returned)
		time.Sleep(3 * time.Second) // deaf to ctx for a while
		after = e.Send(sse.ServerSentEvent[any]{Data: "late"})
		return after
	}
	mount := func(s *Server) http.Handler {
		returned = make(chan struct{})
		return Emit(s, f, Name("s"))
	}
	virtual(t, Config{MaxAge: time.Second}, mount, func(h *harness) {
		start := time.Now()
		a := h.get("/")
		a.preamble("s")
		a.expect("event: stream.bye", "retry: 2000", `data: {"reason":"max-age","retry":2000}`, "")
		if got := time.Since(start); got != time.Second {
			t.Errorf("bye after %v, want 1s", got)
		}
		if rest := a.rest(); rest != "" {
			t.Errorf("after the bye: %q, want nothing", rest)
		}
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("the answer ended after %v, want 3s: when the emitter has returned", got)
		}
		<-returned
		if !errors.Is(after, ErrEnded) || !errors.Is(after, carry.EndedBy(session.MaxAge)) {
			t.Errorf("Send after the end = %v, want ErrEnded and why", after)
		}
		h.ended("s", map[Reason]uint64{ReasonMaxAge: 1})
	})
}

// An array is answered when it is whole. Shutdown waits for its emitter all the same.
func TestEmit_waitsForFunctionOfArray(t *testing.T) {
	returned := false
	f := func(ctx context.Context, e *Emitter[any]) error {
		e.Send(sse.ServerSentEvent[any]{Data: "one"})
		time.Sleep(3 * time.Second) // deaf to ctx for a while
		returned = true
		return nil
	}
	virtual(t, Config{}, emitting(f), func(h *harness) {
		start := time.Now()
		a := h.get("/?take=1", "Accept", "application/json")
		if got := a.rest(); got != `[{"data":"one"}]`+"\n" {
			t.Errorf("array %q", got)
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("answered after %v, want at once", got)
		}
		if err := h.srv.Shutdown(h.t.Context()); err != nil || !returned {
			t.Errorf("Shutdown = %v with the emitter returned: %v; want it waited for", err, returned)
		}
		h.ended("s", map[Reason]uint64{ReasonComplete: 1})
	})
}

func TestEmitterSend_clientLeft(t *testing.T) {
	errs := make(chan error, 1)
	f := func(ctx context.Context, e *Emitter[any]) error {
		e.Send(sse.ServerSentEvent[any]{Data: "one"})
		<-ctx.Done()
		errs <- e.Send(sse.ServerSentEvent[any]{Data: "two"})
		return nil
	}
	mount := func(s *Server) http.Handler { errs = make(chan error, 1); return Emit(s, f, Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		a.leave()
		if err := <-errs; !errors.Is(err, ErrEnded) {
			t.Errorf("Send = %v, want ErrEnded", err)
		}
		h.ended("s", map[Reason]uint64{ReasonLeft: 1})
	})
}

func TestEmit_typed(t *testing.T) {
	type step struct {
		Percent int `json:"percent"`
	}
	mount := func(s *Server) http.Handler {
		return Emit(s, func(_ context.Context, e *Emitter[step]) error { return e.Send(sse.Named("progress", step{50})) })
	}
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("/")
		a.expect("event: progress", `data: {"percent":50}`, "", "id: end", "event: stream.complete", "data: {}", "")
	})
}

// An event whose write failed was not sent: Send says so, and nobody counts it.
func TestEmitterSend_failedWrite(t *testing.T) {
	var sent, failed int
	var last error
	mount := func(s *Server) http.Handler {
		return Emit(s, func(_ context.Context, e *Emitter[string]) error {
			for {
				if last = e.Send(text(strings.Repeat("x", 1000))); last != nil {
					failed++
					return last
				}
				sent++
			}
		}, Name("s"))
	}
	virtual(t, Config{Heartbeat: Off, MaxAge: Off}, mount, func(h *harness) {
		a := h.get("/") // and reads nothing
		time.Sleep(30 * time.Second)
		synctest.Wait()
		events := h.srv.Stats().Routes["s"].Events
		body, _ := io.ReadAll(a.lines)
		got := strings.Count(string(body), "data: x")
		if sent != got || uint64(got) != events || failed != 1 {
			t.Errorf("%d sends succeeded and %d failed, %d events were counted, the client got %d", sent, failed, events, got)
		}
		if !errors.Is(last, ErrEnded) || !errors.Is(last, os.ErrDeadlineExceeded) {
			t.Errorf("Send = %v, want ErrEnded and the write's error", last)
		}
		h.ended("s", map[Reason]uint64{ReasonStalled: 1})
	})
}
