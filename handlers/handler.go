package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A sink takes the events of one stream: a [wire] that sends each, or an
// [array] that collects them.
type sink interface {
	// write takes one event: what encode appends to its argument.
	write(ctx context.Context, encode func(dst []byte) ([]byte, error)) error
	// frames takes events of a topic, encoded already.
	frames(ctx context.Context, b hub.Batch, text textual) error
	// tell takes a control event, where the format has a place for one.
	tell(ctx context.Context, ev control) error
	// at takes the place that a topic's reader has got to. A client that does not
	// know it yet is told by the next heartbeat, or before the first event.
	at(ctx context.Context, pos eventlog.Pos) error
}

// run is a source at work for one request: it writes to out until it has no
// more, fails, or ctx ends. It returns nil when it has no more.
type run func(ctx context.Context, out sink) error

// A Handler serves one stream: see [Events], [Values], [Emit] and [Subject].
// It may serve any number of requests at once.
type Handler struct {
	srv     *Server
	name    string
	codec   sse.Codec
	finite  bool
	finish  time.Duration
	typed   bool
	replays bool // the source is a topic, which keeps history that a request can ask for
	feed    *hub.Feed
	policy  hub.Policy
	filter  func(*http.Request) (hub.Filter, error)
	open    func(r *http.Request, st *stream) (run, error)
}

// An Option changes one setting of one [Handler].
type Option func(*Handler)

// Name names the stream in logs and in [Stats]. Defaults to the route's
// pattern, else the path.
func Name(name string) Option { return func(h *Handler) { h.name = name } }

// Finite declares that the source comes to an end by itself, so that a JSON
// array of it needs no take.
func Finite() Option { return func(h *Handler) { h.finite = true } }

// Finish lets streams that are open when the server begins to drain go on, to
// their own end or for limit: for a report that must not be cut in two.
func Finish(limit time.Duration) Option { return func(h *Handler) { h.finish = limit } }

// Codec encodes the data of the stream's events. Defaults to [sse.JSON].
func Codec(c sse.Codec) Option { return func(h *Handler) { h.codec = c } }

func (s *Server) newHandler(typed bool, opts []Option) *Handler {
	h := &Handler{srv: s, typed: typed}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

var readMethods = []string{http.MethodGet, http.MethodHead}

// ServeHTTP serves the stream until it ends.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = answer.Uncompressed(w)
	if !h.srv.cors.Admit(w, r, readMethods) {
		return
	}
	w.Header().Add("Vary", "Accept")
	if err := answer.CheckFlush(w); err != nil {
		h.srv.cfg.Logger.Error(err.Error(), "path", r.URL.Path)
		WriteProblem(w, &Problem{Detail: err.Error()})
		return
	}
	f, err := answer.Negotiate(r.Header)
	if err != nil {
		WriteProblem(w, err)
		return
	}
	take, err := answer.Take(answer.Query(r), f, h.finite)
	if err != nil {
		WriteProblem(w, err)
		return
	}
	if f == answer.EventStream && LastEventID(r) == endID {
		w.WriteHeader(http.StatusNoContent) // tells an EventSource to stop (HTML standard, 9.2.3)
		return
	}
	if r.Method == http.MethodHead {
		answer.StreamHeaders(w.Header(), f, h.heartbeat(f))
		w.WriteHeader(http.StatusOK)
		return
	}
	control := http.NewResponseController(w)
	if err := answer.DiscardBody(control, r, h.srv.cfg.WriteTimeout); err != nil {
		WriteProblem(w, err)
		return
	}

	name := h.name
	switch {
	case name != "":
	case r.Pattern != "":
		name = r.Pattern
	default:
		name = r.URL.Path
	}
	access := Access{Route: name, Action: Subscribe}
	if h.replays && answer.AsksForHistory(r) {
		access.Action = Replay
	}
	grant, err := h.srv.authorize(r, access)
	if err != nil {
		WriteProblem(w, err)
		return
	}
	st := &stream{
		srv:     h.srv,
		route:   h.srv.route(name),
		remote:  r.RemoteAddr,
		subject: h.srv.subject(r, grant),
		format:  f,
		opened:  time.Now(),
		finish:  h.finish,
	}
	if no := h.srv.add(st); no != nil {
		h.refuse(w, r, f, no)
		return
	}
	// Whatever happens below, the books are closed; the reason that is found
	// there comes first.
	handed := false
	defer func() {
		if !handed {
			st.end(Failed, errors.New("handlers: the handler panicked"))
		}
	}()

	run, err := h.open(r, st)
	if errors.Is(err, errNothingLeft) {
		w.WriteHeader(http.StatusNoContent)
		st.end(Completed, nil)
		return
	}
	if err != nil {
		WriteProblem(w, err)
		st.end(Failed, err)
		return
	}
	expires, why := grant.Expires, errRevoked
	if h.srv.cfg.MaxAge > 0 {
		if old := st.opened.Add(h.srv.maxAge()); expires.IsZero() || old.Before(expires) {
			expires, why = old, errMaxAge
		}
	}
	st.revoked = why == errRevoked
	wr := &wire{
		st:        st,
		w:         w,
		control:   control,
		http1:     r.ProtoMajor < 2,
		typed:     h.typed,
		take:      uint64(take),
		heartbeat: h.heartbeat(f),
		position:  st.place,
		lane:      h.lane(answer.Beneath(w), r, st, take),
	}
	if wr.settle(r.Context()) { // at once: it needs nothing of what follows
		handed = h.conclude(r.Context(), wr, r, errSettled, expires)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	st.endWith(cancel)
	if !expires.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, expires, why)
		defer stop()
	}
	if f == answer.JSONArray {
		h.serveArray(ctx, w, control, r, st, run, take)
		return
	}
	handed = h.conclude(ctx, wr, r, h.runWire(ctx, wr, run), expires)
}

func (h *Handler) heartbeat(f answer.Format) time.Duration {
	if f == answer.JSONArray {
		return 0
	}
	return max(h.srv.cfg.Heartbeat, 0)
}

// runWire runs a stream whose events are written one by one.
func (h *Handler) runWire(ctx context.Context, wr *wire, run run) error {
	wr.lock = make(chan struct{}, 1)
	hurried := make(chan struct{})
	stopHurry := context.AfterFunc(ctx, func() {
		defer close(hurried)
		if errors.Is(context.Cause(ctx), errDraining) {
			wr.hurry()
		}
	})
	defer func() { // whatever panics: the timers must not outlive the handler
		wr.close()
		if !stopHurry() {
			<-hurried
		}
	}()
	wr.start(h.srv.cfg.Grace)
	return run(ctx, wr)
}

// conclude ends a stream whose source has returned err, or leaves it to the
// wire's lane and returns true.
func (h *Handler) conclude(ctx context.Context, wr *wire, r *http.Request, err error, expires time.Time) (handed bool) {
	if errors.Is(err, errSettled) {
		if handed, err = h.handOver(wr, r, expires); handed {
			return true
		}
	}
	reason, err := outcome(ctx, r.Context(), wr.err, err)
	abort := wr.finish(reason, err)
	wr.st.work.Wait()
	wr.st.end(reason, err)
	if abort {
		if !r.ProtoAtLeast(1, 1) {
			reset(wr.control)
		}
		// The one way to tell a reader of lines that the end is not the end.
		panic(http.ErrAbortHandler)
	}
	return false
}
