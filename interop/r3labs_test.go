package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/r3labs/sse/v2"

	"github.com/fluxwire-go/fluxwire/client"
)

// newR3labs returns a server of github.com/r3labs/sse with the stream "s", and
// the URL of that stream.
func newR3labs(t *testing.T) (server *sse.Server, url string) {
	t.Helper()
	server = sse.New()
	server.CreateStream("s")
	return server, serve(t, server).URL + "/?stream=s"
}

func publish(server *sse.Server, data ...string) {
	for _, d := range data {
		server.Publish("s", &sse.Event{Data: []byte(d)})
	}
}

func TestR3labsEvents(t *testing.T) {
	type tick struct {
		Symbol string
		Price  float64
	}
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			server, url := newR3labs(t)
			server.SplitData = true
			f := follow[string](t, url, opts...)
			if typ := receive(t, "the connection", f.connected).Get("Content-Type"); typ != "text/event-stream" {
				t.Errorf("Content-Type = %q", typ)
			}
			publish(server, "plain")
			want(t, f, "0", "plain")

			server.Publish("s", &sse.Event{Event: []byte("price"), Retry: []byte("7"), Comment: []byte("note"), Data: []byte("two\nlines\n")})
			ev := f.next()
			if ev.ID != "1" || ev.Event != "price" || ev.Data != "two\nlines\n" || ev.Retry != 7*time.Millisecond || ev.Comment != "note" {
				t.Errorf("event = %+v", ev)
			}
			if got := receive(t, "a comment", f.comments); got != "note" {
				t.Errorf("comment = %q, want note", got)
			}

			// Programs send this to keep connections alive.
			server.Publish("s", &sse.Event{Comment: []byte("keep-alive")})
			if got := receive(t, "a comment", f.comments); got != "keep-alive" {
				t.Errorf("comment = %q, want keep-alive", got)
			}
			publish(server, "ü€😀")
			want(t, f, "2", "ü€😀")

			ticks := follow[tick](t, url, append(opts, client.LastEventID("3"))...)
			receive(t, "the connection", ticks.connected)
			publish(server, "{\n  \"Symbol\": \"EURUSD\",\n  \"Price\": 1.08\n}")
			if got := ticks.next(); got.Data != (tick{"EURUSD", 1.08}) || got.ID != "3" {
				t.Errorf("tick = %+v", got)
			}
		})
	}
}

// The server takes Last-Event-ID as the first event to send, not as the last that has
// arrived, so it sends that event again. A browser gets it twice as well.
func TestR3labsRepeatsTheLastEventQuirk(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			server := sse.New()
			server.CreateStream("s")
			web := serve(t, server)
			f := follow[string](t, web.URL+"/?stream=s", opts...)
			receive(t, "the connection", f.connected)
			publish(server, "zero", "one")
			want(t, f, "0", "zero", "1", "one")

			web.CloseClientConnections()
			receive(t, "the loss", f.retries)
			publish(server, "two", "three")
			want(t, f, "1", "one", "2", "two", "3", "three")
			receive(t, "the second connection", f.connected)
			publish(server, "four")
			want(t, f, "4", "four")
			f.wantNoEvent()
		})
	}
}

// A client that asks for the id after the last event gets each event once: ids are
// numbers, and the next one is valid.
func TestR3labsResumesFromTheNextID(t *testing.T) {
	server := sse.New()
	server.CreateStream("s")
	web := serve(t, server)
	next := client.OnRequest(func(r *http.Request) error {
		var last int
		if _, err := fmt.Sscan(r.Header.Get("Last-Event-ID"), &last); err == nil {
			r.Header.Set("Last-Event-ID", fmt.Sprint(last+1))
		}
		return nil
	})
	f := follow[string](t, web.URL+"/?stream=s", quick, next)
	receive(t, "the connection", f.connected)
	for i := range 200 {
		if i%20 == 10 {
			web.CloseClientConnections()
		}
		publish(server, fmt.Sprint("event ", i))
	}
	for i := range 200 {
		want(t, f, fmt.Sprint(i), fmt.Sprint("event ", i))
	}
	if len(f.retries) == 0 {
		t.Error("the connection was never lost")
	}
	f.wantNoEvent()
}

