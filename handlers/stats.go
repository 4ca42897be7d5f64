package handlers

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats is what a [Server] has done so far.
type Stats struct {
	Open   int                   // streams open now
	Routes map[string]RouteStats // by route, see [Name]
}

// RouteStats is what one route of a [Server] has done so far.
type RouteStats struct {
	Open       int               // streams open now
	Opened     uint64            // streams that were opened
	Events     uint64            // events written, control events not counted
	Missed     uint64            // events that subscribers missed, and were told of
	Resumed    uint64            // streams of a topic that began after an event the client had
	Replayed   uint64            // events of a topic that were there before their stream
	Lag        uint64            // events that the open stream furthest behind has not written
	Gaps       map[string]uint64 // times that subscribers were told of missing events, by reason
	Heartbeats uint64
	Bytes      uint64 // bytes of body written
	Ended      map[Reason]uint64
}

// route is the counters of one route, shared by all its streams.
type route struct {
	name                                           string
	opened, events, missed, heartbeats, bytesCount atomic.Uint64
	resumed, replayed                              atomic.Uint64
	gaps                                           reasonCounts
	ended                                          [len(reasons)]atomic.Uint64
}

// Stats returns a snapshot of the counters. Counters of one route may be some
// events apart from each other, since streams go on while they are read.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	routes := maps.Clone(s.routes)
	open := make(map[*route]int, len(routes))
	lag := make(map[*route]uint64)
	for st := range s.open {
		open[st.route]++
		lag[st.route] = max(lag[st.route], st.lag())
	}
	stats := Stats{Open: len(s.open), Routes: make(map[string]RouteStats, len(routes))}
	s.mu.Unlock()

	for name, r := range routes {
		ended := make(map[Reason]uint64)
		for i := range r.ended {
			if n := r.ended[i].Load(); n > 0 {
				ended[reasons[i]] = n
			}
		}
		stats.Routes[name] = RouteStats{
			Open:       open[r],
			Opened:     r.opened.Load(),
			Events:     r.events.Load(),
			Missed:     r.missed.Load(),
			Resumed:    r.resumed.Load(),
			Replayed:   r.replayed.Load(),
			Lag:        lag[r],
			Gaps:       r.gaps.snapshot(),
			Heartbeats: r.heartbeats.Load(),
			Bytes:      r.bytesCount.Load(),
			Ended:      ended,
		}
	}
	return stats
}

// route returns the counters of the route called name.
func (s *Server) route(name string) *route {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routes[name]
	if r == nil {
		r = &route{name: name}
		s.routes[name] = r
	}
	return r
}

// reasonCounts counts by reason. Reasons are few: the hub's, and the Subject's.
type reasonCounts struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func (c *reasonCounts) add(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]uint64)
	}
	c.counts[reason]++
}

func (c *reasonCounts) snapshot() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
