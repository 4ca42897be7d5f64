//go:build unix

package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/nginx"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A controlled server has one stream, whose values the test sends one by one.
type controlled struct {
	addr   string
	srv    *handlers.Server
	values chan string // the stream's next value; closing it completes the stream
	protos chan string // the protocol of each request
}

func newControlled(t *testing.T, cfg handlers.Config) *controlled {
	t.Helper()
	srv, err := handlers.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := &controlled{srv: srv, values: make(chan string), protos: make(chan string, 10)}
	source := func(r *http.Request) (streams.Observable[string], error) {
		c.protos <- r.Proto
		return streams.Create(func(ctx context.Context, emit func(string) bool) error {
			for {
				select {
				case v, ok := <-c.values:
					if !ok || !emit(v) {
						return nil
					}
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}), nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.addr = ln.Addr().String()
	server := &http.Server{Handler: handlers.ValuesFunc(srv, source)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		<-served
	})
	return c
}

// send sends the stream its next value, and returns once the source has taken it.
func (c *controlled) send(t *testing.T, v string) {
	t.Helper()
	select {
	case c.values <- v:
	case <-time.After(testkit.Patience):
		t.Fatalf("no source took %q: no stream is open", v)
	}
}

func TestNginx_events(t *testing.T) {
	for _, tt := range []struct {
		what       string
		directives string
		proto      string // of nginx's request
		gzip       bool
	}{
		{what: "as Debian ships it", proto: "HTTP/1.0"},
		{what: "with HTTP/1.1 upstream", directives: "proxy_http_version 1.1;", proto: "HTTP/1.1"},
		{
			what:       "with gzip for every type",
			directives: "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;",
			proto:      "HTTP/1.0",
			gzip:       true,
		},
	} {
		t.Run(tt.what, func(t *testing.T) {
			up := newControlled(t, handlers.Config{})
			url := nginx.Proxy(t, up.addr, tt.directives)
			// The client's transport asks for gzip and decompresses automatically.
			client := testkit.Client(t, &http.Transport{DisableCompression: !tt.gzip})

			stream := testkit.Open(t, client, url)
			if got := <-up.protos; got != tt.proto {
				t.Errorf("nginx asked with %s, want %s", got, tt.proto)
			}
			if stream.Res.Uncompressed != tt.gzip {
				t.Errorf("compressed by nginx: %v, want %v", stream.Res.Uncompressed, tt.gzip)
			}
			// The source gets its second value only when the client has read the first.
			// If nginx held the first back, the test would time out.
			for _, v := range []string{"first", "second", "third"} {
				up.send(t, v)
				stream.Want("", v)
			}
			close(up.values)
			stream.Want("stream.complete", "{}")
			if ev, err := stream.Next(); err != io.EOF {
				t.Errorf("after the end: %+v, %v; want EOF", ev, err)
			}
		})
	}
}

func TestNginx_lines(t *testing.T) {
	up := newControlled(t, handlers.Config{})
	url := nginx.Proxy(t, up.addr, "")
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := testkit.Client(t, nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, v := range []string{"first", "second"} {
		up.send(t, v)
		if line, err := lines.ReadString('\n'); line != `"`+v+"\"\n" || err != nil {
			t.Fatalf("line = %q, %v; want %q", line, err, v)
		}
	}
}

// Plain lines cannot hold a goodbye, so the client must see that the answer was cut.
func TestNginx_cutLines(t *testing.T) {
	for _, directives := range []string{"", "proxy_http_version 1.1;"} {
		t.Run("directives "+directives, func(t *testing.T) {
			up := newControlled(t, handlers.Config{})
			url := nginx.Proxy(t, up.addr, directives)
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "application/x-ndjson")
			res, err := testkit.Client(t, nil).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			up.send(t, "first")
			lines := bufio.NewReader(res.Body)
			if line, err := lines.ReadString('\n'); line != "\"first\"\n" || err != nil {
				t.Fatalf("line = %q, %v; want the first", line, err)
			}
			if err := up.srv.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(lines); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("at the shutdown the lines end with %q, %v; want them to be cut: %v", rest, err, io.ErrUnexpectedEOF)
			}
		})
	}
}

// Without X-Accel-Buffering nginx does hold events back: this shows that the tests above
// can fail.
func TestNginx_buffersWithoutHeader(t *testing.T) {
	up := newControlled(t, handlers.Config{Heartbeat: 10 * time.Millisecond})
	url := nginx.Proxy(t, up.addr, "proxy_ignore_headers X-Accel-Buffering;")
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan string)
	go func() {
		defer close(received)
		res, err := testkit.Client(t, nil).Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		b := make([]byte, 1)
		io.ReadFull(res.Body, b)
		received <- string(b)
		io.Copy(io.Discard, res.Body)
	}()
	up.send(t, "first")
	testkit.Eventually(t, "the stream has sent 50 heartbeats", func() bool { return up.srv.Stats().Routes["/"].Heartbeats >= 50 })
	select {
	case b := <-received:
		t.Errorf("received %q while the stream is open: nginx does not buffer, and the tests beside this one show nothing", b)
	default:
	}
	close(up.values)
	if b := <-received; b != "r" {
		t.Errorf("after the end of the stream: %q, want the first byte of the preamble", b)
	}
	<-received
}

