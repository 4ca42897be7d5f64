package handlers

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/socket"
	"github.com/fluxwire-go/fluxwire/sse"
)

func TestTransport_portable(t *testing.T) {
	s, err := New(Config{Transport: TransportPortable})
	if err != nil || s.fast != nil {
		t.Errorf("a portable server has a fast transport (%v)", err)
	}
}

// A wrapped writer, as of middleware that counts.
type wrappedWriter struct{ http.ResponseWriter }

func (w wrappedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// What cannot be served fast is served by the portable transport, and the log
// says why: at level Warn if the settings ask for the fast one.
func TestTransport_reasonsForPortable(t *testing.T) {
	all := Filter(func(*http.Request) (hub.Filter, error) { return hub.Filter{}, nil })
	for _, tt := range []struct {
		why   string
		query string
		opts  []TopicOption
		wrap  func(http.Handler) http.Handler
		addrs func(net.Addr) bool
	}{
		{why: "the connection is no socket", addrs: func(net.Addr) bool { return false }},
		{why: "the handler has a filter", opts: []TopicOption{all}},
		{why: "the client asks for a number of events", query: "?take=1"},
		{why: "the client speaks HTTP/2.0", wrap: asking(func(r *http.Request) { r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0" })},
		{why: "the connection is encrypted", wrap: asking(func(r *http.Request) { r.TLS = new(tls.ConnectionState) })},
		{why: "the request's context has a deadline", wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
				defer cancel()
				next.ServeHTTP(w, r.WithContext(ctx))
			})
		}},
		{why: "the response writer is wrapped in a handlers.wrappedWriter", wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrappedWriter{w}, r) })
		}},
	} {
		for _, asked := range []Transport{TransportAuto, TransportFast} {
			t.Run(tt.why+"/"+asked.String(), func(t *testing.T) {
				var topic *hub.Topic[string]
				mount := func(s *Server) http.Handler {
					s.cfg.Transport = asked // of which the network in memory is the system's
					var err error
					if topic, err = hub.New[string](hub.Config{}); err != nil {
						t.Fatal(err)
					}
					h := http.Handler(Topic(s, topic, append(tt.opts, Name("s"))...))
					if tt.wrap != nil {
						h = tt.wrap(h)
					}
					return h
				}
				virtual(t, Config{Transport: TransportFast}, mount, func(h *harness) {
					defer topic.Close()
					if tt.addrs != nil {
						h.srv.fast.sockets = tt.addrs
					}
					a := h.peer("/" + tt.query)
					add(t, topic, "x")
					if got := a.took(); len(got) == 0 || short(got[0].text) != "x" {
						t.Errorf("got %q, want the event", got)
					}
					if h.memory.taken != 0 {
						t.Error("the connection was taken over")
					}
					level := "DEBUG"
					if asked == TransportFast {
						level = "WARN"
					}
					if h.log.count(level, "portable transport: "+tt.why, "path=/", "remote=pipe") != 1 {
						t.Errorf("log %q, want one line at %s that says %s", h.log.lines, level, tt.why)
					}
					a.leave()
				})
			})
		}
	}
}

func asking(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			change(r)
			next.ServeHTTP(w, r)
		})
	}
}

// The address tells whether a connection is a socket: a network in memory stays portable,
// and no client has to come again.
func TestTransport_sockets(t *testing.T) {
	if !socket.Supported {
		t.Skip("this system has no fast transport")
	}
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	near.Close()
	far.Close()
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{{&net.TCPAddr{}, true}, {&net.UnixAddr{}, true}, {near.LocalAddr(), false}, {nil, false}} {
		if got := s.fast.sockets(tt.addr); got != tt.want {
			t.Errorf("%T: %t, want %t", tt.addr, got, tt.want)
		}
	}
}

// Other forms than event streams, and other sources than topics, are portable without a
// line in the log.
func TestTransport_neverFast(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.get("/", "Accept", "application/x-ndjson")
		add(h.t, topic, "x")
		if line := a.line(); !strings.Contains(line, `"data":"x"`) {
			t.Errorf("line %q", line)
		}
		if h.memory.taken != 0 {
			t.Error("lines of JSON were taken over")
		}
		a.leave()
	})
}

