package client

import (
	"fmt"
	"net/http/httptrace"
	"sync"
	"time"
)

// A TimeoutError says that a phase of a request took longer than Limit: see
// [ConnectTimeout] and [HeadTimeout].
type TimeoutError struct {
	Phase Phase
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	if e.Phase == PhaseConnect {
		return fmt.Sprintf("client: timeout: no connection within %v: the option ConnectTimeout sets another limit", e.Limit)
	}
	return fmt.Sprintf("client: timeout: no answer within %v of the request: the option HeadTimeout sets another limit", e.Limit)
}

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }

// A Phase is a phase of a request.
type Phase string

// The phases that have a limit.
const (
	PhaseConnect Phase = "connect" // up to an established connection
	PhaseHead    Phase = "head"    // from the request's last byte to the answer's head
)

const defaultConnectTimeout = 30 * time.Second

// ConnectTimeout limits how long it may take to get a connection, including name
// resolution, proxy and TLS; a reused connection takes no time. When the limit is
// exceeded, the attempt fails with a [*TimeoutError], which a stream treats like any lost
// connection. The limit applies to each redirect separately. Defaults to 30 s; [Off]
// means no limit.
//
// The [http.Client] must report its connections to [httptrace], as [http.Transport]
// does, over HTTP/2 too. With a transport that does not, this limit has no effect.
func ConnectTimeout(d time.Duration) Option {
	return func(c *config) { set(c, &c.connectLimit, d, d <= 0 && d != Off, "ConnectTimeout") }
}

// HeadTimeout limits the wait for the head of an answer, beginning when the request has
// been written, including its body. The limit applies to each redirect separately. When
// it is exceeded, the attempt fails with a [*TimeoutError], which a stream treats like
// any lost connection. Defaults to [Off]: many servers send the head of a stream only
// with its first event, which may take hours.
//
// With a transport that does not report its requests to [httptrace], the limit applies
// to the whole time from the start to the end of all redirects.
func HeadTimeout(d time.Duration) Option {
	return func(c *config) { set(c, &c.headLimit, d, d <= 0 && d != Off, "HeadTimeout") }
}

// A stopwatch limits the phases of one request and its redirects. It relies on trace
// events of net/http, which may come from any goroutine, and late.
type stopwatch struct {
	connect, head time.Duration // 0 or less means no limit
	bite          func(error)

	mu    sync.Mutex
	stage stage
	timer *time.Timer // of the current stage; nil if that has no limit
}

type stage int

const (
	sending    stage = iota // no limit, because an upload may take long
	connecting              // limited by connect
	waiting                 // limited by head
	over                    // later trace events are ignored
)

// trace starts in the stage waiting, as if the request had been written: with a
// transport that reports nothing, the stage stays that.
func (w *stopwatch) trace() *httptrace.ClientTrace {
	w.enter(waiting)
	return &httptrace.ClientTrace{
		GetConn: func(string) { w.enter(connecting) },
		GotConn: func(httptrace.GotConnInfo) { w.enter(sending) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				w.enter(waiting)
			}
		},
	}
}

func (w *stopwatch) enter(s stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stage == over || s == waiting && w.stage != sending {
		return // a late trace event: the response arrived before the request was fully written
	}
	w.stage = s
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	e := &TimeoutError{PhaseConnect, w.connect}
	switch s {
	case connecting:
	case waiting:
		e = &TimeoutError{PhaseHead, w.head}
	default:
		return
	}
	if e.Limit <= 0 {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(e.Limit, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer == t { // otherwise it fired while being stopped
			w.bite(e)
		}
	})
	w.timer = t
}
