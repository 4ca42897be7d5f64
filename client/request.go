package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"

	"github.com/fluxwire-go/fluxwire/internal/show"
)

const (
	lastEventIDHeader = "Last-Event-Id" // as net/http spells it; header names ignore case
	eventStream       = "text/event-stream"
)

// Method sets the request's method. Defaults to GET, or POST when there is a
// [Body].
func Method(method string) Option {
	return func(c *config) { c.method = method }
}

// Body sets the request's body and its Content-Type (no header if ""). open is called
// for every attempt, also for a redirect that repeats the body, and must return a new
// reader each time. A reader that is an [io.Closer] is closed after use. An error of
// open ends the call.
func Body(contentType string, open func() (io.Reader, error)) Option {
	return func(c *config) {
		if open == nil {
			c.fail("option Body: the function is nil")
			return
		}
		c.contentType, c.body = contentType, open
	}
}

// JSONBody sends v as an application/json [Body]. v is encoded once, when JSONBody is
// called.
func JSONBody(v any) Option {
	data, err := json.Marshal(v)
	if err != nil {
		return func(c *config) { c.fail("option JSONBody: %w", err) }
	}
	return Body("application/json", func() (io.Reader, error) { return bytes.NewReader(data), nil })
}

// Header sets a header of every request, instead of what the client would send. For a
// value that changes between attempts, such as a token that expires, use [OnRequest].
// Last-Event-ID is refused, because the client sets it; use [LastEventID] for the first
// request.
func Header(key string, values ...string) Option {
	return func(c *config) {
		key := http.CanonicalHeaderKey(key)
		if key == lastEventIDHeader {
			c.fail("option Header: the client sets Last-Event-ID: use the option LastEventID")
			return
		}
		c.header[key] = values
	}
}

// OnRequest sets a function that is called with the request of every attempt before it
// is sent, for example to set a fresh token. If it returns an error, the call ends with
// that error, unchanged.
//
// It is not called for the requests that follow a redirect. Those have the headers of
// the first request, as with [http.Client], but Authorization, Cookie and the like only
// for the same host and its subdomains. For an attempt that goes directly to the target
// of a permanent redirect it is called with that URL, and those headers are removed by
// the same rule. Other headers, also secret ones such as an API key, are sent to every
// target.
func OnRequest(f func(*http.Request) error) Option {
	return func(c *config) { set(c, &c.onRequest, f, f == nil, "OnRequest") }
}

// HTTPClient sets the client that makes the requests. Defaults to [http.DefaultClient].
// A stream refuses a client with a Timeout: [ErrClientTimeout].
func HTTPClient(client *http.Client) Option {
	return func(c *config) { set(c, &c.client, client, client == nil, "HTTPClient") }
}

// newRequest builds the request of one attempt. defaults are headers that the caller
// can replace.
func (c *config) newRequest(ctx context.Context, to address, lastEventID string, defaults map[string]string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, to.url.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("client: request: %w", err)
	}
	req.Header = c.header.Clone()
	for key, value := range defaults {
		if _, ok := req.Header[key]; !ok {
			req.Header.Set(key, value)
		}
	}
	if to.host != "" {
		req.Host = to.host // net/http ignores the header
	}
	switch {
	case lastEventID == "":
	case sendable(lastEventID):
		req.Header.Set(lastEventIDHeader, lastEventID)
	case c.idParam == "":
		return nil, fmt.Errorf("client: resume: the last event id %q holds a control character, which no header can carry: use the option LastEventIDQuery", lastEventID)
	}
	if c.idParam != "" {
		setParam(req.URL, c.idParam, lastEventID)
	}
	if c.onRequest != nil {
		if err := c.onRequest(req); err != nil {
			return nil, err
		}
	}
	if to.foreign {
		stripSensitive(req.Header)
	}
	if c.body != nil {
		if err := c.setBody(req); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// setBody opens the request's body. It is called last, so that no failure leaves the
// body open.
func (c *config) setBody(req *http.Request) error {
	r, err := c.openBody()
	if err != nil {
		return err
	}
	req.Body, req.ContentLength = r, -1 // unknown, so the body is sent in chunks
	if sized, ok := r.(sizedBody); ok {
		if req.ContentLength = int64(sized.size.Len()); req.ContentLength == 0 {
			req.Body = http.NoBody
		}
	}
	req.GetBody = c.openBody
	if _, ok := req.Header["Content-Type"]; !ok && c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
	}
	return nil
}

func (c *config) openBody() (io.ReadCloser, error) {
	r, err := c.body()
	if err != nil {
		return nil, fmt.Errorf("client: request body: %w", err)
	}
	if r == nil {
		return http.NoBody, nil
	}
	if rc, ok := r.(io.ReadCloser); ok {
		return rc, nil
	}
	// Like net/http, trust Len to be the whole length only with readers of the
	// standard library.
	switch r := r.(type) {
	case *bytes.Reader:
		return sizedBody{r, r}, nil
	case *bytes.Buffer:
		return sizedBody{r, r}, nil
	case *strings.Reader:
		return sizedBody{r, r}, nil
	}
	return io.NopCloser(r), nil
}

// A sizedBody is a body in memory whose length is known.
type sizedBody struct {
	io.Reader
	size interface{ Len() int }
}

func (sizedBody) Close() error { return nil }

// do sends req, follows redirects, and waits for the head of the answer. cancel must
// cancel req's context. If there was a redirect, hops are the requests that were made,
// beginning with req.
func (c *config) do(req *http.Request, cancel context.CancelCauseFunc) (res *http.Response, hops []*http.Request, err error) {
	ctx := req.Context()
	watch := stopwatch{connect: c.connectLimit, head: c.headLimit, bite: cancel}
	defer watch.enter(over)
	req = req.WithContext(httptrace.WithClientTrace(ctx, watch.trace()))

	client := *c.client // a copy: the client belongs to the caller
	client.CheckRedirect = c.checkRedirect(c.client.CheckRedirect, &hops)
	res, err = client.Do(req)
	if err == nil {
		return res, hops, nil
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if e, ok := errors.AsType[*RedirectError](err); ok {
		return nil, nil, e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, perr := url.Parse(e.URL); perr == nil {
			e.URL = show.URL(u) // net/http removes the password, but not the query
		}
		// net/http has no type for this error, which is not a network error.
		if strings.HasPrefix(e.Err.Error(), "failed to parse Location header") {
			return nil, nil, &RedirectError{e.URL, errors.New("the Location is not a URL")}
		}
	}
	return nil, nil, fmt.Errorf("client: request: %w", err)
}

// isMediaType reports whether the value of a Content-Type header has the media type
// typ. It ignores parameters: a stream is UTF-8 even if it claims another charset.
func isMediaType(header, typ string) bool {
	name, _, _ := strings.Cut(header, ";")
	return strings.EqualFold(strings.Trim(name, " \t"), typ)
}
