package handlers

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestStats_ages(t *testing.T) {
	virtual(t, Config{MaxAge: Off, Heartbeat: Off}, silent, func(h *harness) {
		for _, age := range []time.Duration{0, time.Second, time.Second + 1, time.Hour, 48 * time.Hour} {
			a := h.get("/")
			a.preamble("s") // at the end of the grace
			time.Sleep(age - h.srv.cfg.Grace)
			a.leave()
			synctest.Wait()
		}
		got := h.srv.Stats().Routes["s"].Ages
		if len(got) != 1 || got[ReasonLeft].Count != 5 {
			t.Fatalf("ages %v, want five of streams that were left, and no others", got)
		}
		// The first could not be left before its head was there.
		if want := h.srv.cfg.Grace + 2*time.Second + 1 + 49*time.Hour; got[ReasonLeft].Sum != want {
			t.Errorf("all were open for %v, want %v", got[ReasonLeft].Sum, want)
		}
		for age, want := range map[time.Duration]uint64{
			time.Second: 2, 10 * time.Second: 3, 50 * time.Minute: 3, 70 * time.Minute: 4, 24 * time.Hour: 4,
		} {
			if n, ok := got[ReasonLeft].UpTo[age]; !ok || n != want {
				t.Errorf("%d were not older than %v (%v), want %d", n, age, ok, want)
			}
		}
	})
}

// A stream without a name or a pattern is counted by its path.
func TestStats_maxRoutes(t *testing.T) {
	virtual(t, Config{}, func(s *Server) http.Handler { return Values(s, streams.Of(1)) }, func(h *harness) {
		for n := range maxRoutes + 10 {
			h.get(fmt.Sprintf("/%d?take=1", n)).rest()
		}
		routes := h.srv.Stats().Routes
		if len(routes) != maxRoutes+1 || routes["/0"].Opened != 1 || routes[others].Opened != 10 {
			t.Errorf("%d routes, %d opened as others; want %d, 10", len(routes), routes[others].Opened, maxRoutes+1)
		}
	})
}
