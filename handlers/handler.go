package handlers

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An opened source is ready to run for one request.
type opened struct {
	spot reading.Spot // where the stream begins in its topic
	// run writes the source's events to d until the source completes, fails, or ctx
	// ends. It returns nil if the source has completed. handOver means that the client
	// has everything there is, and that a shard expects the stream.
	run func(ctx context.Context, d *carry.Blocking, settled func() bool) (handOver bool, err error)
	// cursor is what a topic is read by, or nil.
	cursor *hub.Cursor
}

// A Handler serves one stream: see [Topic], [Events], [Values], [Emit] and [Subject].
// It may serve any number of requests at once.
type Handler struct {
	srv     *Server
	name    string
	codec   sse.Codec
	finite  bool
	finish  time.Duration
	typed   bool
	replays bool // the source is a topic: a request can ask for events that it has kept
	feed    *hub.Feed
	reader  reading.Reader // of the feed, for what any goroutine may ask
	pacer   *carry.Pacer   // of the feed's portable streams
	text    session.Text   // of the topic's data
	policy  hub.Policy
	filter  func(*http.Request) (hub.Filter, error)
	open    func(r *http.Request, st *carry.Stream, f answer.Format) (opened, error)
	plans   [3]atomic.Pointer[session.Plan] // by format
}

// ServeHTTP serves the stream. It returns when the stream has ended, or when the fast
// transport carries it, see [Transport].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Handler: h, w: answer.Uncompressed(w), r: r}
	if x.negotiate() && x.enter() {
		x.serve()
	}
}

func (h *Handler) heartbeat(f answer.Format) time.Duration {
	if f == answer.JSONArray {
		return 0
	}
	return max(h.srv.cfg.Heartbeat, 0)
}
