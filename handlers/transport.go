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
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// A Transport carries the bytes of a topic's event streams to their clients.
//
// The portable transport needs the handler's goroutine for as long as the stream
// is open, and writes through net/http. It works everywhere.
//
// The fast transport takes the connection away from net/http once the head of the
// stream and all that is replayed have been written. From then on an open stream is
// a socket and a position, a few hundred bytes. A few goroutines write to all of them, all
// pending events in one call. It carries event streams of a [Topic] without a filter and
// without take, over HTTP/1.x in plain TCP or over Unix sockets, on Linux. Nothing may wrap
// the response writer of net/http but Echo's own (use package echov4). Clients cannot
// tell the two transports apart.
//
// When the fast transport has taken a connection, the handler returns, and so do the
// middleware around it; the request's context ends. [net/http.Server] no longer knows
// the connection, so that only [Server.Shutdown] ends it. [Stats] and the log count the
// stream when it ends.
type Transport int

const (
	// TransportAuto uses the fast transport where it can be used.
	TransportAuto Transport = iota
	// TransportPortable never does.
	TransportPortable
	// TransportFast is TransportAuto, but [New] fails where the system has no fast
	// transport, and why a topic's event stream cannot use it is logged at level Warn
	// instead of Debug.
	TransportFast
)

// ErrNoFast is returned by [New] if [Config] asks for [TransportFast], and the system
// has no fast transport.
var ErrNoFast = errors.New("handlers: config: Transport: this system has no fast transport: choose auto or portable")

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
		return nil, fmt.Errorf("handlers: unknown transport %d", int(t))
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
	return fmt.Errorf("handlers: unknown transport %q (want auto, portable or fast)", text)
}

// A fast is the fast transport of a [Server]: functions that take connections over, and
// the shards that serve them.
type fast struct {
	// sockets reports whether connections to addr are the system's sockets.
	sockets func(addr net.Addr) bool
	take    func(net.Conn) (fd int, err error) // closes it
	copy    func(net.Conn) (fd int, err error) // leaves that to net/http; nil if impossible

	shards []*carry.Shard
	turn   atomic.Uint32

	// foreign holds the addresses of listeners whose connections cannot be taken over.
	// anyForeign is set if there are some.
	anyForeign atomic.Bool
	foreign    sync.Map
}

// maxUnsent is how many bytes the kernel holds for a client that does not read, beside
// those in flight. leastAnswers is how long it waits at least for a client that does
// not answer.
const (
	maxUnsent    = 128 << 10
	leastAnswers = 30 * time.Second
)