func TestNginx_service(t *testing.T) {
	s := servicetest.Serve(t, service.Config{})
	url := nginx.Proxy(t, s.Addr, "")
	client := testkit.Client(t, nil)
	events := testkit.Open(t, client, url+"/events")
	live := testkit.Open(t, client, url+"/stream-sse")

	for _, message := range []string{"pong!", "two\nlines", strings.Repeat("long ", 10_000)} {
		status, body := 0, ""
		if message == "pong!" {
			status, body = testkit.Fetch(t, client, url+"/ping")
		} else {
			res, err := client.PostForm(url+"/ping", neturl.Values{"message": {message}})
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			status, body = res.StatusCode, string(b)
		}
		if status != http.StatusOK || body != "sent ping!" {
			t.Fatalf("ping: %d %q, want 200 and %q", status, body, "sent ping!")
		}
		events.Want("", message)
		for {
			ev, err := live.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ev.Event != "pong" {
				continue // a tick
			}
			if string(ev.Data) != message {
				t.Fatalf("/stream-sse: pong = %.40q, want %.40q", ev.Data, message)
			}
			break
		}
	}

	if err := s.Stop(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if ev, err := events.Next(); err != nil || ev.Event != "stream.bye" {
		t.Errorf("at the end of the service: %q, %v; want stream.bye", ev.Event, err)
	}
	if _, err := events.Next(); err != io.EOF {
		t.Errorf("after stream.bye: %v, want EOF", err)
	}
}

// Real time: nginx has no other clock.
func TestNginx_readTimeout(t *testing.T) {
	const readTimeout = time.Second

	t.Run("heartbeats keep a silent stream open", func(t *testing.T) {
		up := newControlled(t, handlers.Config{Heartbeat: readTimeout / 5})
		client := testkit.Client(t, nil)
		stream := testkit.Open(t, client, nginx.Proxy(t, up.addr, "proxy_read_timeout 1s;"))
		start := time.Now()
		testkit.Eventually(t, "the stream has sent 20 heartbeats", func() bool { return up.srv.Stats().Routes["/"].Heartbeats >= 20 })
		if silent := time.Since(start); silent < 3*readTimeout {
			t.Fatalf("the stream was silent for %v: too short to show anything", silent)
		}
		up.send(t, "late")
		stream.Want("", "late")
		if stream.Heartbeats < 20 {
			t.Errorf("%d heartbeats arrived, want the 20 that were sent", stream.Heartbeats)
		}
	})

	t.Run("without them nginx cuts it", func(t *testing.T) {
		up := newControlled(t, handlers.Config{Heartbeat: handlers.Off})
		client := testkit.Client(t, nil)
		stream := testkit.Open(t, client, nginx.Proxy(t, up.addr, "proxy_read_timeout 1s;"))
		if ev, err := stream.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("silent stream: %+v, %v; want it to be cut: %v", ev, err, io.ErrUnexpectedEOF)
		}
		wantEnded(t, up.srv, handlers.ReasonLeft, 1)
	})
}

func TestNginx_clientLeaves(t *testing.T) {
	up := newControlled(t, handlers.Config{})
	url := nginx.Proxy(t, up.addr, "")
	client := testkit.Client(t, nil)
	silent := testkit.Open(t, client, url)
	busy := testkit.Open(t, client, url)
	if got := up.srv.Stats().Open; got != 2 {
		t.Fatalf("%d streams open, want 2", got)
	}
	silent.Leave()
	wantEnded(t, up.srv, handlers.ReasonLeft, 1)
	up.send(t, "an event")
	busy.Want("", "an event")
	busy.Leave()
	wantEnded(t, up.srv, handlers.ReasonLeft, 2)
	if got := up.srv.Stats().Open; got != 0 {
		t.Errorf("%d streams open after the last client left, want 0", got)
	}
}

// wantEnded waits until n streams of srv have ended, and checks that each ended for
// reason.
func wantEnded(t *testing.T, srv *handlers.Server, reason handlers.Reason, n uint64) {
	t.Helper()
	var ended map[handlers.Reason]uint64
	testkit.Eventually(t, fmt.Sprintf("%d streams have ended", n), func() bool {
		ended = srv.Stats().Routes["/"].Ended
		sum := uint64(0)
		for _, k := range ended {
			sum += k
		}
		return sum >= n
	})
	if want := map[handlers.Reason]uint64{reason: n}; !maps.Equal(ended, want) {
		t.Errorf("streams ended: %v, want %v", ended, want)
	}
}
