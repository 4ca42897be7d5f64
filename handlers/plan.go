package handlers

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// session returns the session of a stream that begins at spot.
func (h *Handler) session(st *carry.Stream, spot reading.Spot, grant Grant) session.Session {
	expires, ofGrant := grant.Expires, true
	if h.srv.cfg.MaxAge > 0 {
		if old := st.Opened.Add(h.srv.maxAge()); expires.IsZero() || old.Before(expires) {
			expires, ofGrant = old, false
		}
	}
	if expires.IsZero() {
		return session.New(spot, session.Never, false)
	}
	return session.New(spot, int64(expires.Sub(h.srv.base)), ofGrant)
}

// plan returns what the handler's streams in a format have in common.
func (h *Handler) plan(f answer.Format) *session.Plan {
	if p := h.plans[f].Load(); p != nil {
		return p
	}
	h.plans[f].CompareAndSwap(nil, &session.Plan{
		Words: session.Words{
			Lines:          f != answer.EventStream,
			Typed:          h.typed,
			Silent:         f == answer.JSONArray,
			Topic:          h.feed != nil,
			Text:           h.text,
			Retry:          h.srv.retry,
			RetryElsewhere: h.srv.retryElsewhere,
		},
		Timeout:  int64(h.srv.cfg.WriteTimeout),
		Farewell: int64(min(farewell, h.srv.cfg.WriteTimeout)),
		Ending:   ending,
	})
	return h.plans[f].Load()
}

// farewell is how long a draining server may take to write a stream's last words: a
// client that does not read must not hold up the process.
const farewell = 250 * time.Millisecond

// ending says what the end of a topic means to its streams.
func ending(err error) (session.Reason, []byte) {
	switch {
	case err == nil:
		return session.Complete, nil
	case errors.Is(err, hub.ErrCut):
		return session.Slow, nil
	case errors.Is(err, hub.ErrClosed):
		return session.Shutdown, nil
	}
	return session.Error, problemJSON(err)
}

// problemJSON returns what clients are told of err.
func problemJSON(err error) []byte {
	b, err := json.Marshal(answer.ProblemOf(err))
	if err != nil {
		panic(err) // see ProblemOf
	}
	return b
}
