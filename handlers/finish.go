package handlers

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

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
	case errors.Is(cause, errDraining), errors.Is(failed, errDraining):
		return Drained, nil
	case errors.Is(failed, errCut):
		return Cut, nil
	case errors.Is(cause, errMaxAge):
		return Expired, nil
	case errors.Is(cause, errRevoked):
		return Revoked, nil
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
	switch reason {
	case Left, Stalled:
		return false
	case Failed:
		if !w.started {
			WriteProblem(w.w, cause)
			return false
		}
	case Drained:
		if cause != nil {
			return false // cut in the middle of a write
		}
		timeout = min(timeout, farewell)
	}
	c := w.st.lastWord(reason, cause)
	if errors.Is(w.err, errTaken) {
		c.id = endID // also where ids are positions: the client has all that it wanted
	}
	if w.st.format == answer.NDJSON && !w.typed {
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
	if w.http1 {
		w.deadline(timeout) // for the last chunk, which net/http has yet to write
	}
	return false
}

// lastWord is what the client is told at the end for reason, if it can be told.
func (st *stream) lastWord(reason Reason, cause error) control {
	switch reason {
	case Completed:
		c := control{name: "stream.complete", id: endID, data: struct{}{}}
		if st.feed != nil {
			c.id = "" // a topic's ids are its positions, to the end
		}
		return c
	case Failed:
		return control{name: "stream.error", data: answer.ProblemOf(cause)}
	case Drained:
		return bye(string(reason), st.srv.retryElsewhere())
	}
	return bye(string(reason), st.srv.retry())
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
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f answer.Format, no *refusal) {
	retry := h.srv.retryElsewhere()
	if f == answer.EventStream {
		answer.StreamHeaders(w.Header(), f, 0)
		if r.ProtoMajor < 2 && no == refusedDraining {
			w.Header().Set("Connection", "close")
		}
		w.Write(bye(no.reason, retry).append(nil, f))
		return
	}
	answer.SetRetryAfter(w.Header(), retry)
	WriteProblem(w, &Problem{Status: no.status, Detail: no.detail})
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