func TestR3labsServerComesBack(t *testing.T) {
	server := sse.New()
	server.CreateStream("s")
	web := serve(t, server)
	f := follow[string](t, web.URL+"/?stream=s", quick)
	receive(t, "the connection", f.connected)
	publish(server, "zero")
	want(t, f, "0", "zero")

	stop(web)
	receive(t, "the loss", f.retries)
	receive(t, "a refused connection", f.retries)
	publish(server, "one", "two")
	serveAt(t, web.Listener.Addr().String(), server)
	want(t, f, "0", "zero", "1", "one", "2", "two")
}

// Numbers start at 0 again with every process and every stream. The server does not
// report that a number is from before a restart: it skips the new events up to it.
func TestR3labsSkipsEventsAfterRestartQuirk(t *testing.T) {
	server := sse.New()
	server.CreateStream("s")
	web := serve(t, server)
	f := follow[string](t, web.URL+"/?stream=s", quick)
	receive(t, "the connection", f.connected)
	publish(server, "zero", "one", "two")
	want(t, f, "0", "zero", "1", "one", "2", "two")

	stop(web)
	receive(t, "the loss", f.retries)
	server = sse.New()
	server.CreateStream("s")
	publish(server, "new zero", "new one", "new two", "new three")
	// Once another client has them, all four are in the log.
	sub := follow[string](t, serve(t, server).URL+"/?stream=s", quick)
	want(t, sub, "0", "new zero", "1", "new one", "2", "new two", "3", "new three")
	serveAt(t, web.Listener.Addr().String(), server)
	want(t, f, "2", "new two", "3", "new three")
	f.wantNoEvent()
}

// Without the log events have the ids that the program gives them, but a client
// that comes back with an id that is not a number is refused every time.
func TestR3labsRefusesItsOwnIDsQuirk(t *testing.T) {
	server := sse.New()
	server.AutoReplay = false
	server.CreateStream("s")
	web := serve(t, server)
	url := web.URL + "/?stream=s"
	f := follow[string](t, url, quick)
	// The workaround is to ask without an id: the server cannot resume anyway.
	anonymous := follow[string](t, url, quick, client.OnRequest(func(r *http.Request) error {
		r.Header.Del("Last-Event-ID")
		return nil
	}))
	receive(t, "the connection", f.connected)
	receive(t, "the connection", anonymous.connected)
	server.Publish("s", &sse.Event{ID: []byte("order-17"), Data: []byte("x")})
	want(t, f, "order-17", "x")
	want(t, anonymous, "order-17", "x")

	web.CloseClientConnections()
	f.wantStatus(http.StatusBadRequest, "Last-Event-ID must be a number!\n")
	receive(t, "the second connection", anonymous.connected)
	server.Publish("s", &sse.Event{ID: []byte("order-18"), Data: []byte("y")})
	want(t, anonymous, "order-18", "y")
}

// Without the log, an event without an id has the line "id: ", which clears the last
// event id: the client reconnects without one.
func TestR3labsEmptyID(t *testing.T) {
	server := sse.New()
	server.AutoReplay = false
	server.CreateStream("s")
	asked := make(chan []string, 10)
	web := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Values("Last-Event-ID")
		server.ServeHTTP(w, r)
	}))
	f := follow[string](t, web.URL+"/?stream=s", quick, client.LastEventID("41"))
	receive(t, "the connection", f.connected)
	if got := receive(t, "the request", asked); len(got) != 1 || got[0] != "41" {
		t.Errorf("first request: Last-Event-ID %q, want 41", got)
	}
	publish(server, "a", "b")
	want(t, f, "", "a", "", "b")
	web.CloseClientConnections()
	if got := receive(t, "the second request", asked); len(got) != 0 {
		t.Errorf("second request: Last-Event-ID %q, want none", got)
	}
}

