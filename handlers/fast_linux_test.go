//go:build !386 && !s390x

package handlers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"github.com/fluxwire-go/fluxwire/sse"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/hub"
)

// A service is a topic behind a server on a socket of the system's.
type service struct {
	t     *testing.T
	srv   *Server
	topic *hub.Topic[string]
	addr  string
}

// both are the ways for the fast transport to get at a connection: by hijacking it,
// and, if the Transport is Fast, by way of [ConnContext].
var both = []Transport{TransportAuto, TransportFast}

// serving serves a topic as mount says, until the test ends.
func serving(t *testing.T, cfg Config, topic hub.Config, mount func(*Handler) http.Handler, opts ...TopicOption) *service {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.MaxStreamsPerSubject = Off
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tp, err := hub.New[string](topic)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mount(Topic(srv, tp, append(opts, Name("s"))...))}
	if cfg.Transport == TransportFast {
		server.ConnContext = ConnContext
	}
	var work sync.WaitGroup
	work.Go(func() { server.Serve(ln) })
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		server.Close()
		work.Wait()
		tp.Close()
	})
	return &service{t, srv, tp, ln.Addr().String()}
}

func bare(h *Handler) http.Handler { return h }

// wrapped serves h with a response writer that wrap has wrapped.
func wrapped(wrap func(http.ResponseWriter) http.ResponseWriter) func(*Handler) http.Handler {
	return func(h *Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrap(w), r) })
	}
}

// dial opens a stream, and reads its head and preamble.
func (s *service) dial(request string) (*net.TCPConn, *bufio.Reader) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) // for a test that would hang
	io.WriteString(conn, request+"\r\nHost: x\r\n\r\n")
	in := bufio.NewReader(conn)
	for blank := 0; blank < 4; { // the head's end, and those of the preamble's blocks
		line, err := in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.TrimSpace(line) == "" {
			blank++
		}
	}
	return conn.(*net.TCPConn), in
}

// carried is how many streams the shards serve.
func (s *service) carried() (n int) {
	for _, shard := range s.srv.fast.shards {
		n += shard.Inspect().Conns
	}
	return n
}

// comes waits until what is asked has come true.
func comes(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// A fast stream has no goroutine: behind net/http alone, and behind a framework whose
// response writer only counts.
func TestFast_noGoroutinePerStream(t *testing.T) {
	const streams = 100
	for _, tt := range []struct {
		name  string
		mount func(*Handler) http.Handler
		fast  bool
	}{
		{"net/http", bare, true},
		{"a framework's writer", wrapped(func(w http.ResponseWriter) http.ResponseWriter { return answer.Through(wrappedWriter{w}, w) }), true},
		{"a writer of somebody's", wrapped(func(w http.ResponseWriter) http.ResponseWriter { return wrappedWriter{w} }), false},
	} {
		for _, transport := range both {
			t.Run(fmt.Sprintf("%s, %v", tt.name, transport), func(t *testing.T) {
				s := serving(t, Config{Transport: transport}, hub.Config{}, tt.mount)
				before := runtime.NumGoroutine()
				var readers []*bufio.Reader
				for i := range streams {
					_, in := s.dial([]string{"GET / HTTP/1.1", "GET / HTTP/1.0"}[i%2])
					readers = append(readers, in)
				}
				if tt.fast {
					comes(t, "all streams at their shards, without a goroutine for each", func() bool {
						return s.carried() == streams && runtime.NumGoroutine()-before < streams/4
					})
				} else if n := s.carried(); n != 0 {
					t.Errorf("the shards serve %d streams, want none", n)
				}
				add(t, s.topic, "x")
				s.topic.Complete()
				for i, in := range readers {
					body, err := io.ReadAll(in)
					if err != nil || !strings.Contains(string(body), "data: x\n\n") || !strings.Contains(string(body), "event: stream.complete\n") {
						t.Fatalf("stream %d: %q, %v", i, body, err)
					}
				}
				comes(t, "all streams ended", func() bool { return s.srv.Stats().Routes["s"].Ended[ReasonComplete] == streams })
			})
		}
	}
}

// The server notices at once, and without a write, that a client has left.
func TestFast_clientLeaves(t *testing.T) {
	for _, transport := range both {
		t.Run(transport.String(), func(t *testing.T) { leaving(t, transport) })
	}
}

func leaving(t *testing.T, transport Transport) {
	s := serving(t, Config{Transport: transport, Heartbeat: Off}, hub.Config{}, bare)
	for name, leave := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half closed behind words": func(c *net.TCPConn) {
			io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
			c.CloseWrite()
		},
	} {
		before := s.srv.Stats().Routes["s"].Ended[ReasonLeft]
		stays, _ := s.dial("GET / HTTP/1.1")
		conn, in := s.dial("GET / HTTP/1.1")
		comes(t, "both served", func() bool { return s.carried() == 2 })
		leave(conn)
		comes(t, "the end of one "+name, func() bool { return s.srv.Stats().Routes["s"].Ended[ReasonLeft] == before+1 })
		if strings.HasPrefix(name, "half") {
			if rest, err := io.ReadAll(in); len(rest) != 0 || err != nil {
				t.Errorf("the client that %s reads %q, %v; want the end", name, rest, err)
			}
		}
		stays.Close()
		comes(t, "the end of the other one", func() bool { return s.carried() == 0 })
	}
}

