package service_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// tlsURL is what the certificate is for.
const tlsURL = "https://127.0.0.1"

// serveTLS runs a service with TLS on a network in memory, see [serveMem]. It
// returns a transport that connects to it.
func serveTLS(t *testing.T, cfg service.Config) (transport *http.Transport, stop func()) {
	t.Helper()
	cert, key, trusting := testkit.Certificate(t)
	cfg.TLSCert, cfg.TLSKey = cert, key
	ln, stop := servicetest.ServeMem(t, cfg)
	transport = ln.Transport()
	transport.TLSClientConfig = trusting
	transport.ForceAttemptHTTP2 = true
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
		time.Sleep(6 * time.Second) // TLS may take 5 s for its last word to a peer that does not read
	})
	return transport, stop
}

// count returns a function that returns how often transport has dialled.
func count(transport *http.Transport) func() int64 {
	var n atomic.Int64
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.Add(1)
		return dial(ctx, network, addr)
	}
	return n.Load
}

func TestHTTP2ManyStreamsOnOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, stop := serveTLS(t, service.Config{})
		dialled := count(transport)
		client := &http.Client{Transport: transport}

		readers := make([]*testkit.Stream, 100)
		for i := range readers {
			readers[i] = testkit.Open(t, client, tlsURL+"/events")
		}
		for i := range 3 {
			testkit.Ping(t, client, tlsURL, strconv.Itoa(i))
			for _, r := range readers {
				r.Want("", strconv.Itoa(i))
			}
		}

		time.Sleep(time.Minute + time.Second) // the heartbeats are 15 s apart
		readers[0].Leave()
		synctest.Wait()
		if got := testkit.Metric(t, client, tlsURL, "fluxwire_streams_open"); got != 99 {
			t.Errorf("%d streams open after one of 100 was reset, want 99", got)
		}
		testkit.Ping(t, client, tlsURL, "after a minute")
		for _, r := range readers[1:] {
			r.Want("", "after a minute")
			if r.Heartbeats != 4 {
				t.Fatalf("%d heartbeats in a minute, want 4", r.Heartbeats)
			}
		}
		if got := dialled(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}

		stop()
		for _, r := range readers[1:] {
			if ev, err := r.Next(); err != nil || ev.Event != "stream.bye" {
				t.Fatalf("at the end of the service: %q, %v; want stream.bye", ev.Event, err)
			}
			if _, err := r.Next(); err != io.EOF {
				t.Fatalf("after stream.bye: %v, want EOF", err)
			}
		}
	})
}

// The limit to how long an answer may take does not apply to arrays, which are written
// when they are whole.
func TestHTTP2ArrayTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := serveTLS(t, service.Config{})
		req, err := http.NewRequestWithContext(t.Context(), "GET", tlsURL+"/stream-sse?take=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var ticks []json.RawMessage
		if err := json.NewDecoder(res.Body).Decode(&ticks); err != nil || len(ticks) != 60 {
			t.Errorf("%d ticks, %v; want 60, a minute's", len(ticks), err)
		}
	})
}

// HTTP/2 resets a stream at its write deadline even when nothing is being written:
// the deadline must not outlive the write.
func TestHTTP2IdleStreamOutlivesTheWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := serveTLS(t, service.Config{Heartbeat: handlers.Off})
		client := &http.Client{Transport: transport}
		stream := testkit.Open(t, client, tlsURL+"/events")
		testkit.Ping(t, client, tlsURL, "first")
		stream.Want("", "first")
		time.Sleep(30 * time.Minute)
		testkit.Ping(t, client, tlsURL, "half an hour later")
		stream.Want("", "half an hour later")
		if stream.Heartbeats != 0 {
			t.Errorf("%d heartbeats, want an idle stream", stream.Heartbeats)
		}
	})
}

