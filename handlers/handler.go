package handlers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A sink takes the events of one stream: a [wire] that sends each, or an
// [array] that collects them.
type sink interface {
	// write takes one event: what encode appends to its argument.
	write(ctx context.Context, encode func(dst []byte) ([]byte, error)) error
	// tell takes a control event, where the format has a place for one.
	tell(ctx context.Context, ev control) error
}

// run is a source at work for one request: it writes to out until it has no
// more, fails, or ctx ends. It returns nil when it has no more.
type run func(ctx context.Context, out sink) error

// A Handler serves one stream: see [Events], [Values], [Emit] and [Subject].
// It may serve any number of requests at once.
type Handler struct {
	srv    *Server
	name   string
	codec  sse.Codec
	finite bool
	typed  bool
	open   func(r *http.Request, st *stream) (run, error)
}

// An Option changes one setting of one [Handler].
type Option func(*Handler)

// Name names the stream in logs and in [Stats]. Defaults to the route's
// pattern, else the path.
func Name(name string) Option { return func(h *Handler) { h.name = name } }

// Finite declares that the source comes to an end by itself, so that a JSON
// array of it needs no take.
func Finite() Option { return func(h *Handler) { h.finite = true } }

// Codec encodes the data of the stream's events. Defaults to [sse.JSON].
func Codec(c sse.Codec) Option { return func(h *Handler) { h.codec = c } }

func (s *Server) newHandler(typed bool, opts []Option) *Handler {
	h := &Handler{srv: s, typed: typed}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

// ServeHTTP serves the stream until it ends.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = uncompressed(w)
	h.serve(w, w, r, r.Pattern)
}

var readMethods = []string{http.MethodGet, http.MethodHead}

// serve answers r through w; flush is the writer to flush, w itself or what it
// wraps.
func (h *Handler) serve(w, flush http.ResponseWriter, r *http.Request, pattern string) {
	if !h.srv.admit(w, r, readMethods) {
		return
	}
	w.Header().Add("Vary", "Accept")
	if err := checkFlush(flush); err != nil {
		h.srv.cfg.Logger.Error(err.Error(), "path", r.URL.Path)
		WriteProblem(w, &Problem{Detail: err.Error()})
		return
	}
	f, err := negotiate(r.Header)
	if err != nil {
		WriteProblem(w, err)
		return
	}
	take, err := parseTake(r.URL.Query(), f, h.finite)
	if err != nil {
		WriteProblem(w, err)
		return
	}
	if f == eventStream && LastEventID(r) == endID {
		w.WriteHeader(http.StatusNoContent) // tells an EventSource to stop (HTML standard, 9.2.3)
		return
	}
	if r.Method == http.MethodHead {
		streamHeaders(w.Header(), f, h.heartbeat(f))
		w.WriteHeader(http.StatusOK)
		return
	}
	control := http.NewResponseController(flush)
	if err := discardBody(control, r, h.srv.cfg.WriteTimeout); err != nil {
		WriteProblem(w, err)
		return
	}

	name := h.name
	switch {
	case name != "":
	case pattern != "":
		name = pattern
	default:
		name = r.URL.Path
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	st := h.srv.newStream(h.srv.route(name), r, f, cancel)
	if !h.srv.add(st) {
		h.refuse(w, r, f)
		return
	}
	// Whatever happens below, the books are closed; the reason that is found
	// there comes first.
	defer st.end(Failed, errors.New("handlers: the handler panicked"))

	run, err := h.open(r, st)
	if err != nil {
		WriteProblem(w, err)
		st.end(Failed, err)
		return
	}
	if h.srv.cfg.MaxAge > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, h.srv.maxAge(), errMaxAge)
		defer stop()
	}
	if f == jsonArray {
		h.serveArray(ctx, w, control, r, st, run, take)
		return
	}
	h.serveWire(ctx, w, control, r, st, run, take)
}

// maxBody is the size of the largest body that a request for a stream may have.
const maxBody = 64 << 10

// discardBody reads the body of r, which means nothing (RFC 9110, section 9.3.1).
// As long as it has not been read, net/http does not notice when an HTTP/1 client
// leaves, and it would wait for the rest when the stream has ended.
func discardBody(control *http.ResponseController, r *http.Request, within time.Duration) error {
	if r.Body != nil && r.Body != http.NoBody {
		control.SetReadDeadline(time.Now().Add(within))
		switch n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &Problem{Status: http.StatusRequestTimeout, Detail: fmt.Sprintf("the request's body did not arrive within %v; a stream needs none", within)}
		case err != nil:
			return &Problem{Status: http.StatusBadRequest, Detail: "the request's body cannot be read; a stream needs none"}
		case n > maxBody:
			return &Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the request's body is longer than %d bytes; a stream needs none", maxBody)}
		}
	}
	// Deadlines that are left, the http.Server's above all, would end the stream:
	// the request has been read, and each write has a deadline of its own.
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	return nil
}

