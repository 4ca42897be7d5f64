package handlers

import (
	"fmt"
	"net/http"
	"strings"
)

// checkFlush reports whether w can flush, or an error that names the wrapper
// which hides it. It looks where [http.ResponseController] would.
func checkFlush(w http.ResponseWriter) error {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return fmt.Errorf("handlers: %T cannot flush, so events would not reach the client: take the middleware that wraps the response in it off this route, or give the wrapper an Unwrap method", w)
		}
	}
}

// uncompressed returns the writer below w if w compresses (by its type's
// name), else w. A compressor would hold back events until its block is full,
// or flush at each and keep some 760 KiB for every open stream.
func uncompressed(w http.ResponseWriter) http.ResponseWriter {
	u, ok := w.(interface{ Unwrap() http.ResponseWriter })
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
