package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/fluxwire-go/fluxwire/client"
)

// A gosse is a server of github.com/tmaxmax/go-sse. It sends no header before the
// first event, so no client can tell when it is subscribed. The server calls the
// replayer at that moment, which tells the test.
type gosse struct {
	*sse.Server
	web        *httptest.Server
	subscribed chan string // the Last-Event-ID of each subscriber
	left       chan struct{}
}

func newGosse(t *testing.T, r sse.Replayer) *gosse {
	t.Helper()
	g := &gosse{subscribed: make(chan string, 1000), left: make(chan struct{}, 1000)}
	g.Server = &sse.Server{Provider: &sse.Joe{Replayer: watched{r, g.subscribed}}}
	g.web = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { g.left <- struct{}{} }()
		g.ServeHTTP(w, r)
	}))
	return g
}

// finite returns the library's own replayer of the last n events.
func finite(t *testing.T, n int, autoIDs bool) sse.Replayer {
	t.Helper()
	r, err := sse.NewFiniteReplayer(n, autoIDs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A watched replayer reports each subscription. Joe calls it in its only goroutine, and
// sends the subscriber everything that is published later.
type watched struct {
	sse.Replayer
	subscribed chan string
}

func (w watched) Replay(s sse.Subscription) error {
	w.subscribed <- s.LastEventID.String()
	return w.Replayer.Replay(s)
}

// publish publishes events without ids, which the replayer sets.
func (g *gosse) publish(t *testing.T, data ...string) {
	t.Helper()
	for _, d := range data {
		m := &sse.Message{}
		m.AppendData(d)
		g.send(t, m)
	}
}

func (g *gosse) send(t *testing.T, m *sse.Message) {
	t.Helper()
	if err := g.Publish(m); err != nil {
		t.Fatal(err)
	}
}

// message returns an event whose id the program has chosen.
func message(id, data string) *sse.Message {
	m := &sse.Message{ID: sse.ID(id)}
	m.AppendData(data)
	return m
}

func TestGosseEvents(t *testing.T) {
	type tick struct {
		Symbol string
		Price  float64
	}
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			g := newGosse(t, finite(t, 100, false))
			f := follow[string](t, g.web.URL, opts...)
			receive(t, "the subscription", g.subscribed)
			g.send(t, message("a:1", "plain"))
			want(t, f, "a:1", "plain")
			if typ := receive(t, "the connection", f.connected).Get("Content-Type"); typ != "text/event-stream" {
				t.Errorf("Content-Type = %q", typ)
			}

			m := &sse.Message{ID: sse.ID("ü€😀"), Type: sse.Type("price"), Retry: 7 * time.Millisecond}
			m.AppendComment("a note\nof two lines")
			m.AppendData("one\ntwo\r\nthree\rfour", "five\n", "\n", " six")
			g.send(t, m)
			ev := f.next()
			if ev.ID != "ü€😀" || ev.Event != "price" || ev.Data != "one\ntwo\nthree\nfour\nfive\n\n six" ||
				ev.Retry != 7*time.Millisecond || ev.Comment != "a note\nof two lines" {
				t.Errorf("event = %+v", ev)
			}
			for _, line := range []string{"a note", "of two lines"} {
				if got := receive(t, "a comment", f.comments); got != line {
					t.Errorf("comment = %q, want %q", got, line)
				}
			}

			// Neither a keep-alive nor a name without data is an event.
			alive := &sse.Message{ID: sse.ID("a:2")}
			alive.AppendComment("keep-alive")
			g.send(t, alive)
			g.send(t, &sse.Message{ID: sse.ID("a:3"), Type: sse.Type("nothing")})
			if got := receive(t, "a comment", f.comments); got != "keep-alive" {
				t.Errorf("comment = %q, want keep-alive", got)
			}
			g.web.CloseClientConnections()
			if r := receive(t, "the loss", f.retries); r.wait < 7*time.Millisecond {
				t.Errorf("wait = %v, want the 7ms that the server named", r.wait)
			}
			// An id counts even in a block that is not an event.
			if id := receive(t, "the second subscription", g.subscribed); id != "a:3" {
				t.Errorf("Last-Event-ID = %q, want a:3", id)
			}

			ticks := follow[tick](t, g.web.URL, opts...)
			receive(t, "the subscription", g.subscribed)
			g.send(t, message("a:4", "{\n  \"Symbol\": \"EURUSD\",\n  \"Price\": 1.08\n}"))
			if got := ticks.next(); got.Data != (tick{"EURUSD", 1.08}) || got.ID != "a:4" {
				t.Errorf("tick = %+v", got)
			}
		})
	}
}

