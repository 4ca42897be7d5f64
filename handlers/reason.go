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
	ReasonComplete Reason = "complete" // the source had no more
	ReasonError    Reason = "error"    // the source failed, or a value did not encode
	ReasonLeft     Reason = "left"     // the client closed the connection
	ReasonStalled  Reason = "stalled"  // the client took no bytes for the write timeout
	ReasonMaxAge   Reason = "max-age"  // the stream reached its age
	ReasonShutdown Reason = "shutdown" // the server is shutting down
	ReasonGrant    Reason = "grant"    // the grant of [Config.Authorize] expired
	ReasonSlow     Reason = "slow"     // the client's position in the topic is no longer kept: see [hub.PolicyCut]
)

// reasons lists every Reason.
var reasons = [...]Reason{ReasonComplete, ReasonError, ReasonLeft, ReasonStalled, ReasonMaxAge, ReasonShutdown, ReasonGrant, ReasonSlow}

// ErrEnded is matched by the error of [Emitter.Send] when the stream of its client has
// ended. Nobody is left to send to: return.
//
// It is about one client. hub.ErrEnded says that a topic has ended, and streams.ErrEnded
// that a Subject has; none of the three matches another.
var ErrEnded = carry.ErrEnded

// closed is called when a stream has ended.
func (s *Server) closed(st *carry.Stream, reason session.Reason, err error) {
	level := slog.LevelDebug
	switch reason {
	case session.Error:
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
	s.remove(st) // first: a Logger that panics must not keep the stream
	st.Log(s.cfg.Logger, level, reason, attrs...)
}
