package handlers

import (
	"github.com/labstack/echo/v4"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// Echo serves h as an Echo handler. The route's path is the stream's name in
// logs and metrics unless h has one ([Name]).
//
// Echo's Gzip middleware, and any other that wraps the response in a writer
// that compresses, is bypassed for the stream if it is the innermost one that
// sees it; a response writer that cannot flush is answered with status 500.
func Echo(h *Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		res := c.Response()
		outer := res.Writer
		res.Writer = answer.Uncompressed(outer)
		defer func() { res.Writer = outer }()
		// Echo's Response counts and commits what is written through it, but its
		// own Flush drops the error of a dead connection: flush what it wraps.
		h.serve(res, res.Writer, c.Request(), c.Path())
		return nil
	}
}
