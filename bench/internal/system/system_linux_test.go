package system

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/event"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
	"github.com/fluxwire-go/fluxwire/bench/internal/tally"
)

// Each system must work: an open client gets each event once and in order, from the
// first one after its head.
func TestEachSystemDelivers(t *testing.T) {
	const conns, events, patience = 20, 30, 20 * time.Second
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			if err := Missing(name); err != nil {
				t.Skip(err)
			}
			sys, err := New(name, Config{Core: -1})
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(sys)
			defer srv.Close()
			addr := strings.TrimPrefix(srv.URL, "http://")
			outside, ok := sys.(Outside)
			if ok {
				addr = outside.Addr()
			}
			l, err := load.New(addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, enveloped := sys.(Enveloped)
			if err := l.Open(load.Group{Name: "g", N: conns, Path: "/events", Next: 1, Enveloped: enveloped}, patience); err != nil {
				t.Fatal(err)
			}
			var buf []byte
			for seq := range uint64(events) {
				buf = event.Append(buf[:0], seq+1, time.Now().UnixNano(), 100) // the same bytes each time
				if err := sys.Publish(t.Context(), seq+1, buf); err != nil {
					t.Fatal(err)
				}
			}
			if ok, err := l.Settle(events, patience); !ok || err != nil {
				t.Errorf("Settle() = %v, %v", ok, err)
			}
			got, want := l.Report(events)["g"], tally.Counts{Events: conns * events}
			if got.Counts != want || got.Failed+got.Broken != 0 || got.Malformed != 0 {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if outside != nil {
				if u, err := outside.Usage(); err != nil || u.CPU <= 0 || u.RSS < 1<<20 {
					t.Errorf("Usage() = %+v, %v of a system that has just delivered", u, err)
				}
			}
			if err := sys.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
		})
	}
}

func TestNew_unknownTransport(t *testing.T) {
	for _, cfg := range []Config{{Transport: "nosuch"}, {Transport: "quick"}} {
		if _, err := New("fluxwire", cfg); err == nil {
			t.Errorf("New(%+v) = nil error: something else would be measured", cfg)
		}
	}
}
