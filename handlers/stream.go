package handlers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A Reason says why a stream ended.
type Reason string

const (
	Completed Reason = "complete" // the source had no more
	Failed    Reason = "error"    // the source failed, or a value did not encode
	Left      Reason = "left"     // the client closed the connection
	Stalled   Reason = "stalled"  // the client took no bytes for the write timeout
	Expired   Reason = "max-age"  // the stream reached its age
	Drained   Reason = "shutdown" // the server is shutting down
	Revoked   Reason = "grant"    // the grant of [Config.Authorize] has expired
	Cut       Reason = "slow"     // the client's place in the topic is no longer kept, see [hub.PolicyCut]
)

// reasons lists every Reason, for counting.
var reasons = [...]Reason{Completed, Failed, Left, Stalled, Expired, Drained, Revoked, Cut}

// ErrEnded is matched by the error of a send to a stream that has ended. There
// is nobody left to send to: return.
var ErrEnded = errors.New("handlers: the stream has ended")

var (
	errDraining = errors.New("handlers: the server is shutting down")
	errCut      = errors.New("handlers: the client's place is no longer kept")
	errRevoked  = errors.New("handlers: the grant has expired")
	errMaxAge   = errors.New("handlers: the stream has reached its age")
	errGoexit   = errors.New("handlers: the emitter's goroutine has exited")
)

// A stream is one open stream, whatever carries its bytes. It copies what it
// needs of its request, so that it may outlive the handler that opened it.
//
// Everything that is due when a stream ends hangs on end, which whoever owns
// the connection calls exactly once.
type stream struct {
	srv     *Server
	route   *route
	remote  string
	subject string
	format  format
	opened  time.Time
	finish  time.Duration // how long it may go on while the server drains
	revoked bool          // its age ends with its grant

	// Who ends the source, and so the stream: nobody yet, its context, or the lane
	// that serves it in place of its handler.
	mu      sync.Mutex
	cancel  context.CancelCauseFunc
	lane    *shard
	stopped error // why it is to end; nil is not yet

	// Of the lane's loop: where it serves the stream, until it has ended.
	group *group
	slot  uint32

	work sync.WaitGroup // goroutines of the source's

	feed   *hub.Feed     // of the topic, or nil
	cursor *hub.Cursor   // in it, as long as the handler reads it
	place  eventlog.Pos  // where the stream begins in it
	live   uint64        // number of the event that was next when the stream began
	next   atomic.Uint64 // number of the event to be written next

	events atomic.Uint64
	bytes  atomic.Uint64
	ended  atomic.Bool
}

// end closes the books on the stream: its source is cancelled, it is counted,
// logged, and no longer among the Server's open streams. Only the first call
// counts. err is what ended the stream, for the log alone.
func (st *stream) end(reason Reason, err error) {
	if !st.ended.CompareAndSwap(false, true) {
		return
	}
	st.stop(ErrEnded)
	for i := range reasons {
		if reasons[i] == reason {
			st.route.ended[i].add(time.Since(st.opened))
		}
	}
	st.log(reason, err)
	st.srv.remove(st)
}

// stop ends the source and so the stream, for the given cause.
func (st *stream) stop(cause error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.stopped == nil {
		st.stopped = cause
	}
	switch {
	case st.lane != nil && errors.Is(cause, errDraining):
		st.lane.stop(st)
	case st.cancel != nil:
		st.cancel(cause)
	}
}

// endWith has cancel called when the stream is to end.
func (st *stream) endWith(cancel context.CancelCauseFunc) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.cancel = cancel; st.stopped != nil {
		cancel(st.stopped)
	}
}

// moveTo leaves the stream to lane.
func (st *stream) moveTo(lane *shard, h *Handler, place hub.Place, fd int, expires time.Time) {
	lane.join(h, st, place, fd, expires)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lane, st.cancel, st.cursor = lane, nil, nil
	if errors.Is(st.stopped, errDraining) {
		lane.stop(st) // it was told so before, in vain
	}
}

// handed reports whether a lane serves the stream.
func (st *stream) handed() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.lane != nil
}

func (st *stream) log(reason Reason, err error) {
	level := slog.LevelDebug
	switch reason {
	case Failed:
		level = slog.LevelError
		if p, ok := errors.AsType[*Problem](err); ok && p.filled().Status < 500 {
			level = slog.LevelDebug // what the client got wrong
		}
	case Stalled:
		level = slog.LevelWarn
	}
	logger := st.srv.cfg.Logger
	ctx := context.Background() // the request's ends with the stream
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("reason", string(reason)),
		slog.String("route", st.route.name),
		slog.String("remote", st.remote),
		slog.String("subject", st.subject),
		slog.String("format", st.format.String()),
		slog.Uint64("events", st.events.Load()),
		slog.Uint64("bytes", st.bytes.Load()),
		slog.Duration("age", time.Since(st.opened)),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if p, ok := errors.AsType[*streams.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	logger.LogAttrs(ctx, level, "stream ended", attrs...)
}
