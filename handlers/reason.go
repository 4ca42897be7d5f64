package handlers

import (
	"log/slog"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/streams"

	"errors"
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
	Revoked   Reason = "grant"    // the grant of [Config.Authorize] expired
	Cut       Reason = "slow"     // the client's position in the topic is no longer kept, see [hub.PolicyCut]
)

// reasons lists every Reason.
var reasons = [...]Reason{Completed, Failed, Left, Stalled, Expired, Drained, Revoked, Cut}

// ErrEnded is matched by the error of a send to a stream that has ended. There is
// nobody left to send to: return.
var ErrEnded = carry.ErrEnded

// closed is called when a stream has ended.
func (s *Server) closed(st *carry.Stream, reason session.Reason, err error) {
	level := slog.LevelDebug
	switch reason {
	case session.Failed:
		level = slog.LevelError
		if p, ok := errors.AsType[*Problem](err); ok && p != nil && answer.ProblemOf(p).Status < http.StatusInternalServerError {
			level = slog.LevelDebug // what the client got wrong
		}
	case session.Stalled:
		level = slog.LevelWarn
	}
	var attrs []slog.Attr
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if p, ok := errors.AsType[*streams.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	st.Log(s.cfg.Logger, level, reason, attrs...)
	s.remove(st)
}
