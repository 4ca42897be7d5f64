package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
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
	// run writes the source's events to d until it has no more, fails, or ctx ends. It
	// returns nil when it has no more. handOver says that the client has everything
	// there is, and that a shard expects the stream.
	run func(ctx context.Context, d *carry.Blocking, settled func() bool) (handOver bool, err error)
	// cursor is what a topic is read by, or nil.
	cursor *hub.Cursor
}

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
	reader  reading.Reader // of the feed, for what any goroutine may ask
	text    session.Text   // of the topic's data
	policy  hub.Policy
	filter  func(*http.Request) (hub.Filter, error)
	open    func(r *http.Request, st *carry.Stream, f answer.Format) (opened, error)
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
	if f == answer.EventStream && LastEventID(r) == sse.EndID {
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
	st := &carry.Stream{
		Route:   h.srv.route(name),
		Remote:  r.RemoteAddr,
		Subject: h.srv.subject(r, grant),
		Opened:  time.Now(),
		Finish:  h.finish,
		Format:  f.String(),
		Closed:  h.srv.closed,
	}
	if no := h.srv.add(st); no != nil {
		h.refuse(w, r, f, no)
		return
	}
	// Whatever happens below, the books are closed; the reason that is found there
	// comes first.
	handed := false
	defer func() {
		if !handed {
			st.End(session.Failed, errors.New("handlers: the handler panicked"))
		}
	}()

	src, err := h.open(r, st, f)
	if errors.Is(err, errNothingLeft) {
		w.WriteHeader(http.StatusNoContent)
		st.End(session.Completed, nil)
		return
	}
	if err != nil {
		WriteProblem(w, err)
		st.End(session.Failed, err)
		return
	}
	handed = h.carry(w, control, r, st, f, src, grant, uint64(take))
}

