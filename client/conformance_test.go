package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// httpCases is the number of cases about HTTP clients in the shared file (the others of
// kind http are about what browsers do across origins).
const httpCases = 49

// A vector is one case of kind http: what a server answers, and what a client must do.
type vector struct {
	Name    string
	Kind    string
	Applies []string
	Routes  map[string][]vectorAnswer
	Expect  struct {
		Events   []vectorEvent
		Requests []vectorRequest
		Outcome  string // open, failed or reconnects
	}
}

type vectorAnswer struct {
	Status         int
	Headers        [][2]string
	Body           string
	BodyB64        []byte `json:"body_b64"`
	Framing        string // chunked, length, close or none
	DeclaredLength *int   `json:"declared_length"`
	HTTP           string // 1.1 or 1.0
	End            string // finish, hold, reset or cut
}

type vectorEvent struct {
	Type, Data  string
	LastEventID string `json:"lastEventId"`
}

type vectorRequest struct {
	Path, Method string
	LastEventID  *string `json:"last_event_id"`
	Headers      map[string]any
	GapMS        *[2]float64 `json:"gap_ms"`
}

func vectors(t *testing.T) []vector {
	raw, err := os.ReadFile("../sse/testdata/conformance.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []json.RawMessage }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, raw := range file.Vectors {
		var kind struct {
			Kind    string
			Applies []string
		}
		if err := json.Unmarshal(raw, &kind); err != nil {
			t.Fatal(err)
		}
		if kind.Kind != "http" || !slices.Contains(kind.Applies, "client") {
			continue
		}
		var v vector
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		all = append(all, v)
	}
	if len(all) != httpCases {
		t.Fatalf("the file holds %d cases, want %d", len(all), httpCases)
	}
	return all
}

// TestConformance runs every case over real sockets. It waits only until the expected
// has happened. TestConformanceVirtualTime checks that nothing else happens afterwards,
// and nothing too late.
func TestConformance(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &vectorServer{vector: v, base: "http://" + l.Addr().String(), changed: make(chan struct{}, 1)}
			transport := &http.Transport{}
			s.check(t, l, transport, func(done <-chan struct{}) {
				for !s.satisfied() {
					select {
					case <-s.changed:
					case <-done:
						return
					}
				}
			})
			for i, want := range v.Expect.Requests {
				if want.GapMS != nil && s.requests[i].gap < ms(want.GapMS[0]) {
					t.Errorf("request %d came %v after the last answer, want at least %v", i, s.requests[i].gap, ms(want.GapMS[0]))
				}
			}
		})
	}
}

// TestConformanceVirtualTime runs the cases over a network in memory. It checks that
// nothing else happens for a minute, and checks both bounds of each wait.
func TestConformanceVirtualTime(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				s := &vectorServer{vector: v, base: host, changed: make(chan struct{}, 1)}
				transport := &http.Transport{DialContext: n.DialContext}
				s.check(t, n, transport, func(done <-chan struct{}) {
					select {
					case <-time.After(time.Minute):
					case <-done:
					}
				})
				for i, want := range v.Expect.Requests {
					if g := want.GapMS; g != nil && (s.requests[i].gap < ms(g[0]) || s.requests[i].gap > ms(g[1])) {
						t.Errorf("request %d came %v after the last answer, want %v to %v", i, s.requests[i].gap, ms(g[0]), ms(g[1]))
					}
				}
			})
		})
	}
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

// A vectorServer plays the answers of one case, byte for byte.
type vectorServer struct {
	vector
	base    string
	changed chan struct{} // something was seen: check again

	mu       sync.Mutex
	played   map[string]int
	requests []seenRequest
	events   []vectorEvent
	ended    time.Time
}

type seenRequest struct {
	path, method string
	header       http.Header
	gap          time.Duration
}

