package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// A Transport is how the bytes of a topic's event streams get to their clients.
//
// The portable transport keeps the handler's goroutine for as long as the stream
// is open, and writes through net/http: it works everywhere.
//
// The fast transport takes the connection away from net/http once the stream's
// head and all that is replayed have been written. What is left of an open stream is
// a socket and a position, a few hundred bytes; a few goroutines write to all of
// them, as many events at once as are pending. It does one thing: event streams
// of a [Topic] without a filter and without take, over HTTP/1.x in plain TCP (or
// Unix sockets), on Linux, where nothing wraps net/http's response writer but
// Echo's own (use package echov4). Clients cannot tell the two apart.
//
// Where a stream goes on without its handler, the handler returns early, and so do
// the middleware around it and the request's context; [net/http.Server] forgets the
// connection, so that only [Server.Shutdown] ends it. What counts streams at their
// end is [Stats], and the log.
type Transport int

const (
	// Auto uses the fast transport where it can be used.
	Auto Transport = iota
	// Portable never does.
	Portable
	// Fast is Auto, but [New] fails where the system has no fast transport, and
	// why a topic's event stream cannot use it is logged at level Warn in place of Debug.
	Fast
)

// ErrNoFast is returned by [New] where [Config] asks for Fast, and the system has
// no fast transport.
var ErrNoFast = errors.New("handlers: config: Transport: this system has no fast transport: choose Auto or Portable")

var transports = [...]string{"auto", "portable", "fast"}

// String returns the transport's name in lower case.
func (t Transport) String() string {
	if t < 0 || int(t) >= len(transports) {
		return "unknown"
	}
	return transports[t]
}