// newFast returns the server's fast transport, or nil if it is disabled.
func newFast(s *Server) (*fast, error) {
	switch {
	case s.cfg.Transport == TransportPortable:
		return nil, nil
	case !socket.Supported && s.cfg.Transport == TransportFast:
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
	f := makeFast(s, known, take, carry.OpenKernel)
	f.copy = func(conn net.Conn) (int, error) { return socket.Copy(conn, limits) }
	return f, nil
}

func makeFast(s *Server, known func(net.Addr) bool, take func(net.Conn) (int, error), open func() (carry.Sockets, error)) *fast {
	f := &fast{sockets: known, take: take}
	for range runtime.GOMAXPROCS(0) {
		f.shards = append(f.shards, carry.NewShard(s.cfg.Logger, s.base, s.cfg.Pace, open))
	}
	return f
}

// wait waits until the shards have stopped, which they do when their last connection
// has ended.
func (f *fast) wait() {
	if f == nil {
		return
	}
	for _, s := range f.shards {
		s.Wait()
	}
}

// lags adds to lags, for each route, the lag of the stream furthest behind.
func (f *fast) lags(lags map[*carry.Route]uint64) {
	if f == nil {
		return
	}
	for _, s := range f.shards {
		s.Lags(lags)
	}
}

// A lane is the way of one stream from its handler to the shard that may carry it.
type lane struct {
	srv   *Server
	shard *carry.Shard // nil: the stream stays with its handler
	spot  reading.Spot // where the shard resumes
}

// lane returns the lane of the stream.
func (x *exchange) lane() *lane {
	l := &lane{srv: x.srv}
	fast := x.srv.fast
	if fast == nil || x.source.cursor == nil || x.format != answer.EventStream {
		return l
	}
	if why := x.unfit(); why != "" {
		x.srv.slow(x.r, why)
		return l
	}
	l.shard = fast.shards[fast.turn.Add(1)%uint32(len(fast.shards))]
	return l
}

// expects reports whether the shard can carry the stream now, because its client has
// everything there is. The shard is ready for it then.
func (l *lane) expects(cursor *hub.Cursor) bool {
	if l.shard == nil {
		return false
	}
	spot, ok := reading.Hub.Spot(cursor)
	if !ok {
		return false
	}
	l.spot = spot
	if err := l.shard.Expect(); err != nil {
		l.srv.cfg.Logger.Warn("handlers: portable transport: no shard could be started", "error", err)
		l.shard = nil
		return false
	}
	return true
}

// unfit returns the reason why a topic's event stream must stay with its handler, or
// "".
func (x *exchange) unfit() string {
	r, fast := x.r, x.srv.fast
	if x.filter != nil {
		return "the handler has a filter"
	}
	if x.take > 0 {
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
	if name := reflect.TypeOf(answer.Beneath(x.w)).String(); name != "*http.response" {
		return "the response writer is wrapped in a " + name
	}
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !fast.sockets(addr) {
		return "the connection is no socket"
	}
	if fast.isForeign(r) {
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

// listenerOf returns the address of the listener that accepted r's connection.
func listenerOf(r *http.Request) string {
	addr := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr.Network() + " " + addr.String()
}

// slow logs why a stream uses the portable transport.
func (s *Server) slow(r *http.Request, why string) {
	level := slog.LevelDebug
	if s.cfg.Transport == TransportFast {
		level = slog.LevelWarn
	}
	s.cfg.Logger.LogAttrs(context.Background(), level, "handlers: portable transport: "+why,
		slog.String("path", r.URL.Path), slog.String("remote", r.RemoteAddr))
}

// handOver leaves the stream to the shard of a lane, which expects it. The client has
// everything that there was when the lane looked. It returns true if the stream is no
// longer the handler's: a shard carries it, or it has ended. If not, it fails with err.
func (x *exchange) handOver(to *lane) (handed bool, err error) {
	x.driver.Open() // the opening words, if the source has not been run
	if !x.driver.Session().Settled() {
		to.shard.Forget()
		return false, nil
	}
	fast := x.srv.fast
	fd, say, err := fast.takeOver(x.res, x.r)
	if say == nil {
		to.shard.Forget()
		return false, err
	}
	if err != nil {
		// net/http may not be able to continue: ask the client to come again. It will
		// get the portable transport.
		if _, foreign := errors.AsType[*socket.ForeignError](err); foreign {
			fast.foreign.Store(listenerOf(x.r), nil)
			fast.anyForeign.Store(true)
		}
		x.srv.slow(x.r, err.Error())
		say(session.Bye(string(ReasonMaxAge), x.srv.retry()))
		to.shard.Forget()
		x.stream.End(session.MaxAge, err)
		return true, nil
	}
	in := *x.driver.Session()
	in.Move(to.spot)
	x.reader.Join() // the shard counts the stream out; the cursor is closed before
	to.shard.Join(x.Handler, x.group, x.stream, in, fd)
	return true, nil
}

// group opens a group of the handler's streams.
func (h *Handler) group() carry.Group {
	return carry.Group{
		Plan:      h.plan(answer.EventStream),
		Reader:    reading.Hub.Reader(h.feed, int(h.policy)),
		Heartbeat: int64(h.heartbeat(answer.EventStream)),
	}
}

// takeOver returns the descriptor of r's connection. If there is an error, say writes
// something to the client and ends the connection; if say is nil, nothing has changed.
//
// If [ConnContext] has stored the connection, it is not hijacked. takeOver duplicates its
// descriptor, net/http closes its own one when the handler returns, and uses its buffers
// again.
func (f *fast) takeOver(res *carry.Response, r *http.Request) (fd int, say func([]byte), err error) {
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok && f.copy != nil {
		fd, err = f.copy(conn)
		return fd, func(b []byte) { res.Put(b, farewell, nil) }, err
	}
	conn, _, err := res.Control.Hijack()
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
// streams by the fast transport. With it, opening a stream costs a tenth less; all works
// without it, too:
//
//	server := &http.Server{Handler: mux, ConnContext: handlers.ConnContext}
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

type connKey struct{}