// check follows the stream of the case while wait runs, and compares what both sides
// saw. wait returns when it has seen enough, or when done is closed because the client
// has given up.
func (s *vectorServer) check(t *testing.T, l net.Listener, transport *http.Transport, wait func(done <-chan struct{})) {
	s.played, s.ended = map[string]int{}, time.Now()
	serving, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.serve(serving, l) })

	c, err := newConfig(t.Context(), s.base+"/", []Option{HTTPClient(&http.Client{Transport: transport}), Strict(),
		Retry(RetryPolicy{Delay: 150 * time.Millisecond, Jitter: Off})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	var end error
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		end = follow(ctx, c, func(ev sse.Event, err error) error {
			if err != nil {
				return err
			}
			s.see(func() {
				s.events = append(s.events, vectorEvent{cmp.Or(ev.Event, "message"), string(ev.Data), ev.LastEventID})
			})
			return nil
		})
	})
	wait(done)
	cancel(errEnough)
	stop()
	l.Close()
	wg.Wait()
	transport.CloseIdleConnections()

	gaveUp := !errors.Is(end, errEnough)
	if s.Expect.Outcome == "failed" != gaveUp {
		t.Errorf("the stream ended with %v, want it %s", end, s.Expect.Outcome)
	}
	if !slices.Equal(s.events, s.Expect.Events) {
		t.Errorf("events %+v, want %+v", s.events, s.Expect.Events)
	}
	if s.Expect.Outcome == "reconnects" {
		s.requests = s.requests[:min(len(s.requests), len(s.Expect.Requests))]
	}
	if len(s.requests) != len(s.Expect.Requests) {
		t.Fatalf("%d requests, want %d", len(s.requests), len(s.Expect.Requests))
	}
	for i, want := range s.Expect.Requests {
		s.requests[i].check(t, i, want)
	}
}

var errEnough = errors.New("seen enough")

func (r seenRequest) check(t *testing.T, i int, want vectorRequest) {
	if method := cmp.Or(want.Method, "GET"); r.method != method {
		t.Errorf("request %d: method %s, want %s", i, r.method, method)
	}
	if r.path != want.Path {
		t.Errorf("request %d: path %s, want %s", i, r.path, want.Path)
	}
	id, has := r.header["Last-Event-Id"]
	if has != (want.LastEventID != nil) || has && id[0] != *want.LastEventID {
		t.Errorf("request %d: Last-Event-ID %q, want %v", i, id, want.LastEventID)
	}
	for key, value := range want.Headers {
		got, has := r.header[http.CanonicalHeaderKey(key)]
		ok := false
		switch value := value.(type) {
		case nil:
			ok = !has
		case string:
			ok = has && got[0] == value
		case []any:
			ok = has && slices.Contains(value, any(got[0]))
		}
		if !ok {
			t.Errorf("request %d: %s %q, want %v", i, key, got, value)
		}
	}
}

// satisfied reports whether everything expected has been seen, except that the client
// has given up, which is checked elsewhere.
func (s *vectorServer) satisfied() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Expect.Outcome != "failed" && len(s.events) >= len(s.Expect.Events) && len(s.requests) >= len(s.Expect.Requests)
}

func (s *vectorServer) see(what func()) {
	s.mu.Lock()
	what()
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// serve accepts connections until l is closed, and closes them when ctx ends.
func (s *vectorServer) serve(ctx context.Context, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			defer conn.Close()
			in := bufio.NewReader(conn)
			for {
				r, err := http.ReadRequest(in)
				if err != nil || !s.answer(ctx, conn, in, r) {
					return
				}
			}
		})
	}
}

// answer sends the next answer to r and reports whether the connection can be reused.
func (s *vectorServer) answer(ctx context.Context, conn net.Conn, in io.Reader, r *http.Request) (again bool) {
	a := vectorAnswer{Status: http.StatusNoContent, Framing: "none"}
	s.see(func() {
		s.requests = append(s.requests, seenRequest{r.URL.RequestURI(), r.Method, r.Header, time.Since(s.ended)})
		route := r.Method + " " + r.URL.Path
		if n := s.played[route]; n < len(s.Routes[route]) {
			a = s.Routes[route][n]
		}
		s.played[route]++
	})
	defer func() {
		s.mu.Lock()
		s.ended = time.Now()
		s.mu.Unlock()
	}()
	conn.Write(a.bytes(s.base))
	switch a.End {
	case "hold":
		io.Copy(io.Discard, in) // until the client leaves
	case "reset":
		select {
		case <-time.After(80 * time.Millisecond):
		case <-ctx.Done():
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	case "cut":
	default:
		return a.Framing != "close" && a.HTTP != "1.0"
	}
	return false
}

// bytes returns the answer as it is sent.
func (a vectorAnswer) bytes(base string) []byte {
	body := a.BodyB64
	if body == nil {
		body = []byte(a.Body)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/%s %d %s\r\n", cmp.Or(a.HTTP, "1.1"), a.Status, http.StatusText(a.Status))
	for _, h := range a.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], strings.ReplaceAll(h[1], "{base}", base))
	}
	switch a.Framing {
	case "", "chunked":
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		if len(body) > 0 {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
		}
		if a.End == "" || a.End == "finish" {
			b.WriteString("0\r\n\r\n")
		}
		return b.Bytes()
	case "length":
		n := len(body)
		if a.DeclaredLength != nil {
			n = *a.DeclaredLength
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n", n)
	case "close":
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