// If there is no descriptor left to take a connection over, the client gets stream.bye,
// and the portable transport when it comes again.
func TestFast_outOfDescriptors(t *testing.T) {
	s := serving(t, Config{Transport: TransportFast}, hub.Config{}, bare)
	s.srv.fast.copy = func(net.Conn) (int, error) { return -1, syscall.EMFILE }
	_, in := s.dial("GET / HTTP/1.1")
	if body, err := io.ReadAll(in); err != nil || !strings.Contains(string(body), "event: stream.bye\n") {
		t.Errorf("the client reads %q, %v; want a goodbye, and the end", body, err)
	}
	comes(t, "its end counted", func() bool { return s.srv.Stats().Routes["s"].Ended[ReasonMaxAge] == 1 })
	if n := s.carried(); n != 0 {
		t.Errorf("the shards serve %d streams, want none", n)
	}
}

// A client whose socket is full gets more as it reads, and is cut by a reset if it does
// not read.
func TestFast_fullSockets(t *testing.T) {
	const events, size = 200, 100 << 10
	s := serving(t, Config{Transport: TransportFast, WriteTimeout: 20 * time.Second}, hub.Config{Bytes: 64 << 20}, bare)
	conn, in := s.dial("GET / HTTP/1.0")
	comes(t, "it is served", func() bool { return s.carried() == 1 })
	want := 0
	for i := range events {
		fmt.Sscanf(add(t, s.topic, fmt.Sprintf("%0*d", size, i))[0], "%d", &want)
	}
	comes(t, "it is full", func() bool { return s.srv.Stats().Routes["s"].Lag > 10 })
	for i := range events {
		for _, prefix := range []string{"id: ", "data: ", "\n"} {
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, prefix) || prefix == "data: " && line != fmt.Sprintf("data: %0*d\n", size, i) {
				t.Fatalf("event %d: a line of %d bytes, %v", i, len(line), err)
			}
		}
	}
	comes(t, "it has it all", func() bool { return s.srv.Stats().Routes["s"].Lag == 0 })
	conn.Close()

	s = serving(t, Config{Transport: TransportFast, WriteTimeout: 300 * time.Millisecond}, hub.Config{Bytes: 64 << 20}, bare)
	_, in = s.dial("GET / HTTP/1.0")
	comes(t, "it is served", func() bool { return s.carried() == 1 })
	for i := range events {
		add(t, s.topic, fmt.Sprintf("%0*d", size, i))
	}
	comes(t, "it is given up", func() bool { return s.srv.Stats().Routes["s"].Ended[ReasonStalled] == 1 })
	if _, err := io.Copy(io.Discard, in); err == nil {
		t.Error("a stream that was cut looks whole")
	}
}

