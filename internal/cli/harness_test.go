package cli

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/internal/memnet"
)

// A result is what a command printed, and its exit code.
type result struct {
	code           int
	stdout, stderr string
}

// base is a URL of the server in memory, which every URL reaches.
const base = "http://stream.test"

// play runs a command in virtual time, with handler as the only server.
func play(t *testing.T, handler http.HandlerFunc, command string, args ...string) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr strings.Builder
		r.code = inMemory(t, t.Context(), handler, Env{Stdout: &stdout, Stderr: &stderr}, command, args...)
		r.stdout, r.stderr = stdout.String(), stderr.String()
	})
	return r
}

// inMemory runs a command in the bubble of t. When it returns, all connections are
// closed.
func inMemory(t *testing.T, ctx context.Context, handler http.HandlerFunc, env Env, command string, args ...string) int {
	t.Helper()
	ln := memnet.Listen()
	srv := &http.Server{Handler: handler}
	var serving sync.WaitGroup
	serving.Go(func() { srv.Serve(ln) })
	transport := ln.Transport()
	env.Client = &http.Client{Transport: transport}
	code := Run(ctx, env, append([]string{command}, args...))
	transport.CloseIdleConnections()
	srv.Shutdown(context.Background()) // waits for the handlers to return
	serving.Wait()
	return code
}

// sends answers with a whole event stream.
func sends(wire string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, wire)
	}
}

// cuts answers with an event stream that breaks off.
func cuts(wire string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sends(wire)(w, r)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// A script answers each request with the next of its handlers, and keeps the
// requests. One more request than there are handlers is answered with 204.
type script struct {
	handlers []http.HandlerFunc
	requests []*http.Request
	bodies   []string
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n := len(s.requests)
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
	if n >= len(s.handlers) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.handlers[n](w, r)
}

// complete is the event with which Fluxwire servers end a stream.
const complete = "event: stream.complete\ndata: {}\n\n"

// oneLineOf reports whether s is exactly one line.
func oneLineOf(s string) bool { return strings.Index(s, "\n") == len(s)-1 && s != "" }
