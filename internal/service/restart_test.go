package service_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A host is an address in memory at which one service after the other listens.
type host struct {
	mu    sync.Mutex
	ln    *memnet.Listener // of the service that listens now
	conns []net.Conn       // the clients' ends of the connections to it
}

// dial connects to the service that listens now.
func (h *host) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conn, err := h.ln.Dial(ctx)
	if err == nil {
		h.conns = append(h.conns, conn)
	}
	return conn, err
}

// cut cuts every connection, as a network does that fails: neither end is told why.
func (h *host) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, conn := range h.conns {
		conn.Close()
	}
	h.conns = nil
}

// serve has a new service listen, until stop is called or t ends.
func (h *host) serve(t *testing.T) (stop func()) {
	t.Helper()
	s, err := service.New(service.Config{Logger: slog.New(slog.DiscardHandler), MaxAge: handlers.Off, Transport: handlers.TransportPortable})
	if err != nil {
		t.Fatal(err)
	}
	ln := memnet.Listen()
	h.mu.Lock()
	h.ln = ln
	h.mu.Unlock()
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
	return stop
}

// A follower has counted what a client of /stream-sse got.
type follower struct {
	connections int
	gaps        []sse.Gap
	ids         []string
	before      int      // events that came before the first gap
	pongs       []string // their data
}

// follow follows /stream-sse until the function it returns is called, which tells
// what has come.
func (h *host) follow(t *testing.T) (stop func() *follower) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{DialContext: h.dial}
	f := &follower{}
	var following sync.WaitGroup
	following.Go(func() {
		for ev, err := range client.Follow[[]byte](ctx, servicetest.MemURL+"/stream-sse",
			client.HTTPClient(&http.Client{Transport: transport}),
			client.OnConnect(func(*http.Response) { f.connections++ }),
			client.OnGap(func(g sse.Gap) {
				if len(f.gaps) == 0 {
					f.before = len(f.ids)
				}
				f.gaps = append(f.gaps, g)
			}),
		) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("Follow: %v", err)
				}
				return
			}
			f.ids = append(f.ids, ev.ID)
			if ev.Event == "pong" {
				f.pongs = append(f.pongs, string(ev.Data))
			}
		}
	})
	return func() *follower {
		cancel()
		following.Wait()
		transport.CloseIdleConnections()
		return f
	}
}

func (h *host) ping(t *testing.T, message string) {
	t.Helper()
	transport := &http.Transport{DialContext: h.dial}
	defer transport.CloseIdleConnections()
	testkit.Ping(t, &http.Client{Transport: transport}, servicetest.MemURL, message)
}

// consecutive checks that ids are those of one incarnation of the topic, from number
// first on, each once.
func consecutive(t *testing.T, ids []string, first int) (stamp string) {
	t.Helper()
	for i, id := range ids {
		number, s, _ := strings.Cut(id, ".")
		if i == 0 {
			stamp = s
		}
		if number != strconv.Itoa(first+i) || s != stamp {
			t.Fatalf("the ids are %q; want each number from %d on once, with one stamp", ids, first)
		}
	}
	return stamp
}

// A client loses its connection three times, once before the first event. It comes back
// and misses nothing, not even what happened while it was away.
func TestResume_lostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h host
		stop := h.serve(t)
		began := time.Now()
		following := h.follow(t)
		time.Sleep(100 * time.Millisecond) // the stream is open, and the first tick is due in 900 ms
		h.cut()
		time.Sleep(10 * time.Second)
		h.ping(t, "there")
		h.cut()
		h.ping(t, "away")
		time.Sleep(10 * time.Second)
		h.cut()
		time.Sleep(10 * time.Second)
		f := following()
		lived := int(time.Since(began) / time.Second)
		stop()

		if f.connections != 4 || len(f.gaps) != 0 {
			t.Errorf("%d connections, gaps %+v; want 4, none", f.connections, f.gaps)
		}
		consecutive(t, f.ids, 1)
		if got, want := len(f.ids), lived+2; got != want {
			t.Errorf("%d events, want %d: a tick each second and two pongs", got, want)
		}
		if got := strings.Join(f.pongs, " "); got != "there away" {
			t.Errorf("pongs %q, want there and away", got)
		}
	})
}

// The service is started again. The client comes back by itself, is told once that
// events are missing, and gets all events of the new service.
func TestResume_restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h host
		stop := h.serve(t)
		following := h.follow(t)
		time.Sleep(5500 * time.Millisecond)
		stop()
		time.Sleep(5 * time.Second)

		stop = h.serve(t)
		h.ping(t, "early")
		time.Sleep(30500 * time.Millisecond)
		h.cut() // a gap is told once, not again after another cut
		time.Sleep(10 * time.Second)
		f := following()
		stop()

		if f.connections != 3 {
			t.Errorf("%d connections, want 3", f.connections)
		}
		if len(f.gaps) != 1 || f.gaps[0].Reason != "restart" || f.gaps[0].Missed != nil || f.before != 5 {
			t.Fatalf("gaps %+v after %d events; want one of an unknown size, restart, after 5", f.gaps, f.before)
		}
		if last := f.ids[f.before-1]; f.gaps[0].From != last {
			t.Errorf("the gap is from %q on, want %q, the last event before", f.gaps[0].From, last)
		}
		old, again := consecutive(t, f.ids[:f.before], 1), consecutive(t, f.ids[f.before:], 1)
		if old == again {
			t.Errorf("both lives have the stamp %s", old)
		}
		if got, want := len(f.ids)-f.before, 1+40; got != want {
			t.Errorf("%d events of the new service, want %d: one pong and a tick each second", got, want)
		}
	})
}
