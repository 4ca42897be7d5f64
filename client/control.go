package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// obeyed reports whether event names a control event that this client acts on
// instead of handing it out. (With [Strict] it acts on none.)
func obeyed(event string) bool {
	switch event {
	case sse.ControlGap, sse.ControlError, sse.ControlComplete, sse.ControlBye:
		return true
	}
	return false
}

// A GapError says that the server could not deliver everything since the last
// event. The loop sees it if [Gaps] asks for it.
type GapError struct{ sse.Gap }

func (e *GapError) Error() string { return "client: gap: " + e.Gap.String() }

// OnGap sets a function that is called, between the events, when the server says
// that events are missing there. [Gaps] makes the loop see that, too.
func OnGap(f func(sse.Gap)) Option {
	return func(c *config) { set(c, &c.onGap, f, f == nil, "OnGap") }
}

// Gaps sets what the loop does with a gap, after [OnGap] has returned. A gap with an
// id, as our servers send it, is reported once: a client that reconnects resumes after
// it. With [Strict] there are no gaps, only events named stream.gap. Defaults to
// [ReactionSkip], which logs the gap at level Warn.
func Gaps(r Reaction) Option {
	return func(c *config) { set(c, &c.gaps, r, r.bad(), "Gaps") }
}

// gap handles a stream.gap event. If it returns an error, the gap has not been
// handled: a client that resumes at the saved position meets it again.
func (s *stream) gap(ctx context.Context, ev sse.Event) error {
	gap := sse.ParseGap(ev.Data)
	gap.ID = ev.ID
	if s.gaps == ReactionSkip {
		missed := slog.String("missed", "unknown")
		if gap.Missed != nil {
			missed = slog.Uint64("missed", *gap.Missed)
		}
		s.logger.LogAttrs(ctx, slog.LevelWarn, "event stream has a gap", slog.String("url", show.URL(s.url)),
			slog.String("reason", string(gap.Reason)), slog.String("from", gap.From), slog.String("to", gap.To), missed)
	}
	if s.onGap != nil {
		s.onGap(gap)
	}
	switch {
	case s.gaps == ReactionSkip:
		return nil
	case ctx.Err() != nil: // OnGap has cancelled it
		return context.Cause(ctx)
	}
	return s.handle(ev, &GapError{gap})
}

// A StreamError is a stream.error event: the server ended the stream because its
// source failed. It is final: the client does not reconnect.
type StreamError struct {
	// Problem is what the event says. If its data is not a problem object, the
	// text is the Detail.
	Problem sse.Problem
}

func (e *StreamError) Error() string {
	return "client: the server ended the stream: " + e.Problem.Message()
}

func parseStreamError(data []byte) *StreamError {
	if p := sse.ParseProblem(data); p != nil {
		return &StreamError{*p}
	}
	return &StreamError{sse.Problem{Type: "about:blank", Detail: string(data)}}
}

// A ByeError is a stream.bye event: the server closes this connection and asks the
// client to connect again. [OnDisconnect] gets it; it ends a stream only with
// [NoReconnect].
type ByeError struct{ sse.Bye }

func (e *ByeError) Error() string {
	if e.Reason == "" {
		return "client: the server said goodbye"
	}
	return "client: the server said goodbye: " + e.Reason
}

// end returns how a control event other than stream.gap ends the connection.
func end(ev sse.Event) outcome {
	switch ev.Event {
	case sse.ControlError:
		return outcome{err: parseStreamError(ev.Data)}
	case sse.ControlBye:
		bye := &ByeError{sse.ParseBye(ev.Data)}
		return outcome{err: bye, again: true, bye: min(bye.Wait(), maxWait)}
	}
	return outcome{} // stream.complete
}

// maxWait bounds the times that a server names, so that no sum of them overflows.
const maxWait = 100 * 365 * 24 * time.Hour
