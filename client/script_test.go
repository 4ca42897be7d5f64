package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestMain fails the run if a goroutine of this package or of net/http is left
// once all tests are over and idle connections are closed. (A synctest bubble checks
// that for its own test.)
func TestMain(m *testing.M) {
	if os.Getenv(silentServer) != "" {
		serveSilently()
		return
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	var left []string
	for range 100 {
		if left = strays(); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond) // let goroutines end
	}
	if len(left) > 0 && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

func strays() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	all := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	return slices.DeleteFunc(all[1:], func(stack string) bool { // the first is the current one
		return !strings.Contains(stack, "fluxwire/client.") && !strings.Contains(stack, "net/http.")
	})
}

// A network is an in-memory listener and the dialer that reaches it.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	refuse func() bool
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), closed: make(chan struct{}), refuse: func() bool { return false }}
}

func (n *network) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if n.refuse() {
		return nil, errRefused
	}
	near, far := net.Pipe()
	select {
	case n.conns <- far:
		return near, nil
	case <-n.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

// client returns an HTTP client that reaches n and nothing else.
func (n *network) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
}

var errRefused = errors.New("connection refused")

// A step answers one request of a script. nil refuses the connection.
type step func(w http.ResponseWriter, r *http.Request)

// A script is a server in memory that answers the n-th request with its n-th step, and
// after the last step with 204, which ends a stream. Refused requests count.
type script struct {
	HTTP *http.Client

	mu       sync.Mutex
	start    time.Time
	steps    []step
	times    []time.Duration // of the requests, since the start
	requests []*http.Request
	bodies   []string
}

const host = "http://host.test"

func newScript(t testing.TB, steps ...step) *script {
	n := newNetwork()
	s := &script{HTTP: n.client(), start: time.Now(), steps: steps}
	n.refuse = s.refuse
	server := &http.Server{Handler: http.HandlerFunc(s.serve), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // for clients that use it
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(n)
	}()
	t.Cleanup(func() {
		s.HTTP.CloseIdleConnections()
		server.Close()
		<-done
	})
	return s
}

func (s *script) refuse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) == 0 || s.steps[0] != nil {
		return false
	}
	s.steps = s.steps[1:]
	s.times = append(s.times, time.Since(s.start))
	s.requests = append(s.requests, nil)
	s.bodies = append(s.bodies, "")
	return true
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.times = append(s.times, time.Since(s.start))
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	next := answer(http.StatusNoContent, "")
	if len(s.steps) > 0 {
		next, s.steps = s.steps[0], s.steps[1:]
	}
	s.mu.Unlock()
	next(w, r)
}

// header returns the values that the requests had for one header.
func (s *script) header(key string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.requests {
		all = append(all, r.Header.Get(key))
	}
	return all
}

// sofar returns the times of the requests up to now.
func (s *script) sofar() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// requested returns where the requests went: host, path and query, or "refused".
func (s *script) requested() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.requests {
		if r == nil {
			all = append(all, "refused")
			continue
		}
		all = append(all, r.Host+r.URL.RequestURI())
	}
	return all
}

// answer returns a step that sends a whole answer. headers are keys and values in turn.
func answer(status int, body string, headers ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for kv := range slices.Chunk(headers, 2) {
			w.Header().Set(kv[0], kv[1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// sends returns a step that sends body as an event stream and ends.
func sends(body string, headers ...string) step {
	return answer(http.StatusOK, body, append([]string{"Content-Type", "text/event-stream"}, headers...)...)
}

// open returns a step that sends each part of an event stream after the wait before it,
// and stays open until the client leaves.
func open(parts ...any) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		play(w, r, parts...)
		<-r.Context().Done()
	}
}

// last is like open, but ends after its parts.
func last(parts ...any) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		play(w, r, parts...)
	}
}

func play(w http.ResponseWriter, r *http.Request, parts ...any) {
	rc := http.NewResponseController(w)
	rc.Flush()
	for _, p := range parts {
		switch p := p.(type) {
		case func(http.ResponseWriter, *http.Request):
			p(w, r)
		case string:
			io.WriteString(w, p)
			rc.Flush()
		case time.Duration:
			select {
			case <-time.After(p):
			case <-r.Context().Done():
				return
			}
		}
	}
}

// drop closes the connection without an answer.
func drop(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

// wantAttempts checks in virtual time when a stream with these options makes requests to
// a server with these steps, and how the stream ends.
func wantAttempts(t *testing.T, steps []step, opts []Option, want []time.Duration, end string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		s := newScript(t, steps...)
		_, err := collect(t.Context(), s, opts...)
		if got := s.sofar(); !slices.Equal(got, want) {
			t.Errorf("requests came at %v, want %v", got, want)
		}
		if got := errText(err); got != end {
			t.Errorf("the stream ended with %q, want %q", got, end)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
