package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
)

// maxArray bounds the size of a JSON array, which is kept in memory until it is whole.
const maxArray = 16 << 20

func tooLarge(limit int) error {
	return &carry.EncodeError{Err: &Problem{Detail: fmt.Sprintf("the array is larger than %d bytes; take fewer values, or ask for application/x-ndjson", limit)}}
}

// serveArray answers with the array of the stream's events, or with a problem that says
// why it is not whole.
func (x *exchange) serveArray(array *carry.Array) {
	reason, _ := x.driver.Session().End()
	err := x.driver.Err()
	switch reason {
	case session.Complete:
		body := array.Bytes()
		x.res.Head = func(w http.ResponseWriter) {
			answer.StreamHeaders(w.Header(), answer.JSONArray, 0)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(http.StatusOK)
		}
		if err = x.res.Put(body, x.srv.cfg.WriteTimeout, x.stream); errors.Is(err, os.ErrDeadlineExceeded) {
			reason = session.Stalled
		} else if err != nil {
			reason = session.Left
		}
	case session.Error:
		WriteProblem(x.w, err)
	case session.Shutdown, session.MaxAge, session.Grant, session.Slow:
		events, _ := x.driver.Session().Counts()
		answer.SetRetryAfter(x.w.Header(), x.srv.retryElsewhere())
		WriteProblem(x.w, &Problem{
			Status: http.StatusServiceUnavailable,
			Detail: fmt.Sprintf("the array was not whole (%d values) when the stream ended (%s); try again, or ask for application/x-ndjson", events, reason),
		})
	}
	x.stream.Work.Wait()
	x.stream.End(reason, err)
}
