package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
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
	Problem *Problem
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
		s += ": " + e.Problem.String()
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

// A Problem is an application/problem+json object (RFC 9457).
type Problem struct {
	Type     string // "about:blank" if the server named none
	Title    string
	Status   int
	Detail   string
	Instance string
	// Extensions holds every other member.
	Extensions map[string]json.RawMessage
}

// String returns the title and the detail.
func (p *Problem) String() string {
	switch {
	case p.Title == "" && p.Detail == "":
		return p.Type
	case p.Title == "":
		return p.Detail
	case p.Detail == "":
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// parseProblem reads a problem object. A member whose type is wrong is ignored,
// as RFC 9457, section 3.1, demands; nil is returned for what is no object.
func parseProblem(data []byte) *Problem {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil
	}
	p := &Problem{}
	for name, dst := range map[string]any{
		"type": &p.Type, "title": &p.Title, "status": &p.Status, "detail": &p.Detail, "instance": &p.Instance,
	} {
		_ = json.Unmarshal(members[name], dst) // absent or of a wrong type: ignored
		delete(members, name)
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	if len(members) > 0 {
		p.Extensions = members
	}
	return p
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
		e.Problem = parseProblem(body)
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