// carry runs the stream st of an opened source to its end, or until a shard carries it:
// then it returns true.
func (h *Handler) carry(w http.ResponseWriter, control *http.ResponseController, r *http.Request, st *carry.Stream, f answer.Format, src opened, grant Grant, take uint64) (handed bool) {
	if src.cursor != nil {
		defer src.cursor.Close()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	res := &carry.Response{W: w, Control: control, Head: func(w http.ResponseWriter) { h.head(w, r, f) }}
	cfg := carry.Config{
		Stream:    st,
		Session:   h.session(st, src.spot, grant),
		Plan:      h.plan(st.Route.Name, f),
		Take:      take,
		Pushes:    src.cursor == nil,
		Peer:      res,
		Base:      h.srv.base,
		Grace:     max(h.srv.cfg.Grace, 0),
		Heartbeat: h.heartbeat(f),
		Pace:      h.srv.cfg.Pace,
		MaxEvent:  h.srv.cfg.MaxEvent,
		Problem:   problemJSON,
		Stop:      cancel,
	}
	var array *carry.Array
	if f == answer.JSONArray {
		array = &carry.Array{Max: maxArray, TooLarge: tooLarge}
		cfg.Peer = array
	}
	d := carry.NewBlocking(cfg)
	lane := h.lane(w, r, f, take, src.cursor)
	settled := func() bool { return lane.expects(src.cursor) }

	var err error
	handOver := r.Context().Err() == nil && settled()
	if !handOver {
		handOver, err = h.run(ctx, d, src, settled)
	}
	if handOver {
		d.Open() // also at once, when nothing of what run does is needed
		if !d.Session().Settled() {
			lane.shard.Forget()
		} else if handed, err = h.handOver(d, res, r, st, lane); handed {
			return true
		}
	}
	reason := session.Completed
	if err != nil {
		reason = session.Failed
	}
	d.Finish(reason, err, r.Context().Err() != nil)
	d.Close()
	if array != nil {
		h.serveArray(d, array, res, st)
		return false
	}
	h.conclude(d, res, r, st)
	return false
}

// run runs an opened source, and ends the driver's timer whatever panics.
func (h *Handler) run(ctx context.Context, d *carry.Blocking, src opened, settled func() bool) (handOver bool, err error) {
	panicked := true
	defer func() {
		if panicked || handOver {
			d.Close()
		}
	}()
	d.Start()
	handOver, err = src.run(ctx, d, settled)
	panicked = false
	return handOver, err
}

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

// plan returns what the handler's streams on a route have in common.
func (h *Handler) plan(route string, f answer.Format) session.Plan {
	return session.Plan{
		Words: session.Words{
			Lines:          f != answer.EventStream,
			Typed:          h.typed,
			Silent:         f == answer.JSONArray,
			Topic:          h.feed != nil,
			Text:           h.text,
			Name:           route,
			Retry:          h.srv.retry,
			RetryElsewhere: h.srv.retryElsewhere,
		},
		Timeout:  int64(h.srv.cfg.WriteTimeout),
		Farewell: int64(min(farewell, h.srv.cfg.WriteTimeout)),
		Ending:   ending,
	}
}

// farewell is how long the last words of a draining server may take: a client that does
// not read must not hold up the process.
const farewell = 250 * time.Millisecond

// ending says what the end of a topic means to its streams.
func ending(err error) (session.Reason, []byte) {
	switch {
	case err == nil:
		return session.Completed, nil
	case errors.Is(err, hub.ErrCut):
		return session.Cut, nil
	case errors.Is(err, hub.ErrClosed):
		return session.Drained, nil
	}
	return session.Failed, problemJSON(err)
}

// problemJSON returns what clients are told of err.
func problemJSON(err error) []byte {
	b, err := json.Marshal(answer.ProblemOf(err))
	if err != nil {
		panic(err) // see ProblemOf
	}
	return b
}

func (h *Handler) heartbeat(f answer.Format) time.Duration {
	if f == answer.JSONArray {
		return 0
	}
	return max(h.srv.cfg.Heartbeat, 0)
}

// head sends the status and the headers of a stream.
func (h *Handler) head(w http.ResponseWriter, r *http.Request, f answer.Format) {
	answer.StreamHeaders(w.Header(), f, h.heartbeat(f))
	if r.ProtoMajor < 2 {
		// The connection ends with the stream: net/http promises nowhere that a
		// deadline set here is not kept for the connection's next request.
		w.Header().Set("Connection", "close")
		if f == answer.EventStream {
			// The answer ends with the connection (RFC 9112, section 6.3): a shard knows
			// nothing of chunks, and a chunk for each event has a cost. An event stream
			// needs none: its own last words tell an end from a cut.
			w.Header().Set("Transfer-Encoding", "identity")
		}
	}
	w.WriteHeader(http.StatusOK)
}

// conclude ends the response to a stream that the handler has carried to its end.
func (h *Handler) conclude(d *carry.Blocking, res *carry.Response, r *http.Request, st *carry.Stream) {
	reason, abort := d.Session().End()
	switch {
	case reason == session.Failed && !res.Started():
		WriteProblem(res.W, d.Err())
	case !abort && res.Started() && r.ProtoMajor < 2:
		// net/http has yet to write the end of the body.
		res.Control.SetWriteDeadline(time.Now().Add(h.srv.cfg.WriteTimeout))
	}
	st.Work.Wait()
	st.End(reason, d.Err())
	if abort {
		if !r.ProtoAtLeast(1, 1) {
			res.Reset()
		}
		// NDJSON has no error marker, and an event stream that stalls could not be told:
		// aborting the connection is the only signal of an incomplete body.
		panic(http.ErrAbortHandler)
	}
}

// maxArray bounds the size of a JSON array, which is kept in memory until it is whole.
const maxArray = 16 << 20

func tooLarge(limit int) error {
	return &carry.EncodeError{Err: &Problem{Detail: fmt.Sprintf("the array is larger than %d bytes; take fewer values, or ask for application/x-ndjson", limit)}}
}

// serveArray answers with the array that the stream has become, or says why it is not
// whole.
func (h *Handler) serveArray(d *carry.Blocking, array *carry.Array, res *carry.Response, st *carry.Stream) {
	reason, _ := d.Session().End()
	err := d.Err()
	switch reason {
	case session.Completed:
		body := array.Bytes()
		res.Head = func(w http.ResponseWriter) {
			answer.StreamHeaders(w.Header(), answer.JSONArray, 0)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(http.StatusOK)
		}
		if err = res.Put(body, h.srv.cfg.WriteTimeout, st); errors.Is(err, os.ErrDeadlineExceeded) {
			reason = session.Stalled
		} else if err != nil {
			reason = session.Left
		}
	case session.Failed:
		WriteProblem(res.W, err)
	case session.Drained, session.Expired, session.Revoked, session.Cut:
		events, _ := d.Session().Counts()
		answer.SetRetryAfter(res.W.Header(), h.srv.retryElsewhere())
		WriteProblem(res.W, &Problem{
			Status: http.StatusServiceUnavailable,
			Detail: fmt.Sprintf("the array was not whole (%d values) when the stream ended (%s); try again, or ask for application/x-ndjson", events, reason),
		})
	}
	st.Work.Wait()
	st.End(reason, err)
}

// refuse answers a request for a stream that cannot be opened now. An EventSource would
// give up for good at any status but 200, so it is given a stream that says goodbye.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f answer.Format, no *refusal) {
	retry := h.srv.retryElsewhere()
	if f == answer.EventStream {
		answer.StreamHeaders(w.Header(), f, 0)
		if r.ProtoMajor < 2 && no == refusedDraining {
			w.Header().Set("Connection", "close")
		}
		w.Write(session.Bye(no.reason, retry))
		return
	}
	answer.SetRetryAfter(w.Header(), retry)
	WriteProblem(w, &Problem{Status: no.status, Detail: no.detail})
}
