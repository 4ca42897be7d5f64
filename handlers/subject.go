package handlers

import (
	"context"
	"net/http"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Subject serves the events that are sent to subject from the moment a client
// connects, to all its clients alike. No client holds back another: one that
// reads too slowly for subject's window is moved forward and told so, by
// stream.gap with the number of events it missed, before its next event.
//
// A Subject keeps no history for clients that come back: one that asks to
// resume is told by a stream.gap without a number that it may have missed
// events. When subject completes or fails, so do the streams, see [Events].
func Subject[T any](s *Server, subject *streams.Subject[sse.ServerSentEvent[T]], opts ...Option) *Handler {
	h := s.newHandler(true, opts)
	h.open = func(r *http.Request, st *stream) (run, error) {
		resumed := LastEventID(r) != ""
		enc := newEncoder[T](h.codec, st.format)
		return func(ctx context.Context, out sink) error {
			if resumed {
				st.route.gaps.add("retention")
				if err := out.tell(ctx, gap("retention", nil)); err != nil {
					return err
				}
			}
			live := subject.OnLag(func(missed uint64) {
				st.route.missed.Add(missed)
				st.route.gaps.add("slow")
				out.tell(ctx, gap("slow", &missed)) // if it fails, so does the next write
			})
			return send(ctx, out, live, enc.event)
		}, nil
	}
	return h
}

// gap tells that events are missing here: how many, or nil where nobody knows.
func gap(reason string, missed *uint64) control {
	return control{name: "stream.gap", data: struct {
		Reason string  `json:"reason"`
		From   *string `json:"from"`
		To     *string `json:"to"`
		Missed *uint64 `json:"missed"`
	}{Reason: reason, Missed: missed}}
}
