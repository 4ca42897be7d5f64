package testkit

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Client returns a client whose connections are closed when t ends. If transport is
// nil, it uses a new one that does not ask for compression.
func Client(t testing.TB, transport *http.Transport) *http.Client {
	if transport == nil {
		transport = &http.Transport{DisableCompression: true}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Fetch makes a GET request and returns the whole answer.
func Fetch(t testing.TB, client *http.Client, url string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
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

// A Stream reads one event stream. Only one goroutine may use it at a time.
type Stream struct {
	// Res is the head of the answer; nothing but Next and Want may read its body.
	Res *http.Response
	// Leave closes the connection, or resets the stream in HTTP/2. It may be called
	// more than once.
	Leave func()
	// Heartbeats counts the empty comments.
	Heartbeats int

	t   testing.TB
	dec *sse.Decoder
}

// Open opens the event stream at url and returns it once the head of the answer has
// arrived. It leaves the stream when t ends.
func Open(t testing.TB, client *http.Client, url string) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(Patience, cancel)
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
	s := &Stream{t: t, Res: res, dec: sse.NewDecoder(res.Body)}
	s.dec.OnComment = func(text string) {
		if text == "" {
			s.Heartbeats++
		}
	}
	s.Leave = sync.OnceFunc(func() {
		cancel()
		res.Body.Close()
	})
	t.Cleanup(s.Leave)
	return s
}

// Next returns the next event, or an error when the stream has ended.
func (s *Stream) Next() (sse.Event, error) {
	late := time.AfterFunc(Patience, s.Leave)
	defer late.Stop()
	return s.dec.Decode()
}

// Want reads the next event and checks its name and data.
func (s *Stream) Want(name, data string) {
	s.t.Helper()
	ev, err := s.Next()
	if err != nil || ev.Event != name || string(ev.Data) != data {
		s.t.Fatalf("next event = %q %.80q, %v; want %q %.80q", ev.Event, ev.Data, err, name, data)
	}
}

// Ping sends message to /ping of the service at base.
func Ping(t testing.TB, client *http.Client, base, message string) {
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

// Metric returns the sum of a metric of the service over all its series, or over those
// that have all of the given labels, such as reason="left".
func Metric(t testing.TB, client *http.Client, base, name string, labels ...string) int {
	t.Helper()
	_, body := Fetch(t, client, base+"/metrics")
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
