package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// maxArray bounds the size of a JSON array, which is kept in memory until it
// is whole.
const maxArray = 16 << 20

// An array collects the values of a stream, so that the answer's status can
// tell whether it is whole.
type array struct {
	st   *stream
	take uint64
	lock chan struct{}
	body []byte
	err  error

	lines liner
}

// at implements [sink]: an array has no place for positions.
func (a *array) at(context.Context, eventlog.Pos) error { return nil }

func (a *array) write(ctx context.Context, encode func(dst []byte) ([]byte, error)) error {
	return a.add(ctx, encode, true)
}

func (a *array) tell(ctx context.Context, ev control) error {
	return a.add(ctx, func(dst []byte) ([]byte, error) { return ev.append(dst, answer.NDJSON), nil }, false)
}

func (a *array) add(ctx context.Context, encode func(dst []byte) ([]byte, error), counts bool) error {
	select {
	case a.lock <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.lock }()
	if a.err != nil {
		return a.err
	}
	separator := byte(',')
	if len(a.body) == 0 {
		separator = '['
	}
	body, err := guarded(encode, append(a.body, separator))
	if err == nil && len(body) > maxArray {
		err = &Problem{Detail: fmt.Sprintf("the array is larger than %d bytes; take fewer values, or ask for application/x-ndjson", maxArray)}
	}
	if err != nil {
		a.err = &encodeError{err}
		a.st.stop(a.err)
		return a.err
	}
	a.body = body[:len(body)-1] // without the line end
	if !counts {
		return nil
	}
	a.st.route.events.Add(1)
	if a.st.events.Add(1) == a.take {
		a.err = errTaken
		a.st.stop(a.err)
	}
	return nil
}

func (h *Handler) serveArray(ctx context.Context, w http.ResponseWriter, flush *http.ResponseController, r *http.Request, st *stream, run run, take int) {
	a := &array{st: st, take: uint64(take), lock: make(chan struct{}, 1)}
	err := run(ctx, a)
	a.lock <- struct{}{} // for good: whoever writes from now on is turned away

	reason, err := outcome(ctx, r.Context(), a.err, err)
	wr := &wire{st: st, w: w, control: flush}
	switch reason {
	case Completed:
		body := a.body
		if len(body) == 0 {
			body = []byte{'['}
		}
		body = append(body, ']', '\n')
		answer.StreamHeaders(w.Header(), answer.JSONArray, 0)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		wr.started = true
		if wr.put(body, h.srv.cfg.WriteTimeout) != nil {
			reason, err = outcome(ctx, r.Context(), wr.err, nil)
		}
		wr.deadline(0) // all is written: the deadline is not for the connection's next request
	case Failed:
		WriteProblem(w, err)
	case Drained, Expired, Revoked, Cut:
		answer.SetRetryAfter(w.Header(), h.srv.retryElsewhere())
		WriteProblem(w, &Problem{
			Status: http.StatusServiceUnavailable,
			Detail: fmt.Sprintf("the array was not whole (%d values) when the stream ended (%s); try again, or ask for application/x-ndjson", st.events.Load(), reason),
		})
	}
	st.work.Wait()
	st.end(reason, err)
}
