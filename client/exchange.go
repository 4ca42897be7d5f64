package client

import (
	"context"
	"io"
	"net/http"
)

// Exchange makes one request and returns the answer as it is, whatever its
// status. The caller must close its body; the request, its body included, ends
// when ctx does.
//
// It follows redirects as the [http.Client] does (one that cannot be followed is a
// [*RedirectError]), sets no Accept header, and does not retry. [ConnectTimeout] and
// [HeadTimeout] apply until the head has arrived, not to the body. Exchange returns the
// error of the options or of the request; if ctx has ended, the cause of ctx.
func Exchange(ctx context.Context, url string, opts ...Option) (*http.Response, error) {
	c, err := newConfig(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := c.newRequest(ctx, c.home(), c.lastEventID, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	res, _, err := c.do(req, cancel)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	body := cancelBody{res.Body, cancel}
	res.Body = body
	if w, ok := body.ReadCloser.(io.Writer); ok { // after 101 Switching Protocols
		res.Body = struct {
			cancelBody
			io.Writer
		}{body, w}
	}
	return res, nil
}

// A cancelBody releases its request's context when it is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b cancelBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}
