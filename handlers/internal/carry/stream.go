// Package carry has the drivers of a [session.Session]. A driver writes to the client what
// the session returns, and tells the session the time.
//
//   - [Blocking] writes through net/http, from the handler's goroutine and a timer. It
//     serves every stream. Its [Peer] is the response, or an [Array] that collects
//     the events for one JSON array.
//   - [Shard] writes to the sockets of streams whose handlers have returned.
//
// Neither decides anything about a stream. When the session has ended, the driver closes
// the connection and ends the [Stream].
package carry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// A Stream is the record of one open stream, whatever driver carries it: what the log and
// the metrics need. It copies what it needs from the request, so it may outlive the
// handler that opened it.
type Stream struct {
	Route   *Route
	Remote  string
	Subject string
	Opened  time.Time
	Finish  time.Duration // how long it may stay open while the server drains
	Closed  func(*Stream, session.Reason, error)
	Format  string // its media type
	Index   int    // among the streams of its subject, for the Server

	// Work waits for the goroutines of the source.
	Work sync.WaitGroup

	mu       sync.Mutex
	drained  bool
	revoked  bool
	driver   driver
	newest   func() uint64 // number that the topic's next event will get, or nil
	live     uint64        // number of the event that was next when the stream began
	position atomic.Uint64 // number of the event that a Blocking driver writes next

	slot uint32 // where its driver finds it

	events, bytes uint64 // set when it has ended
	ended         atomic.Bool
}

// A driver carries a stream.
type driver interface {
	// drain ends the stream because the server shuts down. It does not wait.
	drain(*Stream)
	// revoke ends the stream because its grant was withdrawn. It does not wait.
	revoke(*Stream)
	// fast reports whether the driver knows how far behind its streams are.
	fast() bool
}

// Drain ends the stream because the server shuts down. It does not wait for the end.
func (st *Stream) Drain() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.drained = true
	if st.driver != nil {
		st.driver.drain(st)
	}
}

// Revoke ends the stream as if its grant expired now. It does not wait for the end.
func (st *Stream) Revoke() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.revoked = true
	if st.driver != nil {
		st.driver.revoke(st)
	}
}

// carriedBy makes d the driver of the stream.
func (st *Stream) carriedBy(d driver) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.driver = d
	if d != nil && st.drained {
		d.drain(st)
	}
	if d != nil && st.revoked {
		d.revoke(st)
	}
}

// Fast reports whether a shard carries the stream.
func (st *Stream) Fast() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.driver != nil && st.driver.fast()
}

// Reads notes that the stream reads a topic from spot on. newest returns the number that
// the topic's next event will get.
func (st *Stream) Reads(newest func() uint64, spot reading.Spot) {
	st.mu.Lock() // it is among the open streams, and may be asked for its lag
	defer st.mu.Unlock()
	st.newest = newest
	st.live = newest()
	st.position.Store(cmp.Or(spot.At, st.live))
}

// Lag returns how many events of its topic a stream that a Blocking driver carries has
// not written yet. A shard knows the lag of its own streams.
func (st *Stream) Lag() uint64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.newest == nil || st.driver != nil && st.driver.fast() {
		return 0
	}
	end, next := st.newest(), st.position.Load()
	return max(end, next) - next
}

// End counts the end of the stream and calls Closed. Only the first call does anything.
// err is what ended the stream; only the log shows it.
func (st *Stream) End(reason session.Reason, err error) {
	if !st.ended.CompareAndSwap(false, true) {
		return
	}
	st.Route.Ended[reason].add(time.Since(st.Opened))
	st.Closed(st, reason, err)
}

// Log writes the line about the stream's end.
func (st *Stream) Log(logger *slog.Logger, level slog.Level, reason session.Reason, attrs ...slog.Attr) {
	ctx := context.Background() // the context of the request ends with the stream
	if !logger.Enabled(ctx, level) {
		return
	}
	logger.LogAttrs(ctx, level, "stream ended", append([]slog.Attr{
		slog.String("reason", reason.String()),
		slog.String("route", st.Route.Name),
		slog.String("remote", st.Remote),
		slog.String("subject", st.Subject),
		slog.String("format", st.Format),
		slog.Uint64("events", st.events),
		slog.Uint64("bytes", st.bytes),
		slog.Duration("age", time.Since(st.Opened)),
	}, attrs...)...)
}

// ErrEnded is matched by the error of a send to a stream that has ended.
var ErrEnded = errors.New("handlers: the stream has ended")

// EndedBy returns the error that a send to a stream that ended because of reason wraps.
func EndedBy(reason session.Reason) error { return ended[reason] }

// ended is the error of a send to a stream that ends for one of the reasons.
var ended = [session.Reasons]error{
	session.Complete: errors.New("handlers: the stream is complete"),
	session.Error:    errors.New("handlers: the stream has failed"),
	session.Left:     errors.New("handlers: the client has closed the connection"),
	session.Stalled:  errors.New("handlers: the client takes no bytes"),
	session.MaxAge:   errors.New("handlers: the stream has reached its age"),
	session.Shutdown: errors.New("handlers: the server is shutting down"),
	session.Grant:    errors.New("handlers: the grant has expired"),
	session.Slow:     errors.New("handlers: the client's position is no longer kept"),
}
