package handlers

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/internal/socket"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An exchange is one request for the stream of a [Handler], and its answer.
type exchange struct {
	*Handler
	w http.ResponseWriter
	r *http.Request

	// Set by negotiate.
	control *http.ResponseController
	format  answer.Format
	take    int // how many events the client asks for; 0 is all

	// Set by enter.
	stream *carry.Stream
	grant  Grant

	// Set by serve.
	source opened
	res    *carry.Response
	driver *carry.Blocking
}

var readMethods = []string{http.MethodGet, http.MethodHead}

// negotiate settles the form of the answer. It returns false if the request has been
// answered without a stream.
func (x *exchange) negotiate() bool {
	w, r := x.w, x.r
	if !x.srv.cors.Admit(w, r, readMethods) {
		return false
	}
	w.Header().Add("Vary", "Accept")
	if err := answer.CheckFlush(w); err != nil {
		x.srv.cfg.Logger.Error(err.Error(), "path", r.URL.Path)
		return x.fail(&Problem{Detail: err.Error()})
	}
	var err error
	if x.format, err = answer.Negotiate(r.Header); err != nil {
		return x.fail(err)
	}
	if x.take, err = answer.Take(answer.Query(r), x.format, x.finite); err != nil {
		return x.fail(err)
	}
	if x.format == answer.EventStream && LastEventID(r) == sse.EndID {
		w.WriteHeader(http.StatusNoContent) // tells an EventSource to stop (HTML standard, 9.2.3)
		return false
	}
	if r.Method == http.MethodHead {
		answer.StreamHeaders(w.Header(), x.format, x.heartbeat(x.format))
		w.WriteHeader(http.StatusOK)
		return false
	}
	x.control = http.NewResponseController(w)
	if err := answer.DiscardBody(x.control, r, x.srv.cfg.WriteTimeout); err != nil {
		return x.fail(err)
	}
	return true
}

// fail answers with the problem that err is. It returns false.
func (x *exchange) fail(err error) bool {
	WriteProblem(x.w, err)
	return false
}

// enter asks whether the request may have the stream, and enters it among the open ones.
// It returns false if the request has been answered without.
func (x *exchange) enter() bool {
	name := x.routeName()
	access := Access{Route: name, Action: ActionSubscribe}
	if x.replays && answer.AsksForHistory(x.r) {
		access.Action = ActionReplay
	}
	asked := x.srv.begin()
	defer x.srv.forget(asked)
	grant, err := x.srv.authorize(x.r, access)
	if err != nil {
		return x.fail(err)
	}
	x.grant = grant
	x.stream = &carry.Stream{
		Route:   x.srv.route(name),
		Remote:  x.r.RemoteAddr,
		Subject: x.srv.subject(x.r, grant),
		Opened:  time.Now(),
		Finish:  x.finish,
		Format:  x.format.String(),
		Closed:  x.srv.closed,
	}
	if no := x.srv.add(x.stream, asked); no != nil {
		x.refuse(no)
		return false
	}
	return true
}

// routeName returns the name of the stream's route. It may come from the request, and goes
// into the stream, so that it must be valid UTF-8.
func (x *exchange) routeName() string {
	return strings.ToValidUTF8(cmp.Or(x.name, x.r.Pattern, x.r.URL.Path), "\uFFFD")
}

// refuse answers a request for a stream that cannot be opened now. An EventSource never
// retries after a status other than 200, so it is given a stream that ends with
// stream.bye at once.
func (x *exchange) refuse(no *refusal) {
	retry := x.srv.retryElsewhere()
	if x.format == answer.EventStream {
		answer.StreamHeaders(x.w.Header(), x.format, 0)
		if x.r.ProtoMajor < 2 && no == refusedDraining {
			x.w.Header().Set("Connection", "close")
		}
		x.w.Write(session.Bye(no.reason, retry))
		return
	}
	answer.SetRetryAfter(x.w.Header(), retry)
	WriteProblem(x.w, &Problem{Status: no.status, Detail: no.detail})
}

// serve opens the source and carries the stream until it ends, or until a shard takes it
// over.
func (x *exchange) serve() {
	// Count the stream's end whatever happens below. The first reason given counts.
	handed := false
	defer func() {
		if !handed {
			x.stream.End(session.Error, errors.New("handlers: the handler panicked"))
		}
	}()
	source, err := x.open(x.r, x.stream, x.format)
	switch {
	case errors.Is(err, errNothingLeft):
		x.w.WriteHeader(http.StatusNoContent)
		x.stream.End(session.Complete, nil)
	case err != nil:
		WriteProblem(x.w, err)
		x.stream.End(session.Error, err)
	default:
		x.source = source
		handed = x.carry()
	}
}

