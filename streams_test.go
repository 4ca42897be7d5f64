package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A tick is the data of a periodic-event, as a client declares it.
type tick struct {
	Sequence int       `json:"sequence"`
	Time     time.Time `json:"time"`
	Text     string    `json:"text"`
}

// A running service on a network in memory.
type running struct {
	http *http.Client
	stop func() time.Duration // returns how long stopping took
}

// start runs the service in the test's bubble until stop is called or the test
// ends.
func start(t *testing.T, cfg service.Config) running {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Origins = []string{"*"}
	cfg.Transport = handlers.TransportPortable // there are no sockets to take
	s, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln := memnet.Listen()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	transport := ln.Transport()
	stop := sync.OnceValue(func() time.Duration {
		start := time.Now()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		transport.CloseIdleConnections()
		return time.Since(start)
	})
	t.Cleanup(func() { stop() })
	return running{&http.Client{Transport: transport}, stop}
}

func (r running) ping(t *testing.T, form string) {
	t.Helper()
	answer, err := client.Once[string](t.Context(), "http://mem/ping", client.HTTPClient(r.http),
		client.Body("application/x-www-form-urlencoded", func() (io.Reader, error) { return strings.NewReader(form), nil }))
	if answer != "sent ping!" || err != nil {
		t.Errorf("ping answered %q, %v; want %q", answer, err, "sent ping!")
	}
}

// pace is how far apart writes to one client are by default.
const pace = 2 * time.Millisecond

// TestAnHourOfTicks follows the flow from the ticker to the typed client: each
// tick comes at its second, each ping with the next write, none is lost.
func TestAnHourOfTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := start(t, service.Config{MaxAge: handlers.Off})
		var pinging sync.WaitGroup
		defer pinging.Wait()
		pinging.Go(func() {
			for range 60 {
				time.Sleep(time.Minute)
				s.ping(t, "message=ding")
			}
		})
		var ticks, pongs, events int
		for ev, err := range client.Follow[[]byte](t.Context(), "http://mem/stream-sse", client.HTTPClient(s.http)) {
			if err != nil {
				t.Fatal(err)
			}
			events++
			switch ev.Event {
			case "periodic-event":
				var got tick
				if err := json.Unmarshal(ev.Data, &got); err != nil {
					t.Fatal(err)
				}
				due := began.Add(time.Duration(ticks+1) * time.Second)
				if late := time.Since(due); got.Sequence != ticks || !got.Time.Equal(due) || late < 0 || late > pace {
					t.Fatalf("tick %+v at %v; want sequence %d, made at %v and here within %v", got, time.Now(), ticks, due, pace)
				}
				ticks++
			case "pong":
				pongs++
				// What leaves second at the same instant waits for the next write.
				late := time.Since(began.Add(time.Duration(pongs) * time.Minute))
				if string(ev.Data) != "ding" || late < 0 || late > pace {
					t.Fatalf("pong %q %v after the ping, want ding within %v", ev.Data, late, pace)
				}
			default:
				t.Fatalf("event %+v", ev)
			}
			if ticks == 3600 && pongs == 60 {
				break
			}
		}
		if events != 3660 {
			t.Errorf("%d events, want 3600 ticks and 60 pongs", events)
		}
	})
}