// The first client of a listener whose connections hide their sockets is asked
// to come again. It and all others are served portably then.
func TestTransport_foreignListener(t *testing.T) {
	run := func(h *harness, topic *hub.Topic[string], bye string, then func(*peer)) {
		a := h.peer("/")
		got := a.took()
		if len(got) != 1 || !strings.Contains(got[0].text, "event: stream.bye\nretry: 2000\n") {
			t.Errorf("the first client got %q, want stream.bye", got)
		}
		if ended, _ := a.over(); !ended {
			t.Error("the first client's stream is still open")
		}
		h.ended("s", map[Reason]uint64{ReasonMaxAge: 1})
		if n := h.log.count("WARN", "portable transport", bye); n != 1 {
			t.Errorf("%d lines say why, want one: %q", n, h.log.lines)
		}
		b := h.peer("/")
		add(h.t, topic, "x")
		b.wants("the next one", "x@0s")
		then(b)
		b.leave()
		if s := h.srv.Stats(); s.Open != 0 || s.Routes["s"].Opened != 2 {
			t.Errorf("%d open, %d opened; want 0, 2", s.Open, s.Routes["s"].Opened)
		}
	}
	transported(t, Config{Transport: TransportFast}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.srv.cfg.Transport = TransportFast
		h.srv.fast.take = func(conn net.Conn) (int, error) { return -1, &socket.ForeignError{Conn: conn} }
		run(h, topic, "gives no access to its descriptor", func(*peer) {
			if n := h.log.count("WARN", "portable transport: the listener's connections"); n != 1 {
				t.Errorf("%d lines say why the next one is served portably, want one: %q", n, h.log.lines)
			}
		})
	})
	// What fails once is no property of the listener's.
	transported(t, Config{Transport: TransportFast}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.srv.cfg.Transport = TransportFast
		h.srv.fast.take = func(net.Conn) (int, error) {
			h.srv.fast.take = h.memory.take
			return -1, syscall.EMFILE
		}
		run(h, topic, "too many open files", func(*peer) {
			if h.memory.taken != 1 {
				t.Error("the next one is not served by the fast transport")
			}
		})
	})
}

// If a shard cannot be started, its streams stay with their handlers.
func TestTransport_noShard(t *testing.T) {
	transported(t, Config{Transport: TransportFast}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.openBy(func() (carry.Sockets, error) { return nil, syscall.EMFILE })
		a := h.peer("/")
		add(h.t, topic, "x")
		a.wants("by the handler", "x@0s")
		if h.log.count("WARN", "no shard could be started") != 1 {
			t.Errorf("log %q", h.log.lines)
		}
		a.leave()
	})
}

// A socket that cannot be watched ends its stream, and no other.
func TestTransport_unwatchableSocket(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.openBy(func() (carry.Sockets, error) {
			set, err := h.memory.open()
			return &unwatched{Sockets: set}, err
		})
		a := h.peer("/")
		b := h.peer("/")
		add(h.t, topic, "x")
		a.wants("the first", "x@0s")
		if ended, _ := b.over(); !ended {
			t.Error("a client whose socket cannot be watched is served")
		}
		a.leave()
		h.ended("s", map[Reason]uint64{ReasonLeft: 1, ReasonError: 1})
	})
}

// unwatched fails to watch any socket but the first.
type unwatched struct {
	carry.Sockets
	added int
}

func (u *unwatched) Add(fd int, token uint64) error {
	if u.added++; u.added > 1 {
		return syscall.ENOSPC
	}
	return u.Sockets.Add(fd, token)
}

// Both transports send the same bytes, except for the end of the body.
func TestTransport_sameBytes(t *testing.T) {
	heads := map[Transport]string{}
	bodies := map[Transport]string{}
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		first := add(h.t, topic, "a")[0]
		at := TransportPortable
		if h.memory != nil {
			at = TransportFast
		}
		a := h.peer("/", "Last-Event-ID", first)
		add(h.t, topic, "b", "c\nd")
		time.Sleep(16 * time.Second)
		topic.Complete()
		<-a.done
		bodies[at] = strings.ReplaceAll(string(a.body), first[strings.IndexByte(first, '.'):], ".x")
		heads[at] = strings.Replace(a.head, "Transfer-Encoding: chunked\r\n", "", 1)
	})
	if heads[TransportPortable] != heads[TransportFast] || bodies[TransportPortable] != bodies[TransportFast] {
		t.Errorf("portable:\n%s\n%s\nfast:\n%s\n%s", heads[TransportPortable], bodies[TransportPortable], heads[TransportFast], bodies[TransportFast])
	}
	n := 0
	for _, err := range sse.NewDecoder(bufio.NewReader(strings.NewReader(bodies[TransportFast]))).Events() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}
