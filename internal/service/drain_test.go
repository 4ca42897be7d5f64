package service

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
)

// During the drain delay the service reports that it is not ready, open streams continue,
// and a new stream ends at once with stream.bye.
func TestDrainDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, Config{DrainDelay: 5 * time.Second, Transport: handlers.TransportPortable})
		ln := memnet.Listen()
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, ln, nil) }()
		client := &http.Client{Transport: ln.Transport()}
		open := func(path string) *http.Response {
			t.Helper()
			res, err := client.Get("http://mem" + path)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		get := func(path string) (int, string) {
			t.Helper()
			res := open(path)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(body)
		}
		stream := open("/stream-sse").Body
		lines := bufio.NewScanner(stream)
		until := func(want string) {
			t.Helper()
			for lines.Scan() {
				if lines.Text() == want {
					return
				}
			}
			t.Fatalf("the stream ended (%v) before %q", lines.Err(), want)
		}
		until("event: periodic-event")
		if code, _ := get("/healthz/ready"); code != 200 {
			t.Errorf("ready: %d, want 200", code)
		}

		stop()
		began := time.Now()
		synctest.Wait()
		if code, _ := get("/healthz/ready"); code != 503 {
			t.Errorf("ready while it drains: %d, want 503", code)
		}
		until("event: periodic-event")
		if _, late := get("/events"); !strings.HasPrefix(late, "event: stream.bye\n") {
			t.Errorf("a new stream gets %q, want stream.bye", late)
		}
		until("event: stream.bye")
		if got := time.Since(began); got != 5*time.Second {
			t.Errorf("the streams ended %v after the signal, want 5s", got)
		}
		stream.Close()
		client.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
}

// The drain delay ends when a listener fails: then nothing is served any more.
func TestDrainDelay_listenerFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		when time.Duration // after the signal
	}{{"before the signal", -time.Second}, {"during the delay", time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, Config{DrainDelay: time.Hour, Transport: handlers.TransportPortable})
				ln := memnet.Listen()
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				served := make(chan error, 1)
				start := time.Now()
				go func() { served <- s.Serve(ctx, ln, nil) }()
				if tt.when > 0 {
					stop()
					time.Sleep(tt.when)
				}
				synctest.Wait()
				ln.Close()
				err := <-served
				if took := time.Since(start); err == nil || !strings.HasPrefix(err.Error(), "service: serve: ") || took > 2*time.Second {
					t.Errorf("Serve = %v after %v, want the error of the listener at once", err, took)
				}
			})
		})
	}
}
