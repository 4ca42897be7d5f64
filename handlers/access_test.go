package handlers

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestLimits(t *testing.T) {
	bySubject := func(r *http.Request, _ Access) (Grant, error) { return Grant{Subject: r.Header.Get("User")}, nil }
	for _, tt := range []struct {
		name    string
		cfg     Config
		who     string
		refused bool
		status  int // for other forms than an event stream
	}{
		{"one more of a subject", Config{MaxStreamsPerSubject: 3, Authorize: bySubject}, "ann", true, 429},
		{"another subject", Config{MaxStreamsPerSubject: 3, Authorize: bySubject}, "bob", false, 0},
		{"one more in all", Config{MaxStreams: 3, Authorize: bySubject}, "bob", true, 503},
		{"no limits", Config{MaxStreams: Off, MaxStreamsPerSubject: Off, Authorize: bySubject}, "ann", false, 0},
		{"by address without a subject", Config{MaxStreamsPerSubject: 3}, "bob", true, 429},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, tt.cfg, silent, func(h *harness) {
				var open []*reply
				for range 3 {
					a := h.get("/", "User", "ann")
					a.preamble("s")
					open = append(open, a)
				}
				a := h.get("/", "User", tt.who)
				if !tt.refused {
					a.preamble("s")
					a.leave()
				} else {
					// An EventSource gives up for good at any status but 200.
					if got, want := a.rest(), "event: stream.bye\nretry: 2000\ndata: {\"reason\":\"limit\",\"retry\":2000}\n\n"; a.StatusCode != 200 || got != want {
						t.Errorf("%d %q, want 200 %q", a.StatusCode, got, want)
					}
					a := h.get("/?take=1", "User", tt.who, "Accept", "application/json")
					if got := a.Header.Get("Retry-After"); got != "2" {
						t.Errorf("Retry-After %q, want 2", got)
					}
					a.problem(tt.status, "try again")
				}
				for _, a := range open {
					a.leave()
				}
				synctest.Wait()
				a = h.get("/", "User", tt.who) // one less is open
				a.preamble("s")
				a.leave()
				if n := len(h.srv.subjects); n != 0 {
					t.Errorf("%d subjects are remembered without a stream", n)
				}
			})
		})
	}
}

func TestAuthorize(t *testing.T) {
	var asked []Access
	cfg := Config{Authorize: func(r *http.Request, a Access) (Grant, error) {
		asked = append(asked, a)
		switch r.Header.Get("Authorization") {
		case "":
			return Grant{}, &Problem{Status: 401, Detail: "who are you?"}
		case "stale":
			return Grant{Expires: time.Now()}, nil
		}
		return Grant{Subject: "ann", Expires: time.Now().Add(time.Minute)}, nil
	}}
	opened := false
	mount := func(s *Server) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/stream", ValuesFunc(s, func(*http.Request) (streams.Observable[int], error) {
			opened = true
			return streams.Never[int](), nil
		}, Name("s")))
		mux.Handle("/ping", s.Authorized(Access{Route: "s", Action: ActionPublish}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })))
		return mux
	}
	virtual(t, cfg, mount, func(h *harness) {
		h.get("/stream").problem(401, "who are you?")
		h.get("/stream", "Authorization", "stale").problem(401, "expired")
		h.get("/ping").problem(401, "who are you?")
		if opened {
			t.Error("the source was opened for a request that may not have it")
		}
		if got := h.get("/ping", "Authorization", "ok").StatusCode; got != 204 {
			t.Errorf("ping: %d, want 204", got)
		}
		for i, want := range []Access{{"s", ActionSubscribe}, {"s", ActionSubscribe}, {"s", ActionPublish}, {"s", ActionPublish}} {
			if asked[i] != want {
				t.Errorf("request %d asked for %v, want %v", i, asked[i], want)
			}
		}

		start := time.Now()
		a := h.get("/stream", "Authorization", "ok")
		a.preamble("s")
		a.expect(":", "", ":", "", ":", "")
		a.expect("event: stream.bye", "retry: 2000", `data: {"reason":"grant","retry":2000}`, "")
		a.rest()
		if got := time.Since(start); got != time.Minute {
			t.Errorf("the stream was open for %v, want 1m: as long as its grant", got)
		}
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
	})
}

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, tt := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"direct", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"direct, with a header that the client made up", "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"by a trusted proxy", "10.1.1.1:80", []string{"198.51.100.7"}, "198.51.100.7"},
		{"by two", "10.1.1.1:80", []string{"198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"by two, in two lines", "10.1.1.1:80", []string{"198.51.100.7", "10.2.2.2"}, "198.51.100.7"},
		{"what stands before an untrusted hop is hearsay", "10.1.1.1:80", []string{"1.2.3.4, 198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		{"garbage ends the trail", "10.1.1.1:80", []string{"1.2.3.4, nonsense"}, "10.1.1.1"},
		{"no header", "10.1.1.1:80", nil, "10.1.1.1"},
		{"IPv6", "[::1]:80", []string{"2001:db8::1"}, "2001:db8::1"},
		{"an IPv4 address in IPv6", "[::ffff:10.1.1.1]:80", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"no address", "mem", []string{"1.2.3.4"}, "mem"},
	} {
		srv, err := New(Config{TrustedProxies: proxies})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := srv.clientAddr(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestServerDrain(t *testing.T) {
	virtual(t, Config{}, silent, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		h.srv.Drain()
		if !h.srv.Draining() {
			t.Error("Draining = false")
		}
		if got := h.get("/").rest(); !strings.HasPrefix(got, "event: stream.bye\n") {
			t.Errorf("a new client gets %q", got)
		}
		a.expect(":", "") // the open stream continues
		go h.srv.Shutdown(h.t.Context())
		a.expect("event: stream.bye")
		a.rest()
	})
}

func TestFinish(t *testing.T) {
	for _, tt := range []struct {
		name   string
		last   time.Duration // when the source completes
		took   time.Duration
		reason Reason
	}{
		{"it does", 3 * time.Second, 3 * time.Second, ReasonComplete},
		{"it takes too long", 9 * time.Second, 5 * time.Second, ReasonShutdown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := schedule(nil, false, timed[string]{tt.last, "last"})
			virtual(t, Config{Grace: Off}, func(s *Server) http.Handler { return Values(s, source, Name("s"), Finish(5*time.Second)) }, func(h *harness) {
				a := h.get("/")
				start := time.Now()
				done := make(chan error, 1)
				go func() { done <- h.srv.Shutdown(h.t.Context()) }()
				body := a.rest()
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got != tt.took {
					t.Errorf("Shutdown took %v, want %v", got, tt.took)
				}
				if got := strings.Contains(body, "data: last"); got != (tt.reason == ReasonComplete) {
					t.Errorf("body %q", body)
				}
				h.ended("s", map[Reason]uint64{tt.reason: 1})
			})
		})
	}
}