// Clients come, go, stall, reset and half-close their connections in every way
// for some seconds, or for as long as FLUXWIRE_TEST_SOAK says, and all that twice. Each
// gets every event once, or is told how many it missed. No descriptor, no goroutine and no
// memory is left.
func TestFast_soak(t *testing.T) {
	const seats = 60
	length := 3 * time.Second
	if v := os.Getenv("FLUXWIRE_TEST_SOAK"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal("FLUXWIRE_TEST_SOAK: ", err)
		}
	}
	seed := seedOf(t)
	defer func() {
		if t.Failed() {
			t.Logf("FLUXWIRE_TEST_SEED=%d", seed)
		}
	}()
	goroutines, files, memory := runtime.NumGoroutine(), descriptors(t), heap()
	for _, transport := range both {
		t.Run(transport.String(), func(t *testing.T) { soak(t, transport, seed, seats, length) })
	}
	comes(t, "all descriptors closed", func() bool { return descriptors(t) <= files })
	comes(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	if grown := heap() - memory; grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func soak(t *testing.T, transport Transport, seed uint64, seats int, length time.Duration) {
	cfg := Config{Transport: transport, Heartbeat: 100 * time.Millisecond, WriteTimeout: 300 * time.Millisecond, MaxAge: time.Second}
	s := serving(t, cfg, hub.Config{Events: 2000, Bytes: 1 << 20}, bare)
	var over atomic.Bool
	var published atomic.Uint64
	var publishing, work sync.WaitGroup
	publishing.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 1))
		for start := time.Now(); time.Since(start) < length; {
			n := 1
			if rng.IntN(20) == 0 {
				n = rng.IntN(3000)
			}
			for range n {
				add(t, s.topic, payload(published.Add(1)))
			}
			time.Sleep(time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond)))
		}
	})
	var mu sync.Mutex
	var total ledger
	connections, most := 0, 0
	for seat := range seats {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(2+seat)))
			l := new(ledger)
			for !l.complete {
				conn, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				tcp := conn.(*net.TCPConn)
				if rng.IntN(3) == 0 {
					tcp.SetReadBuffer(128 << 10)
				}
				conn.SetDeadline(time.Now().Add(time.Minute))
				if !over.Load() {
					conn.SetReadDeadline(time.Now().Add(time.Duration(rng.ExpFloat64() * float64(500*time.Millisecond))))
				}
				in, err := l.head(conn, "/")
				if err == nil {
					ended, wrong := l.read(in, func() {
						if !over.Load() && rng.IntN(3000) == 0 {
							time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
						}
					})
					if wrong != nil {
						t.Error(wrong)
						conn.Close()
						return
					}
					if errors.Is(ended, os.ErrDeadlineExceeded) { // it has had enough
						switch rng.IntN(3) {
						case 0:
							tcp.SetLinger(0)
						case 1:
							conn.SetReadDeadline(time.Now().Add(time.Minute))
							if tcp.CloseWrite() == nil {
								// There is an end, whole or not; a cut event comes again.
								if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
									t.Error("a half-closed connection is not closed")
								}
							}
						}
					}
				}
				conn.Close()
				mu.Lock()
				connections++
				most = max(most, s.srv.Stats().Open)
				mu.Unlock()
			}
			if l.id != "" && l.last != published.Load() {
				t.Errorf("a client ends with event %d of %d", l.last, published.Load())
			}
			mu.Lock()
			total.events += l.events
			total.missed += l.missed
			total.gaps += l.gaps
			total.beats += l.beats
			mu.Unlock()
		})
	}
	publishing.Wait()
	over.Store(true)
	s.topic.Complete()
	work.Wait()
	if err := s.srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	stats := s.srv.Stats().Routes["s"]
	ended := uint64(0)
	for _, n := range stats.Ended {
		ended += n
	}
	t.Logf("%d connections, %d at once, %d events published, %d received, %d missed in %d gaps, %d heartbeats; ended: %v",
		connections, most, published.Load(), total.events, total.missed, total.gaps, total.beats, stats.Ended)
	if ended != stats.Opened || stats.Open != 0 {
		t.Errorf("%d streams opened, %d ended", stats.Opened, ended)
	}
	for _, r := range []Reason{ReasonLeft, ReasonMaxAge, ReasonComplete} {
		if stats.Ended[r] == 0 {
			t.Errorf("no stream has ended by %s: nothing is shown of it", r)
		}
	}
}

// A client that reads slowly, but all the time, makes progress: the kernel must not hide
// that from the portable transport.
func TestSlowClient_portable(t *testing.T) {
	srv, err := New(Config{Transport: TransportPortable, WriteTimeout: time.Second, MaxEvent: 16 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := hub.New[string](hub.Config{MaxEvent: 16 << 20, Bytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	server := httptest.NewUnstartedServer(Topic(srv, topic, Name("s")))
	server.Config.ConnContext = ConnContext
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
	in := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, "id: "); {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: strings.Repeat("x", 15<<20)}); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 20<<10)
	for range 30 { // three seconds, at some 200 kB a second
		if _, err := io.ReadFull(in, part); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := srv.Stats().Routes["s"]; got.Open != 1 {
		t.Errorf("the stream of a client that reads has ended: %v", got.Ended)
	}
}