// carry runs the opened source until the stream has ended, or until a shard carries the
// stream: then it returns true.
func (x *exchange) carry() (handed bool) {
	if x.source.cursor != nil {
		defer x.source.cursor.Close()
	}
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	x.res = &carry.Response{W: x.w, Control: x.control, Head: x.head}
	peer := carry.Peer(x.res)
	var array *carry.Array
	if x.format == answer.JSONArray {
		array = &carry.Array{Max: maxArray, TooLarge: tooLarge}
		peer = array
	}
	x.driver = x.newDriver(peer, cancel)
	lane := x.lane()
	settled := func() bool { return lane.expects(x.source.cursor) }

	var err error
	handOver := x.r.Context().Err() == nil && settled()
	if !handOver {
		handOver, err = x.run(ctx, settled)
	}
	if handOver {
		if handed, err = x.handOver(lane); handed {
			return true
		}
	}
	reason := session.Complete
	if err != nil {
		reason = session.Error
	}
	x.driver.Finish(reason, err, x.r.Context().Err() != nil)
	x.driver.Close()
	if array != nil {
		x.serveArray(array)
	} else {
		x.conclude()
	}
	return false
}

// newDriver returns a driver that writes the stream to peer. cancel stops the source.
func (x *exchange) newDriver(peer carry.Peer, cancel context.CancelCauseFunc) *carry.Blocking {
	return carry.NewBlocking(carry.Config{
		Stream:    x.stream,
		Plan:      x.plan(x.format),
		Take:      uint64(x.take),
		Pushes:    x.source.cursor == nil,
		Peer:      peer,
		Base:      x.srv.base,
		Grace:     max(x.srv.cfg.Grace, 0),
		Heartbeat: x.heartbeat(x.format),
		Pacer:     x.pacer,
		MaxEvent:  x.srv.cfg.MaxEvent,
		Problem:   problemJSON,
		Stop:      cancel,
	}, x.session(x.stream, x.source.spot, x.grant))
}

// run runs the opened source. It stops the driver's timer even if the source panics.
func (x *exchange) run(ctx context.Context, settled func() bool) (handOver bool, err error) {
	if conn, ok := x.r.Context().Value(connKey{}).(net.Conn); ok {
		// A kernel that holds megabytes for a slow client tells of progress only when a
		// good part of them has left. An error means that it is not a socket.
		_ = socket.Limit(conn, socket.Limits{Unsent: maxUnsent})
	}
	panicked := true
	defer func() {
		if panicked || handOver {
			x.driver.Close()
		}
	}()
	x.driver.Start()
	handOver, err = x.source.run(ctx, x.driver, settled)
	panicked = false
	return handOver, err
}

// head sends the status and the headers of the stream.
func (x *exchange) head(w http.ResponseWriter) {
	answer.StreamHeaders(w.Header(), x.format, x.heartbeat(x.format))
	if x.r.ProtoMajor < 2 {
		// The connection ends with the stream, because net/http does not promise to
		// reset a deadline set here before the connection's next request.
		w.Header().Set("Connection", "close")
		if x.format == answer.EventStream {
			// The body ends with the connection (RFC 9112, section 6.3): a shard does
			// not write chunks, and a chunk for each event has a cost. An event stream
			// needs no chunks, because its last event tells an end from a cut.
			w.Header().Set("Transfer-Encoding", "identity")
		}
	}
	w.WriteHeader(http.StatusOK)
}

// conclude ends the response after the stream has ended here.
func (x *exchange) conclude() {
	reason, abort := x.driver.Session().End()
	switch {
	case reason == session.Error && !x.res.Started():
		WriteProblem(x.w, x.driver.Err())
	case !abort && x.res.Started() && x.r.ProtoMajor < 2:
		// net/http has yet to write the end of the body.
		x.control.SetWriteDeadline(time.Now().Add(x.srv.cfg.WriteTimeout))
	}
	x.stream.Work.Wait()
	x.stream.End(reason, x.driver.Err())
	if abort {
		if !x.r.ProtoAtLeast(1, 1) {
			x.res.Reset()
		}
		// NDJSON has no error marker, and an event stream that stalls could not be told:
		// aborting the connection is the only signal of an incomplete body.
		panic(http.ErrAbortHandler)
	}
}
