package client

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// IdleLimit sets how long a connection may be silent, from the request on, before
// it counts as dead, is closed and made anew; any byte counts, a heartbeat too.
// Only the time spent waiting for the server is counted, not the time the caller
// takes over an event. Defaults to 2.5 times what the server announces in its
// Stream-Heartbeat header, and to no limit if it announces nothing; what the last
// connection announced also bounds the wait for the next answer, unless
// [HeadTimeout] does. [Off] switches it off.
func IdleLimit(d time.Duration) Option {
	return func(c *config) { set(c, &c.idle, d, d <= 0 && d != Off, "IdleLimit") }
}

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
