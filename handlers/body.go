package handlers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// maxBody is the size of the largest body that a request for a stream may have.
const maxBody = 64 << 10

// discardBody reads the body of r, which means nothing (RFC 9110, section 9.3.1).
// As long as it has not been read, net/http does not notice when an HTTP/1 client
// leaves, and it would wait for the rest when the stream has ended.
func discardBody(control *http.ResponseController, r *http.Request, within time.Duration) error {
	if r.Body != nil && r.Body != http.NoBody {
		control.SetReadDeadline(time.Now().Add(within))
		switch n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &Problem{Status: http.StatusRequestTimeout, Detail: fmt.Sprintf("the request's body did not arrive within %v; a stream needs none", within)}
		case err != nil:
			return &Problem{Status: http.StatusBadRequest, Detail: "the request's body cannot be read; a stream needs none"}
		case n > maxBody:
			return &Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the request's body is longer than %d bytes; a stream needs none", maxBody)}
		}
	}
	// Deadlines that are left, the http.Server's above all, would end the stream:
	// the request has been read, and each write has a deadline of its own.
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	return nil
}
