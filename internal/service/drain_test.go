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

// With a delay before the drain a load balancer hears that the service is not
// ready while everything goes on; new streams are sent elsewhere.
func TestDrainDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, Config{DrainDelay: 5 * time.Second, Transport: handlers.Portable})
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
			t.Errorf("who comes now gets %q", late)
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
