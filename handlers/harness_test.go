package handlers

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A harness is a Server without jitter behind net/http on a network in memory.
type harness struct {
	t         *testing.T
	srv       *Server
	ln        *memnet.Listener
	transport *http.Transport
	log       *logBook
	memory    *memory // the sockets of the fast transport, or nil
}

// virtual runs test in virtual time, on a Server with settings cfg that serves
// what mount returns. At the end it fails the test if a stream is left open;
// the bubble fails it if a goroutine is.
func virtual(t *testing.T, cfg Config, mount func(*Server) http.Handler, test func(*harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, cfg)
		server := &http.Server{Handler: mount(h.srv), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		h.run(server, test)
	})
}

func newHarness(t *testing.T, cfg Config) *harness {
	book := new(logBook)
	cfg.Logger = slog.New(book)
	fast := cfg.Transport == TransportFast
	cfg.Transport = TransportPortable                                // the fast one has no place for sockets of the system's in virtual time
	cfg.MaxStreamsPerSubject = cmp.Or(cfg.MaxStreamsPerSubject, Off) // a network in memory has one address
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv.random = func() float64 { return 0.5 } // the middle of every spread
	ln := memnet.Listen()
	h := &harness{t: t, srv: srv, ln: ln, transport: ln.Transport(), log: book}
	if fast {
		h.memory = newMemory()
		srv.fast = makeFast(srv, func(net.Addr) bool { return true }, h.memory.take, h.memory.open)
	}
	return h
}

func (h *harness) run(server *http.Server, test func(*harness)) {
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(h.ln) })
	defer serving.Wait()
	defer server.Close()
	test(h)
	h.transport.CloseIdleConnections()
	synctest.Wait()
	if open := h.srv.Stats().Open; open != 0 {
		h.t.Errorf("%d streams are still open", open)
	}
	if h.memory != nil && h.memory.left() != 0 {
		h.t.Errorf("%d sockets are still open", h.memory.left())
	}
}

// get requests path, with pairs of header names and values.
func (h *harness) get(path string, header ...string) *reply {
	h.t.Helper()
	return h.do(http.MethodGet, path, header...)
}

func (h *harness) do(method, path string, header ...string) *reply {
	h.t.Helper()
	u, err := url.Parse("http://mem" + path)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.t.Context())
	r := (&http.Request{Method: method, URL: u, Header: make(http.Header)}).WithContext(ctx)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := h.transport.RoundTrip(r)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{Response: res, t: h.t, lines: bufio.NewReader(res.Body), cancel: cancel}
}

// A reply is a response whose body is read line by line.
type reply struct {
	*http.Response
	t      *testing.T
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// line reads one line, without its end.
func (a *reply) line() string {
	a.t.Helper()
	s, err := a.lines.ReadString('\n')
	if err != nil {
		a.t.Fatalf("body ended with %q, %v; want a line", s, err)
	}
	return s[:len(s)-1]
}

// expect reads as many lines as it is given and compares them.
func (a *reply) expect(lines ...string) {
	a.t.Helper()
	for _, want := range lines {
		if got := a.line(); got != want {
			a.t.Fatalf("line %q, want %q", got, want)
		}
	}
}

// preamble reads what every event stream begins with.
func (a *reply) preamble(name string) {
	a.t.Helper()
	a.expect("retry: 2000", "", ": "+name, "")
}

// rest reads the body to its end.
func (a *reply) rest() string {
	a.t.Helper()
	b, err := io.ReadAll(a.lines)
	if err != nil {
		a.t.Fatalf("body ended with %v after %q", err, b)
	}
	return string(b)
}

// leave closes the connection from the client's side.
func (a *reply) leave() {
	a.cancel()
	a.Body.Close()
	synctest.Wait()
}

// status checks the answer's status and what its problem document says.
func (a *reply) problem(status int, says ...string) {
	a.t.Helper()
	body := a.rest()
	if a.StatusCode != status {
		a.t.Errorf("status %d, want %d (%s)", a.StatusCode, status, body)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("Content-Type %q, want application/problem+json", got)
	}
	for _, s := range says {
		if !strings.Contains(body, s) {
			a.t.Errorf("problem %s says nothing of %q", body, s)
		}
	}
}

// ended checks how often streams of a route have ended by each reason.
func (h *harness) ended(name string, want map[Reason]uint64) {
	h.t.Helper()
	synctest.Wait()
	got := h.srv.Stats().Routes[name].Ended
	for _, r := range reasons {
		if got[r] != want[r] {
			h.t.Errorf("streams of %s ended %v, want %v", name, got, want)
			return
		}
	}
}

// A logBook keeps the log's lines.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (*logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler     { return b }
func (b *logBook) WithGroup(string) slog.Handler          { return b }
func (b *logBook) Handle(ctx context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString(" " + a.String())
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line.String())
	return nil
}

// count returns how many lines hold all of parts.
func (b *logBook) count(parts ...string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, line := range b.lines {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		n++
	}
	return n
}

// at emits each value at its time after the subscription, then waits for stop,
// completes if it is nil.
type timed[T any] struct {
	at time.Duration
	v  T
}

func schedule[T any](end error, forever bool, values ...timed[T]) streams.Observable[T] {
	return streams.Create(func(ctx context.Context, emit func(T) bool) error {
		start := time.Now()
		for _, v := range values {
			select {
			case <-time.After(time.Until(start.Add(v.at))):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !emit(v.v) {
				return nil
			}
		}
		if forever {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return end
	})
}

func text(s string) sse.ServerSentEvent[string] { return sse.ServerSentEvent[string]{Data: s} }