func (h *Handler) heartbeat(f format) time.Duration {
	if f == jsonArray {
		return 0
	}
	return max(h.srv.cfg.Heartbeat, 0)
}

func (h *Handler) serveWire(ctx context.Context, w http.ResponseWriter, control *http.ResponseController, r *http.Request, st *stream, run run, take int) {
	wr := &wire{
		st:        st,
		w:         w,
		control:   control,
		http1:     r.ProtoMajor < 2,
		typed:     h.typed,
		take:      uint64(take),
		heartbeat: h.heartbeat(st.format),
		lock:      make(chan struct{}, 1),
	}
	hurried := make(chan struct{})
	stopHurry := context.AfterFunc(ctx, func() {
		defer close(hurried)
		if errors.Is(context.Cause(ctx), errDraining) {
			wr.hurry()
		}
	})
	defer wr.close() // whatever panics: its timer must not outlive the handler
	wr.begin(h.srv.cfg.Grace)
	err := run(ctx, wr)
	wr.close()
	if !stopHurry() {
		<-hurried
	}

	reason, err := outcome(ctx, r.Context(), wr.err, err)
	abort := wr.finish(reason, err)
	st.work.Wait()
	st.end(reason, err)
	if abort {
		if !r.ProtoAtLeast(1, 1) {
			reset(control)
		}
		// The one way to tell a reader of lines that the end is not the end.
		panic(http.ErrAbortHandler)
	}
}

// reset resets an HTTP/1.0 connection, of which the end is also the end of the
// answer: closed, what was cut would look whole. It is what nginx speaks to the
// servers behind it unless it is told otherwise.
func reset(control *http.ResponseController) {
	conn, _, err := control.Hijack()
	if err != nil {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // TLS would say goodbye, as if all were well
	}
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

// outcome says why a stream has ended: written is the first failure of its
// sink, failed what its source returned, request the client's own context.
func outcome(ctx, request context.Context, written, failed error) (Reason, error) {
	var encode *encodeError
	switch cause := context.Cause(ctx); {
	case errors.Is(written, errTaken):
		return Completed, nil
	case errors.As(written, &encode):
		return Failed, written
	case errors.Is(written, os.ErrDeadlineExceeded) && errors.Is(cause, errDraining):
		return Drained, written // hurried: it had no time to stall
	case errors.Is(written, os.ErrDeadlineExceeded):
		return Stalled, written
	case written != nil:
		return Left, written
	case request.Err() != nil:
		return Left, nil
	case errors.Is(cause, errDraining):
		return Drained, nil
	case errors.Is(cause, errMaxAge):
		return Expired, nil
	case failed != nil:
		return Failed, failed
	}
	return Completed, nil
}

// finish writes what the client is told at the end, and reports whether the
// connection must be aborted because it could not be told. The wire is closed,
// so that the caller alone writes.
func (w *wire) finish(reason Reason, cause error) (abort bool) {
	timeout := w.st.srv.cfg.WriteTimeout
	var c control
	switch reason {
	case Left, Stalled:
		return false
	case Completed:
		c = control{name: "stream.complete", id: endID, data: struct{}{}}
	case Failed:
		if !w.started {
			WriteProblem(w.w, cause)
			return false
		}
		c = control{name: "stream.error", data: asProblem(cause)}
	case Expired, Drained:
		if cause != nil {
			return false // cut in the middle of a write
		}
		if reason == Drained {
			timeout = min(timeout, farewell)
		}
		c = bye(string(reason), w.st.srv.retry())
	}
	if w.st.format == ndjson && !w.typed {
		if reason == Completed {
			if !w.started {
				w.put(nil, timeout)
			}
			// net/http has yet to write the end of the body, and the deadline of
			// the last line may have passed.
			w.deadline(timeout)
			return false
		}
		return true
	}
	w.put(c.append(w.preamble(w.buf[:0]), w.st.format), timeout)
	return false
}

// bye tells the client that the stream, not its source, is over, and when to
// connect again.
func bye(reason string, retry time.Duration) control {
	return control{name: "stream.bye", retry: retry, data: struct {
		Reason string `json:"reason"`
		Retry  int64  `json:"retry"`
	}{reason, retry.Milliseconds()}}
}

// refuse answers a request for a stream that cannot be opened now. An
// EventSource would give up for good at any status but 200, so it is given a
// stream that says goodbye.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f format) {
	retry := h.srv.retry()
	if f == eventStream {
		streamHeaders(w.Header(), f, 0)
		w.Header().Set("Connection", "close")
		w.Write(bye(string(Drained), retry).append(nil, f))
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(retry.Seconds()+0.5))))
	WriteProblem(w, &Problem{Status: http.StatusServiceUnavailable, Detail: fmt.Sprintf("the server is shutting down; try again in %v", retry)})
}
