package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// The control events: what the server says about the stream itself. They are
// never handed out as events, unless the stream is [Strict].
const (
	controlGap      = "stream.gap"
	controlError    = "stream.error"
	controlComplete = "stream.complete"
	controlBye      = "stream.bye"
)

func isControl(event string) bool {
	switch event {
	case controlGap, controlError, controlComplete, controlBye:
		return true
	}
	return false
}

// A Gap is a stream.gap event: the server's word that events are missing here.
// [OnGap] hears of each; a *Gap is also an error, for the loop, if [Gaps] asks for
// it.
type Gap struct {
	// Reason is why: retention, slow, restart, malformed or future.
	Reason string
	// From is the position the client was at, To the one it goes on from.
	From, To string
	// Missed is how many events are missing, -1 if the server cannot tell.
	Missed int64
}

func (g *Gap) Error() string {
	missed := "an unknown number of"
	if g.Missed >= 0 {
		missed = strconv.FormatInt(g.Missed, 10)
	}
	return fmt.Sprintf("client: gap: %s events are missing between %q and %q: %s", missed, g.From, g.To, cmp.Or(g.Reason, "no reason given"))
}

// OnGap sets a function that hears, in its place between the events, that the
// server could not deliver everything since the last one. [Gaps] puts that into
// the loop, too.
func OnGap(f func(Gap)) Option {
	return func(c *config) { set(c, &c.onGap, f, f == nil, "OnGap") }
}

// Gaps sets what becomes of a gap in the loop, after [OnGap] has heard of it. A gap
// with an id, which our servers give it, is told once: a client that reconnects goes
// on from there. With [Strict] there are no gaps, only events named stream.gap.
// Defaults to [Skip], which logs it at level Warn.
func Gaps(p Policy) Option {
	return func(c *config) { set(c, &c.gaps, p, p.bad(), "Gaps") }
}

// gap tells of a stream.gap event. Its error ends the stream before the gap: who
// resumes there meets it again.
func (s *stream) gap(ctx context.Context, ev sse.Event) error {
	gap := parseGap(ev.Data)
	if s.gaps == Skip {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "event stream has a gap", slog.String("url", place(s.url)), slog.String("reason", gap.Reason),
			slog.String("from", gap.From), slog.String("to", gap.To), slog.Int64("missed", gap.Missed))
	}
	if s.onGap != nil {
		s.onGap(gap)
	}
	switch {
	case s.gaps == Skip:
		return nil
	case ctx.Err() != nil: // the hook has cancelled it
		return context.Cause(ctx)
	}
	return s.handle(ev, &gap)
}

// parseGap never fails: what cannot be read is left out, the gap itself is news.
func parseGap(data []byte) Gap {
	g := Gap{Missed: -1}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return g
	}
	g.Reason, g.From, g.To = text(members["reason"]), text(members["from"]), text(members["to"])
	var n *int64
	if json.Unmarshal(members["missed"], &n) == nil && n != nil && *n >= 0 {
		g.Missed = *n
	}
	return g
}

// text is a JSON string, or the text of another value that is not null.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// A StreamError is a stream.error event: the server ended the stream because its
// source failed. It is final; the stream is not asked for again.
type StreamError struct {
	// Problem is what the event says. If its data was no problem object, the text
	// is the Detail.
	Problem Problem
}

func (e *StreamError) Error() string {
	return "client: the server ended the stream: " + e.Problem.String()
}

func parseStreamError(data []byte) *StreamError {
	if p := parseProblem(data); p != nil {
		return &StreamError{*p}
	}
	return &StreamError{Problem{Type: "about:blank", Detail: string(data)}}
}

// A Bye is a stream.bye event: the server closes this connection and asks the
// client to come again. It is what [OnDisconnect] hears; only with [NoReconnect]
// does it end a stream.
type Bye struct {
	// Reason is why, in the server's word.
	Reason string
	// Retry is how long to stay away; 0 if the server named no time.
	Retry time.Duration
}

func (b *Bye) Error() string {
	if b.Reason == "" {
		return "client: the server said goodbye"
	}
	return "client: the server said goodbye: " + b.Reason
}

// parseBye reads {"reason": text, "retry": milliseconds}, the unit of the wire's
// own retry field. What cannot be read is left out.
func parseBye(data []byte) *Bye {
	b := &Bye{}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		b.Reason = strings.ToValidUTF8(string(bytes.TrimSpace(data)), "\uFFFD")
		return b
	}
	b.Reason = text(members["reason"])
	var ms float64
	if json.Unmarshal(members["retry"], &ms) == nil && ms > 0 {
		b.Retry = time.Duration(min(ms*1e6, float64(maxWait)))
	}
	return b
}

// end is what a control event other than stream.gap makes of its connection.
func end(ev sse.Event) outcome {
	switch ev.Event {
	case controlError:
		return outcome{err: parseStreamError(ev.Data)}
	case controlBye:
		bye := parseBye(ev.Data)
		return outcome{err: bye, again: true, bye: bye.Retry}
	}
	return outcome{} // stream.complete
}

// maxWait keeps times that a server names within what arithmetic can bear.
const maxWait = 100 * 365 * 24 * time.Hour