// MarshalText returns the transport's name.
func (t Transport) MarshalText() ([]byte, error) {
	if t < 0 || int(t) >= len(transports) {
		return nil, fmt.Errorf("handlers: transport: %d is none", int(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads a transport's name.
func (t *Transport) UnmarshalText(text []byte) error {
	for i, name := range transports {
		if string(text) == name {
			*t = Transport(i)
			return nil
		}
	}
	return fmt.Errorf("handlers: transport: %q is none: write auto, portable or fast", text)
}

// A fast is the fast transport of a [Server]: what takes connections over, and
// the shards that serve them.
type fast struct {
	// sockets reports whether connections to addr are the system's sockets.
	sockets func(addr net.Addr) bool
	take    func(net.Conn) (fd int, err error) // closes it
	copy    func(net.Conn) (fd int, err error) // leaves that to net/http; nil if it cannot

	shards []*shard
	turn   atomic.Uint32

	// foreign holds the addresses of listeners whose connections cannot be taken, if
	// there are any.
	anyForeign atomic.Bool
	foreign    sync.Map
}

// What the kernel holds for a client that does not read, beside what is on its
// way, and how long it waits for one that does not answer.
const (
	maxUnsent    = 128 << 10
	leastAnswers = 30 * time.Second
)

// newFast returns the server's fast transport, or nil if it is to have none.
func newFast(s *Server) (*fast, error) {
	switch {
	case s.cfg.Transport == Portable:
		return nil, nil
	case !socket.Supported && s.cfg.Transport == Fast:
		return nil, ErrNoFast
	case !socket.Supported:
		return nil, nil
	}
	limits := socket.Limits{
		Unsent:      maxUnsent,
		UserTimeout: int(max(leastAnswers, 3*s.cfg.WriteTimeout).Milliseconds()),
	}
	take := func(conn net.Conn) (int, error) { return socket.Take(conn, limits) }
	known := func(addr net.Addr) bool {
		switch addr.(type) {
		case *net.TCPAddr, *net.UnixAddr:
			return true
		}
		return false
	}
	f := makeFast(s, known, take, openKernel)
	f.copy = func(conn net.Conn) (int, error) { return socket.Copy(conn, limits) }
	return f, nil
}

func makeFast(s *Server, known func(net.Addr) bool, take func(net.Conn) (int, error), open func() (sockets, error)) *fast {
	f := &fast{sockets: known, take: take}
	for range runtime.GOMAXPROCS(0) {
		f.shards = append(f.shards, newShard(s, open))
	}
	return f
}

// wait waits for the shards to come to rest, which they do when their last
// connection has ended.
func (f *fast) wait() {
	if f == nil {
		return
	}
	for _, s := range f.shards {
		s.running.Wait()
	}
}

// lags adds how far the streams furthest behind are.
func (f *fast) lags(lags map[*route]uint64) {
	if f == nil {
		return
	}
	for _, s := range f.shards {
		s.lags(lags)
	}
}

// lane returns the shard for a stream, or nil if it is to stay with its handler.
// w is the response writer, without a framework's own.
func (h *Handler) lane(w http.ResponseWriter, r *http.Request, st *stream, take int) *shard {
	f := h.srv.fast
	if f == nil || h.feed == nil || st.format != answer.EventStream {
		return nil
	}
	if why := h.unfit(w, r, take); why != "" {
		h.srv.slow(r, why)
		return nil
	}
	return f.shards[int(f.turn.Add(1))%len(f.shards)]
}

// unfit says why a topic's event stream has to stay with its handler, or "".
func (h *Handler) unfit(w http.ResponseWriter, r *http.Request, take int) string {
	if h.filter != nil {
		return "the handler has a filter"
	}
	if take > 0 {
		return "the client asks for a number of events"
	}
	if r.ProtoMajor != 1 {
		return "the client speaks " + r.Proto
	}
	if r.TLS != nil {
		return "the connection is encrypted"
	}
	if _, limited := r.Context().Deadline(); limited {
		return "the request's context has a deadline"
	}
	if name := reflect.TypeOf(w).String(); name != "*http.response" {
		return "the response writer is wrapped in a " + name
	}
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !h.srv.fast.sockets(addr) {
		return "the connection is no socket"
	}
	if h.srv.fast.isForeign(r) {
		return "the listener's connections give no access to their sockets"
	}
	return ""
}

func (f *fast) isForeign(r *http.Request) bool {
	if !f.anyForeign.Load() {
		return false
	}
	_, foreign := f.foreign.Load(listenerOf(r))
	return foreign
}

// listenerOf is the address of the listener that r came in by.
func listenerOf(r *http.Request) string {
	addr := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr.Network() + " " + addr.String()
}

// slow logs why a stream uses the portable transport.
func (s *Server) slow(r *http.Request, why string) {
	level := slog.LevelDebug
	if s.cfg.Transport == Fast {
		level = slog.LevelWarn
	}
	s.cfg.Logger.LogAttrs(context.Background(), level, "handlers: portable transport: "+why,
		slog.String("path", r.URL.Path), slog.String("remote", r.RemoteAddr))
}

// errSettled is what a topic's source returns when its client has got all there
// is: from then on a shard can serve it.
var errSettled = errors.New("handlers: the client is at the end of the topic")

// settle reports whether the stream can be left to its lane, now that its client
// has got all there is. The lane is ready for it then.
func (w *wire) settle(ctx context.Context) bool {
	if w.lane == nil || ctx.Err() != nil {
		return false
	}
	place, ok := w.st.cursor.Place()
	if !ok {
		return false
	}
	if err := w.lane.expect(); err != nil {
		w.st.srv.cfg.Logger.Warn("handlers: portable transport: no shard could be started", "error", err)
		w.lane = nil
		return false
	}
	w.settled = place
	return true
}

// handOver leaves the stream to its lane. The wire is closed, and has written all
// that there was to write, but perhaps not the head. It returns false if the
// stream is still with its handler, and to end with err.
func (h *Handler) handOver(wr *wire, r *http.Request, expires time.Time) (handed bool, err error) {
	if wr.err == nil && !wr.started {
		wr.put(wr.preamble(make([]byte, 0, 128)), h.srv.cfg.WriteTimeout)
	}
	if wr.err != nil {
		wr.lane.forget()
		return false, wr.err
	}
	fd, say, err := h.srv.fast.takeOver(wr, r)
	if say == nil {
		wr.lane.forget()
		return false, err
	}
	if err != nil {
		// There may be no way back to net/http: the client is asked to come again, and
		// finds the portable transport then.
		if _, foreign := errors.AsType[*socket.ForeignError](err); foreign {
			h.srv.fast.foreign.Store(listenerOf(r), nil)
			h.srv.fast.anyForeign.Store(true)
		}
		h.srv.slow(r, err.Error())
		say(wr.st.lastWord(Expired, nil).append(nil, answer.EventStream))
		wr.lane.forget()
		wr.st.end(Expired, err)
		return true, nil
	}
	wr.st.moveTo(wr.lane, h, wr.settled, fd, expires)
	return true, nil
}

// takeOver returns the descriptor of r's connection. At an error, say has the client
// told something, and the connection ended; if it is nil, all is as it was.
//
// Where [ConnContext] has left the connection, net/http keeps its end until the
// handler returns: then it closes a descriptor of which there is another, and uses its
// buffers again, which a hijacked connection takes with it.
func (f *fast) takeOver(wr *wire, r *http.Request) (fd int, say func([]byte), err error) {
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok && f.copy != nil {
		fd, err = f.copy(conn)
		return fd, func(b []byte) { wr.put(b, farewell) }, err
	}
	conn, _, err := wr.control.Hijack()
	if err != nil {
		return -1, nil, fmt.Errorf("handlers: hijack: %w", err)
	}
	fd, err = f.take(conn)
	return fd, func(b []byte) {
		conn.SetWriteDeadline(time.Now().Add(farewell))
		conn.Write(b)
		conn.Close()
	}, err
}

// ConnContext is for the field of this name of a [net/http.Server] that serves
// streams by the fast transport. It saves a tenth of what it takes to open one, and is
// not needed otherwise:
//
//	server := &http.Server{Handler: mux, ConnContext: handlers.ConnContext}
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

type connKey struct{}
