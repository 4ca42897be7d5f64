package answer

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// StreamHeaders sets the headers of a stream in format f. heartbeat is the
// longest time that the stream will be silent; it is announced, rounded up to
// whole seconds, if it is positive.
func StreamHeaders(h http.Header, f Format, heartbeat time.Duration) {
	h.Set("Content-Type", f.String())
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // otherwise nginx holds events back until its buffer is full
	if heartbeat > 0 {
		h.Set("Stream-Heartbeat", strconv.Itoa(wholeSeconds(heartbeat)))
	}
}

// SetRetryAfter asks the client to wait for retry, rounded up to whole seconds
// and at least one, before it tries again.
func SetRetryAfter(h http.Header, retry time.Duration) {
	h.Set("Retry-After", strconv.Itoa(max(1, wholeSeconds(retry))))
}

func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
