package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

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
)

// reasons lists every Reason, for counting.
var reasons = [...]Reason{Completed, Failed, Left, Stalled, Expired, Drained}

// ErrEnded is matched by the error of a send to a stream that has ended. There
// is nobody left to send to: return.
var ErrEnded = errors.New("handlers: the stream has ended")

var (
	errDraining = errors.New("handlers: the server is shutting down")
	errMaxAge   = errors.New("handlers: the stream has reached its age")
	errGoexit   = errors.New("handlers: the emitter's goroutine has exited")
)

// A stream is one open stream, whatever carries its bytes. It copies what it
// needs of its request, so that it may outlive the handler that opened it.
//
// Everything that is due when a stream ends hangs on end, which whoever owns
// the connection calls exactly once.
type stream struct {
	srv    *Server
	route  *route
	remote string
	format format
	opened time.Time
	cancel context.CancelCauseFunc // ends the source and so the stream

	work sync.WaitGroup // goroutines of the source's

	events atomic.Uint64
	bytes  atomic.Uint64
	ended  atomic.Bool
}

func (s *Server) newStream(rt *route, r *http.Request, f format, cancel context.CancelCauseFunc) *stream {
	return &stream{srv: s, route: rt, remote: r.RemoteAddr, format: f, opened: time.Now(), cancel: cancel}
}

// end closes the books on the stream: its source is cancelled, it is counted,
// logged, and no longer among the Server's open streams. Only the first call
// counts. err is what ended the stream, for the log alone.
func (st *stream) end(reason Reason, err error) {
	if !st.ended.CompareAndSwap(false, true) {
		return
	}
	st.cancel(ErrEnded)
	for i := range reasons {
		if reasons[i] == reason {
			st.route.ended[i].Add(1)
		}
	}
	st.log(reason, err)
	st.srv.remove(st)
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