func TestStalledStreamIsCut(t *testing.T) {
	for _, tt := range []struct {
		what  string
		http2 bool
		after time.Duration
	}{
		{"HTTP/2, a full flow-control window", true, 10 * time.Second},
		// TLS takes another 5 s for its last word, which is stuck as well.
		{"HTTP/1.1 over TLS, a full connection", false, 15 * time.Second},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := serveTLS(t, service.Config{Heartbeat: handlers.Off, Pace: handlers.Off})
				transport.ForceAttemptHTTP2 = tt.http2
				const window = 64 << 10
				transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
				dialled := count(transport)
				client := &http.Client{Transport: transport}

				stalled := testkit.Open(t, client, tlsURL+"/events")
				other := readAll(testkit.Open(t, client, tlsURL+"/events"))
				if tt.http2 && dialled() != 1 {
					t.Fatalf("%d connections, want both streams on one", dialled())
				}
				// stalled is never read: in HTTP/2 the first message still fits.
				message := strings.Repeat("x", window*3/5)
				for range 2 {
					testkit.Ping(t, client, tlsURL, message)
					if got := <-other; got != message {
						t.Fatalf("the other stream got %.20q, want the message", got)
					}
				}
				cut := func() int {
					return testkit.Metric(t, client, tlsURL, "fluxwire_streams_ended_total", `reason="stalled"`)
				}
				time.Sleep(tt.after - time.Millisecond)
				if got := cut(); got != 0 {
					t.Errorf("%d streams cut before %v, want 0", got, tt.after)
				}
				time.Sleep(2 * time.Millisecond)
				if got := cut(); got != 1 {
					t.Errorf("%d streams cut as stalled after %v, want 1", got, tt.after)
				}
				if got := testkit.Metric(t, client, tlsURL, "fluxwire_streams_open"); got != 1 {
					t.Errorf("%d streams open, want the other one", got)
				}
				b, err := io.ReadAll(stalled.Res.Body)
				if tt.http2 && err == nil || strings.Contains(string(b), "event: stream.") {
					// Over HTTP/1 the end of the connection is that of the body, and the last
					// words alone tell an end from a cut.
					t.Errorf("the stalled stream ends after %q, %v; want it to be cut", b, err)
				}
				testkit.Ping(t, client, tlsURL, "still there")
				if got := <-other; got != "still there" {
					t.Errorf("the other stream got %.20q, want the message", got)
				}
			})
		})
	}
}

// readAll reads all of r, and returns the data of its events as they arrive.
func readAll(r *testkit.Stream) <-chan string {
	data := make(chan string, 100)
	go func() {
		defer close(data)
		for {
			ev, err := r.Next()
			if err != nil {
				return
			}
			data <- string(ev.Data)
		}
	}()
	return data
}

// A client may stop reading the whole connection, and not just one stream: a laptop that
// sleeps, a host that is gone. No deadline of a stream covers that.
func TestHTTP2StalledConnectionIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := serveTLS(t, service.Config{})
		client := &http.Client{Transport: transport}
		freezing := transport.Clone()
		conn := &freezable{}
		freezing.DialContext = func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
			conn.Conn, err = transport.DialContext(ctx, network, addr)
			return conn, err
		}
		defer freezing.CloseIdleConnections()
		for range 2 {
			testkit.Open(t, &http.Client{Transport: freezing}, tlsURL+"/events")
		}
		other := testkit.Open(t, client, tlsURL+"/events")

		frozen := make(chan struct{})
		conn.frozen.Store(&frozen)
		defer close(frozen)
		start := time.Now()
		ended := 0
		for ended < 2 && time.Since(start) < time.Minute {
			testkit.Ping(t, client, tlsURL, "on and on")
			other.Want("", "on and on")
			time.Sleep(time.Second)
			ended = testkit.Metric(t, client, tlsURL, "fluxwire_streams_ended_total", `reason="stalled"`)
		}
		// One message or two go through; then there are 10 s for the next byte, and
		// TLS takes another 5 s for its last word.
		if took := time.Since(start); ended != 2 || took > 20*time.Second {
			t.Errorf("%d streams cut as stalled %v after their connection froze, want 2 within 20s", ended, took)
		}
		if got := testkit.Metric(t, client, tlsURL, "fluxwire_streams_open"); got != 1 {
			t.Errorf("%d streams open, want the one of the other connection", got)
		}
	})
}

// A freezable is a connection from which no more is read once frozen is set,
// until what it points to is closed.
type freezable struct {
	net.Conn
	frozen atomic.Pointer[chan struct{}]
}

func (c *freezable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if frozen := c.frozen.Load(); frozen != nil {
		<-*frozen
	}
	return n, err
}