func TestGosseResumes(t *testing.T) {
	valid, err := sse.NewValidReplayer(time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, replayer := range map[string]sse.Replayer{
		"FiniteReplayer": finite(t, 1000, false),
		"ValidReplayer":  valid,
	} {
		t.Run(name, func(t *testing.T) {
			g := newGosse(t, replayer)
			f := follow[string](t, g.web.URL, quick)
			strict := follow[string](t, g.web.URL, quick, client.Strict())
			receive(t, "a subscription", g.subscribed)
			receive(t, "a subscription", g.subscribed)
			// A client that comes back without an id gets no past events.
			g.send(t, message("id 0", "event 0"))
			want(t, f, "id 0", "event 0")
			want(t, strict, "id 0", "event 0")
			for i := 1; i < 200; i++ {
				if i%20 == 10 {
					receive(t, "the connection to cut", f.connected)
					receive(t, "the connection to cut", strict.connected)
					g.web.CloseClientConnections()
				}
				g.send(t, message(fmt.Sprint("id ", i), fmt.Sprint("event ", i)))
			}
			for i := 1; i < 200; i++ {
				want(t, f, fmt.Sprint("id ", i), fmt.Sprint("event ", i))
				want(t, strict, fmt.Sprint("id ", i), fmt.Sprint("event ", i))
			}
			f.wantNoEvent()
			strict.wantNoEvent()
		})
	}
}

func TestGosseServerComesBack(t *testing.T) {
	g := newGosse(t, finite(t, 100, true))
	f := follow[string](t, g.web.URL, quick)
	receive(t, "the subscription", g.subscribed)
	g.publish(t, "zero", "one")
	want(t, f, "0", "zero", "1", "one")

	stop(g.web)
	receive(t, "the loss", f.retries)
	receive(t, "a refused connection", f.retries)
	g.publish(t, "two", "three")
	serveAt(t, g.web.Listener.Addr().String(), g)
	want(t, f, "2", "two", "3", "three")
	f.wantNoEvent()
}

// If the replayer sets the ids, a client that comes back with the newest id has missed
// nothing, and yet gets every event again.
func TestGosseRepeatsEverythingQuirk(t *testing.T) {
	g := newGosse(t, finite(t, 100, true))
	f := follow[string](t, g.web.URL, quick)
	receive(t, "the subscription", g.subscribed)
	g.publish(t, "zero", "one")
	want(t, f, "0", "zero", "1", "one")

	g.web.CloseClientConnections()
	receive(t, "the loss", f.retries)
	if id := receive(t, "the second subscription", g.subscribed); id != "1" {
		t.Errorf("Last-Event-ID = %q, want 1", id)
	}
	g.publish(t, "two")
	want(t, f, "0", "zero", "1", "one", "2", "two")
	f.wantNoEvent()
}

// A replayer reports neither events that it no longer has nor an unknown id: no client
// can notice either gap.
func TestGosseGapsAreSilentQuirk(t *testing.T) {
	g := newGosse(t, finite(t, 2, true))
	g.publish(t, "zero", "one", "two", "three", "four")
	old := follow[string](t, g.web.URL, quick, client.LastEventID("0"))
	want(t, old, "3", "three", "4", "four")

	future := follow[string](t, g.web.URL, quick, client.LastEventID("9"))
	receive(t, "the subscription", g.subscribed)
	receive(t, "the subscription", g.subscribed)
	g.publish(t, "five")
	want(t, old, "5", "five")
	want(t, future, "5", "five")
}

// The answer begins with the first event. Until then the client waits, and can
// leave at once.
func TestGosseSendsNoHeaderBeforeTheFirstEvent(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			g := newGosse(t, finite(t, 100, true))
			patient := follow[string](t, g.web.URL, opts...)
			leaving := follow[string](t, g.web.URL, opts...)
			receive(t, "a subscription", g.subscribed)
			receive(t, "a subscription", g.subscribed)

			enough := errors.New("enough")
			leaving.cancel(enough)
			if err := receive(t, "the end", leaving.end); err != enough {
				t.Errorf("cancelled: %v, want the cause %v", err, enough)
			}
			receive(t, "the server to see it", g.left)
			if len(patient.connected)+len(leaving.connected)+len(patient.retries) != 0 {
				t.Error("there was a connection before the first event")
			}
			g.publish(t, "first")
			want(t, patient, "0", "first")
			receive(t, "the connection", patient.connected)
		})
	}
}

