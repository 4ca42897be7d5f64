package client

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// IdleLimit sets how long a connection may be silent, beginning with the request,
// before it counts as lost and is closed. Any byte counts, also a heartbeat. Only the
// time spent waiting for the server counts, not the time that the caller spends on an
// event. Defaults to 2.5 times the interval that the server announces in its
// Stream-Heartbeat header, and to no limit without that header. The limit of the last
// connection also applies to the wait for the next answer, unless [HeadTimeout] is set.
// [Off] means no limit.
func IdleLimit(d time.Duration) Option {
	return func(c *config) { set(c, &c.idle, d, d <= 0 && d != Off, "IdleLimit") }
}

// An IdleError says that a connection was closed because nothing arrived for Limit:
// see [IdleLimit].
type IdleError struct{ Limit time.Duration }

func (e *IdleError) Error() string {
	return fmt.Sprintf("client: the server was silent for %v", e.Limit)
}

// Timeout returns true.
func (e *IdleError) Timeout() bool { return true }

// heartbeats is the number of heartbeat intervals without a byte after which a
// connection counts as lost: one heartbeat may be late, but not two.
const heartbeats = 2.5

// idleLimit returns how long the connection whose answer has the header h may be
// silent.
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

// A watchdog calls bite when a read from its reader takes longer than limit. It runs
// only during reads: a slow consumer does not count as a silent server.
type watchdog struct {
	r     io.Reader
	limit time.Duration // 0 means none; must not change after the first arm
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