// Unless SplitData is set, a line break in the data ends the field, and what
// follows is read as another field, for example an id, or ignored.
func TestR3labsLosesLinesQuirk(t *testing.T) {
	server, url := newR3labs(t)
	f := follow[string](t, url, quick)
	receive(t, "the connection", f.connected)
	publish(server, "two\nlines", "a\nid: forged", ": no data at all", "after")
	want(t, f, "0", "two", "forged", "a", "3", "after")
	if got := receive(t, "a comment", f.comments); got != "no data at all" {
		t.Errorf("comment = %q", got)
	}

	broken := follow[struct{ A int }](t, url, quick, client.LastEventID("4"))
	receive(t, "the connection", broken.connected)
	publish(server, "{\n\"A\": 1}")
	err := receive(t, "the end", broken.end)
	if e, ok := errors.AsType[*client.DecodeError](err); !ok || string(e.Data) != "{" || e.ID != "4" {
		t.Errorf("JSON over two lines: %v; want a DecodeError of its first line", err)
	}
}

// An event without data and comment is not sent: the server closes the connection
// instead. The event is in the log, so it ends every later connection too, and no client
// gets past it.
func TestR3labsEventWithoutDataEndsTheConnectionQuirk(t *testing.T) {
	server, url := newR3labs(t)
	f := follow[string](t, url, quick)
	receive(t, "the connection", f.connected)
	publish(server, "zero")
	server.Publish("s", &sse.Event{Retry: []byte("50")})
	publish(server, "never seen")
	want(t, f, "0", "zero", "0", "zero", "0", "zero")
	if r := receive(t, "a loss", f.retries); r.err != io.EOF {
		t.Errorf("lost by %v, want io.EOF", r.err)
	}
}

func TestR3labsRefusals(t *testing.T) {
	for mode, opts := range modes {
		t.Run(mode, func(t *testing.T) {
			web := serve(t, sse.New())
			follow[string](t, web.URL, opts...).wantStatus(http.StatusInternalServerError, "Please specify a stream!\n")
			follow[string](t, web.URL+"/?stream=none", opts...).wantStatus(http.StatusInternalServerError, "Stream not found!\n")
			first := client.Retry(client.RetryPolicy{RetryFirst: true, Delay: time.Millisecond})
			follow[string](t, web.URL+"/?stream=none", append(opts, first)...).wantStatus(http.StatusInternalServerError, "Stream not found!\n")
		})
	}
}

// A stream that is removed ends like any connection; a client that comes back is told
// that there is no such stream.
func TestR3labsStreamIsRemoved(t *testing.T) {
	for name, remove := range map[string]func(*sse.Server){
		"RemoveStream": func(s *sse.Server) { s.RemoveStream("s") },
		"Close":        (*sse.Server).Close,
	} {
		t.Run(name, func(t *testing.T) {
			server, url := newR3labs(t)
			f := follow[string](t, url, quick)
			once := follow[string](t, url, client.NoReconnect())
			receive(t, "the connection", f.connected)
			receive(t, "the connection", once.connected)
			publish(server, "last")
			want(t, f, "0", "last")
			want(t, once, "0", "last")
			remove(server)
			if r := receive(t, "the loss", f.retries); r.err != io.EOF {
				t.Errorf("lost by %v, want io.EOF", r.err)
			}
			f.wantStatus(http.StatusInternalServerError, "Stream not found!\n")
			if err := receive(t, "the end", once.end); err != nil {
				t.Errorf("with NoReconnect: %v, want no error", err)
			}
		})
	}
}

func TestR3labsManyClients(t *testing.T) {
	const clients, events = 50, 100
	server, url := newR3labs(t)
	var all []*follower[string]
	for i := range clients {
		opts := []client.Option{quick}
		if i%2 == 1 {
			opts = append(opts, client.Strict())
		}
		all = append(all, follow[string](t, url, opts...))
	}
	for _, f := range all {
		receive(t, "the connection", f.connected)
	}
	padding := string(bytes.Repeat([]byte("."), 500))
	for i := range events {
		publish(server, fmt.Sprint(i, padding))
	}
	for _, f := range all {
		for i := range events {
			want(t, f, fmt.Sprint(i), fmt.Sprint(i, padding))
		}
		f.wantNoEvent()
	}
}
