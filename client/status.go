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

// How much of the body of an error answer is read, and for how long.
const (
	maxErrorBody  = 64 << 10
	errorBodyTime = 5 * time.Second
)

// OnStatus sets a function that is called with every answer that would be a
// [*StatusError]. If it returns an error, the call ends with that error instead,
// unchanged and without a retry. The function may read the body (its first 64 KiB) and
// need not close it.
func OnStatus(f func(*http.Response) error) Option {
	return func(c *config) { set(c, &c.onStatus, f, f == nil, "OnStatus") }
}

// A StatusError is an answer with a status that the call cannot use: for [Once],
// everything but 2xx; for a stream, everything but 200 and 204 (which ends it without
// an error).
type StatusError struct {
	StatusCode int
	Status     string // as sent, "404 Not Found"
	Header     http.Header
	// Body is the body of the answer, up to its first 64 KiB.
	Body []byte
	// Problem is the body as a problem document, or nil if it is not valid
	// application/problem+json.
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

// A ContentTypeError is an answer with status 200 that is not an event stream.
type ContentTypeError struct {
	ContentType string
	// Body is the body of the answer, up to its first 64 KiB.
	Body []byte
}

func (e *ContentTypeError) Error() string {
	return fmt.Sprintf("client: content type: the server answered %q, not %s: %s", e.ContentType, eventStream, excerpt(e.Body))
}

// statusError returns the error for an answer with an unexpected status, after calling
// [OnStatus]. decided reports whether the error is that of OnStatus, which must not be
// retried. The caller closes the body.
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

// errorBody reads the body of an error answer, up to maxErrorBody and for at most
// errorBodyTime: an answer that never ends must not delay the error. If the body breaks
// off, it returns what has arrived.
func errorBody(res *http.Response) []byte {
	t := time.AfterFunc(errorBodyTime, func() { res.Body.Close() })
	defer t.Stop()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	return body
}

// excerpt returns the beginning of a body as one line for an error message.
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
