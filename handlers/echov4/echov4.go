// Package echov4 fits the stream handlers of package handlers to Echo v4:
//
//	e := echo.New()
//	e.Any("/ticks", echov4.Handler(handlers.Values(srv, ticks)))
//
// Use Any rather than GET where pages of other origins read the stream: the
// handler answers their preflight requests, which are OPTIONS, and refuses what
// is not a read.
package echov4

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// Handler returns an Echo handler that serves h. It returns when h does, and its
// error is always nil: h has told the client what went wrong.
//
// The stream goes through Echo's [echo.Response], which counts its bytes and
// knows that it has begun. Middleware that wraps the response in a writer that
// compresses, as Echo's Gzip does, is bypassed if no other wrapper is inside it.
// A response writer that cannot flush is answered with status 500.
//
// h sees the request as it would see one of net/http's ServeMux: Pattern is the
// route's path, which names the stream in logs and metrics unless h has a
// [handlers.Name], and PathValue returns Echo's path parameters. It is a copy;
// the context's request stays as it is.
//
// Do not use [echo.WrapHandler] for streams: Echo's Response hides the error of
// a connection that is gone, and the fast transport is not used.
func Handler(h *handlers.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		res := c.Response()
		outer := res.Writer
		res.Writer = answer.Uncompressed(outer)
		defer func() { res.Writer = outer }()
		h.ServeHTTP(answer.Through(res, res.Writer), request(c))
		return nil
	}
}

// request returns a copy of c's request that has the route's path and parameters.
func request(c echo.Context) *http.Request {
	r, names := c.Request(), c.ParamNames()
	if len(names) == 0 {
		r = r.WithContext(r.Context())
	} else {
		r = r.Clone(r.Context()) // or SetPathValue might change the original's values
	}
	if path := c.Path(); path != "" {
		r.Pattern = path
	}
	for i, value := range c.ParamValues() {
		r.SetPathValue(names[i], value)
	}
	return r
}
