package answer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// maxBody is the size of the largest body that a request for a stream may have.
const maxBody = 64 << 10

// DiscardBody reads r's body, which has no meaning (RFC 9110, section 9.3.1), and
// then lifts the connection's deadlines. Until the body has been read, net/http
// does not notice when an HTTP/1 client leaves, and at the end of the stream it
// would wait for the rest. control is of the response to r. The error is a
// [sse.Problem]: the body did not arrive within the time given, cannot be read, or
// is longer than 64 KiB.
func DiscardBody(control *http.ResponseController, r *http.Request, within time.Duration) error {
	if r.Body != nil && r.Body != http.NoBody {
		control.SetReadDeadline(time.Now().Add(within))
		switch n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxBody+1)); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &sse.Problem{Status: http.StatusRequestTimeout, Detail: fmt.Sprintf("the request's body did not arrive within %v; a stream needs none", within)}
		case err != nil:
			return &sse.Problem{Status: http.StatusBadRequest, Detail: "the request's body cannot be read; a stream needs none"}
		case n > maxBody:
			return &sse.Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the request's body is longer than %d bytes; a stream needs none", maxBody)}
		}
	}
	// A deadline that is left, above all one of the http.Server's, would end the
	// stream: the request has been read, and the stream sets a deadline for each
	// write.
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	return nil
}
