package system

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// pending is how many events may wait for one client. More are dropped silently, as in
// most handlers that are written like this one.
const pending = 64

// netHTTP is what people write by hand: a channel for each client, and a handler that
// formats and flushes the events from it.
type netHTTP struct {
	coalesce bool // writes all pending events before it flushes
	done     chan struct{}

	mu      sync.Mutex
	clients map[chan message]struct{}

	dropped atomic.Uint64
}

type message struct {
	id   uint64
	data string
}

func newNetHTTP(coalesce bool) *netHTTP {
	return &netHTTP{coalesce: coalesce, done: make(chan struct{}), clients: make(map[chan message]struct{})}
}

func (s *netHTTP) Publish(_ context.Context, seq uint64, data []byte) error {
	m := message{seq, string(data)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		select {
		case c <- m:
		default:
			s.dropped.Add(1)
		}
	}
	return nil
}

func (s *netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := make(chan message, pending)
	s.mu.Lock()
	s.clients[c] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.clients, c)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}
	for {
		select {
		case m := <-c:
			if !s.write(w, m, c) || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
	}
}

// write writes m and, if s coalesces, the other pending events.
func (s *netHTTP) write(w http.ResponseWriter, m message, c <-chan message) bool {
	for {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", m.id, m.data); err != nil {
			return false
		}
		if !s.coalesce {
			return true
		}
		select {
		case m = <-c:
		default:
			return true
		}
	}
}

func (s *netHTTP) Shutdown(context.Context) error {
	close(s.done)
	return nil
}

func (s *netHTTP) Counts() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]uint64{"open": uint64(len(s.clients)), "dropped": s.dropped.Load()}
}
