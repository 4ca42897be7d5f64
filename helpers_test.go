package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/sse"
)

// patience is how long anything is waited for that should happen at once: its
// length decides how late a failure is found, and never whether there is one.
const patience = 30 * time.Second

// eventually waits until check holds. It is for what happens behind a real
// socket, where there is nothing else to wait for.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

// freeAddr returns a loopback address that nobody listened on a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// A buffer is a bytes.Buffer for the output of a program that is still running.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A running is a service in this process.
type running struct {
	url  string
	addr string
	log  *buffer      // from info on, unless its Config had a logger
	stop func() error // ends the service and returns what Serve did; further calls do nothing
}

// serve runs a service on a loopback port, and ends it when t ends.
func serve(t *testing.T, cfg service.Config) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{addr: ln.Addr().String(), log: new(buffer)}
	r.url = "http://" + r.addr
	if cfg.TLSCert != "" {
		r.url = "https://" + r.addr
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	}
	s, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return r
}

// serveMem runs a service on a network in memory until t, which is a bubble's, ends.
func serveMem(t *testing.T, cfg service.Config) (ln *memnet.Listener, stop func()) {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg.Transport = handlers.Portable // there are no sockets to take
	s, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln = memnet.Listen()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return ln, stop
}

// newClient returns a client with connections of its own, which it gives up when
// t ends. It asks for no compression unless transport says so.
func newClient(t *testing.T, transport *http.Transport) *http.Client {
	if transport == nil {
		transport = &http.Transport{DisableCompression: true}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// fetch makes a request of which the answer comes to an end, and returns it.
func fetch(t *testing.T, client *http.Client, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %s: %v after %q", url, err, b)
	}
	return res.StatusCode, string(b)
}

// An eventReader reads one event stream.
type eventReader struct {
	t   *testing.T
	res *http.Response
	dec *sse.Decoder
	// leave closes the connection, or resets the stream in HTTP/2.
	leave func()
	// heartbeats counts the empty comments.
	heartbeats int
}

// open opens the event stream at url. It returns when the head of the answer is
// there, and leaves when t ends.
func open(t *testing.T, client *http.Client, url string) *eventReader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, cancel)
	res, err := client.Do(req)
	if err != nil {
		cancel()
		t.Fatalf("GET %s: %v", url, err)
	}
	late.Stop()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		cancel()
		t.Fatalf("GET %s: %s, %s; want 200 OK, text/event-stream", url, res.Status, kind)
	}
	r := &eventReader{t: t, res: res, dec: sse.NewDecoder(res.Body)}
	r.dec.OnComment = func(text string) {
		if text == "" {
			r.heartbeats++
		}
	}
	r.leave = sync.OnceFunc(func() {
		cancel()
		res.Body.Close()
	})
	t.Cleanup(r.leave)
	return r
}

// next returns the next event. Its error is the stream's end.
func (r *eventReader) next() (sse.Event, error) {
	late := time.AfterFunc(patience, r.leave)
	defer late.Stop()
	return r.dec.Decode()
}

// want reads the next event and checks its name and data.
func (r *eventReader) want(name, data string) {
	r.t.Helper()
	ev, err := r.next()
	if err != nil || ev.Event != name || string(ev.Data) != data {
		r.t.Fatalf("next event = %q %.80q, %v; want %q %.80q", ev.Event, ev.Data, err, name, data)
	}
}

// ping sends message to every open page.
func ping(t *testing.T, client *http.Client, base, message string) {
	t.Helper()
	res, err := client.PostForm(base+"/ping", url.Values{"message": {message}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); string(body) != "sent ping!" || err != nil {
		t.Fatalf("ping: %s %q, %v", res.Status, body, err)
	}
}

// sumMetric returns the sum of the service's metric name over all its labels, or
// over those that hold all of the labels given, such as reason="left".
func sumMetric(t *testing.T, client *http.Client, base, name string, labels ...string) int {
	t.Helper()
	_, body := fetch(t, client, base+"/metrics")
	sum := 0
lines:
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name+"{")
		if !ok {
			continue
		}
		set, value, ok := strings.Cut(rest, "} ")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if !ok || err != nil {
			t.Fatalf("metrics: line %q cannot be read", line)
		}
		for _, label := range labels {
			if !strings.Contains(set, label) {
				continue lines
			}
		}
		sum += int(n)
	}
	return sum
}