// TestHeartbeatsAndStop keeps a silent stream open for an hour: a heartbeat
// comes exactly every 15 seconds, and the stop reaches the client at once.
func TestHeartbeatsAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, service.Config{MaxAge: handlers.Off})
		connected := make(chan time.Time, 1)
		var beats []time.Time
		var told time.Time
		var reason error
		subscription := client.Subscribe(t.Context(), "http://mem/events",
			func(ev sse.ServerSentEvent[string]) { t.Errorf("event %+v on a silent stream", ev) },
			func(err error) { t.Errorf("error %v", err) },
			func() {},
			client.HTTPClient(s.http),
			client.OnConnect(func(*http.Response) { connected <- time.Now() }),
			client.OnComment(func(text string) {
				if text == "" {
					beats = append(beats, time.Now())
				}
			}),
			client.OnDisconnect(func(err error) { told, reason = time.Now(), err }),
		)
		from := <-connected
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, at := range beats {
			if due := from.Add(time.Duration(i+1) * 15 * time.Second); !at.Equal(due) {
				t.Fatalf("heartbeat %d came at %v, want %v", i, at, due)
			}
		}
		if len(beats) != 240 {
			t.Errorf("%d heartbeats in an hour, want 240", len(beats))
		}
		stopping := time.Now()
		// net/http's Shutdown looks whether its connections are gone after one
		// millisecond and a random tenth of it; the rest takes no time at all.
		if took := s.stop(); took > 1100*time.Microsecond {
			t.Errorf("the service took %v to stop, want 1.1ms at most", took)
		}
		synctest.Wait() // for the client to take in the last words
		if !told.Equal(stopping) || !strings.Contains(fmt.Sprint(reason), "shutdown") {
			t.Errorf("the client was told %q at %v, want the shutdown at %v", reason, told, stopping)
		}
		subscription.Cancel()
		subscription.Wait()
	})
}

// TestEveryRoute reads each of the service's streams in each form.
func TestEveryRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, service.Config{})
		pings, stop := context.WithCancel(t.Context())
		var pinging sync.WaitGroup
		defer pinging.Wait()
		defer stop()
		pinging.Go(func() {
			for pings.Err() == nil {
				time.Sleep(time.Second)
				s.ping(t, "")
			}
		})
		for _, tt := range []struct{ path, event, data string }{
			{"/stream-flux", "", "Flux - "},
			{"/stream-sse", "periodic-event", `"text":"SSE - `},
			{"/stream-sse-mvc", "sse event - mvc", "SSE MVC - "},
			{"/events", "", "pong!"},
		} {
			found := false
			for ev, err := range client.Follow[string](t.Context(), "http://mem"+tt.path+"?take=4", client.HTTPClient(s.http)) {
				if err != nil {
					t.Fatalf("%s: %v", tt.path, err)
				}
				if ev.Event == tt.event && strings.Contains(ev.Data, tt.data) {
					found = true
				}
			}
			if !found {
				t.Errorf("%s: no event %q with %q", tt.path, tt.event, tt.data)
			}
			values, err := client.Once[[]json.RawMessage](t.Context(), "http://mem"+tt.path+"?take=2", client.HTTPClient(s.http), client.Header("Accept", "application/json"))
			if len(values) != 2 || err != nil {
				t.Errorf("%s as JSON: %s, %v; want two values", tt.path, values, err)
			}
			lines, err := client.Once[string](t.Context(), "http://mem"+tt.path+"?take=2", client.HTTPClient(s.http), client.Header("Accept", "application/x-ndjson"))
			if n := strings.Count(lines, "\n"); n < 2 || err != nil {
				t.Errorf("%s as lines: %q, %v; want two and more", tt.path, lines, err)
			}
		}
	})
}

// TestPingReachesEveryPage: one ping, however many pages, and at that instant.
func TestPingReachesEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, service.Config{})
		const pages = 100
		ctx, leave := context.WithCancel(t.Context())
		var reached atomic.Int64
		var reading sync.WaitGroup
		for range pages {
			reading.Go(func() {
				for ev, err := range client.Follow[string](ctx, "http://mem/events", client.HTTPClient(s.http)) {
					if ctx.Err() != nil {
						return
					}
					if ev.Data != "<b>\nhi & bye" || err != nil {
						t.Errorf("event %+v, %v", ev, err)
					}
					reached.Add(1)
				}
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.ping(t, "message=%3Cb%3E%0Ahi+%26+bye")
		synctest.Wait()
		if got := reached.Load(); got != pages {
			t.Errorf("the ping reached %d pages at once, want %d", got, pages)
		}
		leave()
		reading.Wait()
	})
}