// A connection that is lost before the first event had no answer, so it counts as failed.
func TestGosseConnectionLostBeforeTheFirstEvent(t *testing.T) {
	g := newGosse(t, finite(t, 100, true))
	f := follow[string](t, g.web.URL, quick)
	patient := follow[string](t, g.web.URL, client.Retry(client.RetryPolicy{RetryFirst: true, Delay: time.Millisecond}))
	strict := follow[string](t, g.web.URL, quick, client.Strict())
	for range 3 {
		receive(t, "a subscription", g.subscribed)
	}
	g.web.CloseClientConnections()
	if err := receive(t, "the end", f.end); !errors.Is(err, io.EOF) {
		t.Errorf("the first connection: %v, want io.EOF", err)
	}
	for range 2 {
		receive(t, "another subscription", g.subscribed)
	}
	g.publish(t, "first")
	want(t, patient, "0", "first")
	want(t, strict, "0", "first")
}

// An IdleLimit bounds the wait for the answer too. This server sends nothing before its
// first event, so if the limit is shorter than that wait, the client retries the
// connection.
func TestGosseIdleLimit(t *testing.T) {
	g := newGosse(t, finite(t, 100, true))
	limit := client.IdleLimit(10 * time.Millisecond)
	f := follow[string](t, g.web.URL, quick, limit)
	if _, ok := errors.AsType[*client.IdleError](receive(t, "the end", f.end)); !ok {
		t.Error("the first connection did not end with an IdleError")
	}
	patient := follow[string](t, g.web.URL, limit, client.Retry(client.RetryPolicy{RetryFirst: true, Delay: time.Millisecond}))
	r := receive(t, "a retry", patient.retries)
	if _, ok := errors.AsType[*client.IdleError](r.err); !ok {
		t.Errorf("retried for %v, want an IdleError", r.err)
	}
}

// Shutdown writes its error into the open streams, where it is a line without a meaning.
// A client that comes back gets it as the answer.
func TestGosseShutdown(t *testing.T) {
	const closed = "go-sse.server: provider is closed\n"
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			g := newGosse(t, finite(t, 100, true))
			f := follow[string](t, g.web.URL, opts...)
			once := follow[string](t, g.web.URL, append(opts, client.NoReconnect())...)
			receive(t, "a subscription", g.subscribed)
			receive(t, "a subscription", g.subscribed)
			g.publish(t, "zero")
			want(t, f, "0", "zero")
			want(t, once, "0", "zero")
			silent := follow[string](t, g.web.URL+"/silent", opts...)
			receive(t, "a subscription", g.subscribed)

			if err := g.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			silent.wantStatus(http.StatusInternalServerError, closed)
			if r := receive(t, "the loss", f.retries); r.err != io.EOF {
				t.Errorf("lost by %v, want io.EOF", r.err)
			}
			f.wantStatus(http.StatusInternalServerError, closed)
			f.wantNoEvent()
			if err := receive(t, "the end", once.end); err != nil {
				t.Errorf("with NoReconnect: %v, want no error", err)
			}
			once.wantNoEvent()
		})
	}
}

func TestGosseRefusals(t *testing.T) {
	refuse := func(status int) *sse.Server {
		return &sse.Server{OnSession: func(w http.ResponseWriter, r *http.Request) ([]string, bool) {
			if status != 0 {
				http.Error(w, "no", status)
			}
			return nil, false
		}}
	}
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			for _, status := range []int{400, 401, 404, 500, 503} {
				follow[string](t, serve(t, refuse(status)).URL, opts...).wantStatus(status, "no\n")
			}
			// A session that is refused without a status has an empty answer with status 200.
			f := follow[string](t, serve(t, refuse(0)).URL, opts...)
			err := receive(t, "the end", f.end)
			if e, ok := errors.AsType[*client.ContentTypeError](err); !ok || e.ContentType != "" || len(e.Body) != 0 {
				t.Errorf("refused without a status: %v, want a ContentTypeError", err)
			}
		})
	}
}

func TestGosseManyClients(t *testing.T) {
	const clients, events = 50, 100
	g := newGosse(t, finite(t, 1000, true))
	var all []*follower[string]
	for i := range clients {
		opts := []client.Option{quick}
		if i%2 == 1 {
			opts = append(opts, client.Strict())
		}
		all = append(all, follow[string](t, g.web.URL, opts...))
	}
	for range all {
		receive(t, "a subscription", g.subscribed)
	}
	padding := strings.Repeat(".", 500)
	for i := range events {
		g.publish(t, fmt.Sprint(i, padding))
	}
	for _, f := range all {
		for i := range events {
			want(t, f, fmt.Sprint(i), fmt.Sprint(i, padding))
		}
		f.wantNoEvent()
	}
	if err := g.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
