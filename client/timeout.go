package client

import (
	"fmt"
	"net/http/httptrace"
	"sync"
	"time"
)

// A TimeoutError says which part of a request took longer than its Limit: see
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

// A Phase is a part of a request.
type Phase string

// The phases that can be limited.
const (
	PhaseConnect Phase = "connect" // up to an established connection
	PhaseHead    Phase = "head"    // from the request's last byte to the answer's head
)

const defaultConnectTimeout = 30 * time.Second

// ConnectTimeout limits how long it may take to get a connection, name resolution,
// proxy and TLS included; a connection that is used again takes no time. After it
// the attempt fails with a [*TimeoutError], which a stream treats like any lost
// connection. Each redirect counts anew. Defaults to 30 s; [Off] switches it
// off.
//
// The [http.Client] has to tell of its connections by [httptrace], as
// [http.Transport] does, over HTTP/2 too. Over a transport that does not, this
// limit means nothing.
func ConnectTimeout(d time.Duration) Option {
	return func(c *config) { set(c, &c.connectLimit, d, d <= 0 && d != Off, "ConnectTimeout") }
}

// HeadTimeout limits the wait for the head of an answer, from when the request,
// its body included, has been written; each redirect counts anew. After it the
// attempt fails with a [*TimeoutError], which a stream treats like any lost
// connection. Defaults to [Off]: many servers send the head of a stream only
// with its first event, and that may be hours away.
//
// Over a transport that does not tell of its requests by [httptrace] the limit
// counts from the beginning and to the end of all redirects.
func HeadTimeout(d time.Duration) Option {
	return func(c *config) { set(c, &c.headLimit, d, d <= 0 && d != Off, "HeadTimeout") }
}

// A stopwatch bounds the phases of one request and of the redirects it meets. It
// goes by what net/http tells it, which may come from any goroutine, and late.
type stopwatch struct {
	connect, head time.Duration // 0 or less = no limit
	bite          func(error)

	mu    sync.Mutex
	stage stage
	timer *time.Timer // of the stage; nil if it has no limit
}

type stage int

const (
	sending    stage = iota // no limit: an upload takes its time
	connecting              // connect
	waiting                 // head
	over                    // and nothing counts any more
)

// trace begins as if the request had been written: a transport that tells nothing
// leaves it at that.
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
		return // news of a request that has been answered before it was written
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
		if w.timer == t { // or it was stopped too late
			w.bite(e)
		}
	})
	w.timer = t
}
