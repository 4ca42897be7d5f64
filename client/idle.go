package client

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// An IdleError says that a connection was closed because nothing arrived on it
// for Limit: see [IdleLimit].
type IdleError struct{ Limit time.Duration }

func (e *IdleError) Error() string {
	return fmt.Sprintf("client: the server was silent for %v", e.Limit)
}

// Timeout returns true.
func (e *IdleError) Timeout() bool { return true }

// heartbeats is how many announced heartbeats may pass in silence: one may be
// late, two are missing.
const heartbeats = 2.5

// idleLimit is how long the connection that h opened may be silent.
func (c *config) idleLimit(h http.Header) time.Duration {
	switch {
	case c.idle != 0:
		return max(c.idle, 0)
	case c.strict:
		return 0
	}
	s, err := strconv.ParseFloat(h.Get("Stream-Heartbeat"), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return time.Duration(min(s*heartbeats*float64(time.Second), float64(maxWait)))
}

// A watchdog bites when its reader has made the caller wait for longer than
// limit. It watches only while somebody waits: a consumer that takes its time
// over an event does not make the server silent.
type watchdog struct {
	r     io.Reader
	limit time.Duration // 0 = asleep; fixed once armed
	bite  func(error)
	timer *time.Timer
}

func (w *watchdog) Read(p []byte) (int, error) {
	w.arm()
	n, err := w.r.Read(p)
	w.disarm()
	return n, err
}

func (w *watchdog) arm() {
	switch {
	case w.limit <= 0:
	case w.timer != nil:
		w.timer.Reset(w.limit)
	default:
		limit := w.limit
		w.timer = time.AfterFunc(limit, func() { w.bite(&IdleError{limit}) })
	}
}

func (w *watchdog) disarm() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
