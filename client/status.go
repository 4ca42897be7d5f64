package client

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/sse"
)

// How much of the body of a failed answer is kept, and how long it may take.
const (
	maxErrorBody  = 64 << 10
	errorBodyTime = 5 * time.Second
)

// OnStatus sets a function that sees every answer that would be a [*StatusError]
// before it becomes one. An error it returns ends the call in its place,
// unchanged and without a retry; nil leaves everything as it is. The function may
// read the body (its first 64 KiB) and need not close it.
func OnStatus(f func(*http.Response) error) Option {
	return func(c *config) { set(c, &c.onStatus, f, f == nil, "OnStatus") }
}

// A StatusError is an answer whose status is not what the call asked for: 4xx
// and 5xx for [Once]; for a stream everything but 200, and 204, which ends it
// without an error.
type StatusError struct {
	StatusCode int
	Status     string // as sent, "404 Not Found"
	Header     http.Header
	// Body is what the answer said, up to its first 64 KiB.
	Body []byte
	// Problem is the body, if it was application/problem+json that can be read.
	Problem *sse.Problem
}

func (e *StatusError) Error() string {
	s := "client: the server answered " + e.Status
	switch e.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if e.Header.Get("Location") == "" {
			s += " without a Location"
		}
	}
	switch {
	case e.Problem != nil:
		s += ": " + e.Problem.Message()
	case len(e.Body) > 0:
		s += ": " + excerpt(e.Body)
	}
	return s
}

// A ContentTypeError is a successful answer that is not an event stream.
type ContentTypeError struct {
	ContentType string
	// Body is what the answer said, up to its first 64 KiB.
	Body []byte
}

func (e *ContentTypeError) Error() string {
	return fmt.Sprintf("client: content type: the server answered %q, not %s: %s", e.ContentType, eventStream, excerpt(e.Body))
}

// statusError makes the error of an answer that is not welcome, after [OnStatus]
// has seen it. decided is true if the error is OnStatus' own and nothing must be
// retried. Closing the body is left to the caller.
func (c *config) statusError(res *http.Response) (err error, decided bool) {
	body := errorBody(res)
	if c.onStatus != nil {
		seen := *res
		seen.Body = io.NopCloser(bytes.NewReader(body))
		if err := c.onStatus(&seen); err != nil {
			return err, true
		}
	}
	e := &StatusError{StatusCode: res.StatusCode, Status: res.Status, Header: res.Header, Body: body}
	if isMediaType(res.Header.Get("Content-Type"), "application/problem+json") {
		e.Problem = sse.ParseProblem(body)
	}
	return e, false
}

// errorBody reads what a failed answer says, up to maxErrorBody and for no longer
// than errorBodyTime: an answer that is never finished must not keep the caller
// from its error. A body that breaks off still says something.
func errorBody(res *http.Response) []byte {
	t := time.AfterFunc(errorBodyTime, func() { res.Body.Close() })
	defer t.Stop()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	return body
}

// excerpt is the beginning of a body as one line of an error message.
func excerpt(body []byte) string {
	n := min(len(body), 200)
	cut := n < len(body)
	for cut && n > 0 && !utf8.RuneStart(body[n]) {
		n--
	}
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:n]), "\uFFFD")), " ")
	if cut {
		s += " …"
	}
	return s
}
