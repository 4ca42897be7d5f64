package answer

import (
	"fmt"
	"net/http"
	"strings"
)

// An unwrapper is a response writer that wraps another one, as
// [http.ResponseController] knows it.
type unwrapper interface{ Unwrap() http.ResponseWriter }

// CheckFlush returns an error that names the wrapper which hides Flush, if w
// cannot flush. It looks where [http.ResponseController] does.
func CheckFlush(w http.ResponseWriter) error {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return nil
		case unwrapper:
			w = t.Unwrap()
		default:
			return fmt.Errorf("handlers: %T cannot flush, so events would not reach the client: remove the middleware that wraps the response in it from this route, or give the wrapper an Unwrap method", w)
		}
	}
}

// Uncompressed returns the writer below w if w compresses (its type's name says
// so), and otherwise w. A compressor would hold events back until its block is
// full, or flush after each and keep some 760 KiB for every open stream.
func Uncompressed(w http.ResponseWriter) http.ResponseWriter {
	u, ok := w.(unwrapper)
	if !ok {
		return w
	}
	name := strings.ToLower(fmt.Sprintf("%T", w))
	for _, kind := range []string{"gzip", "compress", "brotli", "zstd", "deflate"} {
		if strings.Contains(name, kind) {
			return u.Unwrap()
		}
	}
	return w
}
