package handlers

import (
	"context"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Subject serves the events that are published to subject from the moment a client
// connects, to all its clients alike. No client holds back another: one that
// reads too slowly for subject's window is moved forward and told so, by
// stream.gap with the number of events it missed, before its next event.
//
// Publish only events that your own code has made. Each client's stream encodes an
// event for itself, so that one that does not encode ends all streams with an error. For
// anything that users send, and wherever you are in doubt, use a [Topic]: it refuses
// such an event when it is published, and a client that comes back resumes.
//
// A Subject keeps no history for clients that come back. A client that asks to
// resume is told by a stream.gap without a number that it may have missed
// events. When subject completes or fails, so do the streams, see [Events].
func Subject[T any](s *Server, subject *streams.Subject[sse.ServerSentEvent[T]], opts ...SourceOption) *Handler {
	h := s.sourceHandler("Subject", true, opts)
	checkSource("Subject", subject == nil)
	h.open = func(r *http.Request, st *carry.Stream, f answer.Format) (opened, error) {
		resumed := LastEventID(r) != ""
		enc := newEncoder[T](h.codec, f)
		return pushed(func(ctx context.Context, d *carry.Blocking) error {
			if resumed {
				if err := d.Tell(ctx, &sse.Gap{Reason: sse.GapRetention}); err != nil {
					return err
				}
			}
			live := subject.OnLag(func(missed uint64) {
				d.Tell(ctx, &sse.Gap{Reason: sse.GapSlow, Missed: &missed}) // if this fails, so does the next write
			})
			return send(ctx, d, live, enc.event)
		}), nil
	}
	return h
}
