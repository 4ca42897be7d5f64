package interop

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/sse"
)

// patience is how long a test waits for anything that should happen at once. It
// determines only how late a failure is reported.
const patience = 30 * time.Second

// quick makes a stream reconnect almost at once.
var quick = client.Retry(client.RetryPolicy{Delay: time.Millisecond, Jitter: client.Off})

// modes are the two ways to read a stream. Tests that apply to both run in both.
var modes = map[string][]client.Option{"as it comes": {quick}, "strict": {quick, client.Strict()}}

// A retried is one wait between two connections.
type retried struct {
	err  error
	wait time.Duration
}

// A follower follows a stream in its own goroutine, and hands the test everything that
// happens, in order, one by one.
type follower[T any] struct {
	t         *testing.T
	events    chan sse.ServerSentEvent[T]
	connected chan http.Header
	comments  chan string
	retries   chan retried
	end       chan error // how the stream ended, nil if without an error
	cancel    context.CancelCauseFunc
}

// follow follows the stream at url until t ends.
func follow[T any](t *testing.T, url string, opts ...client.Option) *follower[T] {
	t.Helper()
	const room = 4096 // more than any test leaves unread
	f := &follower[T]{
		t:         t,
		events:    make(chan sse.ServerSentEvent[T], room),
		connected: make(chan http.Header, room),
		comments:  make(chan string, room),
		retries:   make(chan retried, room),
		end:       make(chan error, 1),
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	f.cancel = cancel
	transport := &http.Transport{}
	opts = append([]client.Option{
		client.HTTPClient(&http.Client{Transport: transport}),
		client.OnConnect(func(res *http.Response) { send(ctx, f.connected, res.Header) }),
		client.OnComment(func(text string) { send(ctx, f.comments, text) }),
		client.OnRetry(func(err error, wait time.Duration) { send(ctx, f.retries, retried{err, wait}) }),
	}, opts...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer transport.CloseIdleConnections()
		for ev, err := range client.Follow[T](ctx, url, opts...) {
			if err != nil {
				f.end <- err
				return
			}
			send(ctx, f.events, ev)
		}
		f.end <- nil
	}()
	t.Cleanup(func() {
		cancel(nil)
		<-done
	})
	return f
}

func send[T any](ctx context.Context, c chan<- T, v T) {
	select {
	case c <- v:
	case <-ctx.Done():
	}
}

// receive returns the next value of c.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// next returns the next event.
func (f *follower[T]) next() sse.ServerSentEvent[T] {
	f.t.Helper()
	select {
	case ev := <-f.events:
		return ev
	case err := <-f.end:
		f.end <- err
		select {
		case ev := <-f.events: // both were there
			return ev
		default:
		}
		f.t.Fatalf("the stream has ended (%v), want an event", err)
	case <-time.After(patience):
		f.t.Fatalf("waited %v for an event", patience)
	}
	panic("unreachable")
}

// want checks the ids and the data of the next events, in the order id, data, id,
// data.
func want(t *testing.T, f *follower[string], want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if ev := f.next(); ev.ID != want[i] || ev.Data != want[i+1] {
			t.Fatalf("event %d: id %q, data %q; want id %q, data %q", i/2+1, ev.ID, ev.Data, want[i], want[i+1])
		}
	}
}

// wantStatus checks that the stream ends with an answer of that status and body.
func (f *follower[T]) wantStatus(status int, body string) {
	f.t.Helper()
	err := receive(f.t, "the end of the stream", f.end)
	e, ok := errors.AsType[*client.StatusError](err)
	if !ok || e.StatusCode != status || string(e.Body) != body {
		f.t.Fatalf("the stream ended with %v; want a StatusError of %d, body %q", err, status, body)
	}
}

// wantNoEvent checks that no event is left unread.
func (f *follower[T]) wantNoEvent() {
	f.t.Helper()
	select {
	case ev := <-f.events:
		f.t.Errorf("one event too many: %+v", ev)
	default:
	}
}

// serve serves h on loopback until t ends.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", h)
}

// serveAt is serve at an address.
func serveAt(t *testing.T, addr string, h http.Handler) *httptest.Server {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = ln
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // go-sse sets a status twice when it is shut down
	s.Start()
	t.Cleanup(func() { stop(s) })
	return s
}

// stop ends s, its open streams included. It can be called again.
func stop(s *httptest.Server) {
	s.Listener.Close() // no client reconnects between the next two calls
	s.CloseClientConnections()
	s.Close()
}
