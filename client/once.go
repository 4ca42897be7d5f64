package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// MaxBody limits the answer that [Once] reads, in bytes; a larger answer is a
// [*BodyTooLargeError]. Defaults to 8 MiB.
func MaxBody(bytes int) Option {
	return func(c *config) { set(c, &c.maxBody, bytes, bytes <= 0, "MaxBody") }
}

// A BodyTooLargeError is an answer to [Once] that is larger than [MaxBody].
type BodyTooLargeError struct{ Limit int }

func (e *BodyTooLargeError) Error() string {
	return fmt.Sprintf("client: body: the answer is larger than %d bytes: raise the limit with the option MaxBody", e.Limit)
}

// Once makes one request, with any method and body, and decodes the whole answer to a
// T: from JSON, or as the [Codec] says. A string or []byte is the answer as it is. Once
// asks for JSON and accepts anything ([Header] can set another Accept).
//
// A status other than 2xx is a [*StatusError], or the error of [OnStatus]. An answer
// that does not decode is a [*DecodeError]; one larger than [MaxBody] is a
// [*BodyTooLargeError]; an event stream, which may never end, is an error that says so.
// An answer without content (204, 205, or any to a HEAD request) gives a zero T.
//
// Once does not retry. [ConnectTimeout] and [HeadTimeout] apply, and a redirect that
// cannot be followed is a [*RedirectError]. When ctx ends, Once returns its cause at
// once.
func Once[T any](ctx context.Context, url string, opts ...Option) (T, error) {
	var v T
	c, err := newConfig(ctx, url, opts)
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := c.newRequest(ctx, c.home(), c.lastEventID, map[string]string{"Accept": "application/json, */*;q=0.5"})
	if err != nil {
		return v, err
	}
	res, _, err := c.do(req, cancel)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode/100 != 2:
		err, _ := c.statusError(res)
		return v, cancelled(ctx, err)
	case c.method == http.MethodHead, res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusResetContent:
		return v, nil
	case isMediaType(res.Header.Get("Content-Type"), eventStream):
		return v, errors.New("client: content type: the answer is an event stream: use Follow or Values, or ask for another type with the option Header")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(c.maxBody)+1))
	switch {
	case err != nil:
		return v, cancelled(ctx, fmt.Errorf("client: body: %w", err))
	case len(body) > c.maxBody:
		return v, &BodyTooLargeError{c.maxBody}
	}
	if err := c.codec.DecodeData(body, &v); err != nil {
		return *new(T), &DecodeError{Data: body, Err: err, answer: true}
	}
	return v, nil
}

// cancelled returns the cause of ctx instead of err if ctx has ended, because that is
// why the operation failed.
func cancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
