package handlers

import (
	"maps"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Stats is what a [Server] has done so far.
type Stats struct {
	Open   int                   // streams open now
	Routes map[string]RouteStats // by route, see [Name]; 1,000 at most, the rest counts as "others"
}

// RouteStats is what one route of a [Server] has done so far.
type RouteStats struct {
	Open       int                      // streams open now
	Fast       int                      // of these, those that the fast transport serves
	Opened     uint64                   // streams that were opened
	Events     uint64                   // events written, control events not counted
	Missed     uint64                   // events that subscribers missed, and were told of
	Resumed    uint64                   // streams of a topic that began after an event the client had
	Replayed   uint64                   // events of a topic that were there before their stream
	Lag        uint64                   // events that the open stream furthest behind has not written
	Gaps       map[sse.GapReason]uint64 // times that subscribers were told of missing events, by reason
	Heartbeats uint64
	Bytes      uint64 // bytes of body written
	Ended      map[Reason]uint64
	Ages       map[Reason]Ages // of the streams that have ended
}

// Ages says how old streams were when they ended.
type Ages struct {
	Count uint64
	Sum   time.Duration
	UpTo  map[time.Duration]uint64 // for each of a few ages, how many streams were not older
}

// maxRoutes bounds how many routes are counted each by itself, and others is the
// name under which the rest is: without a name or a pattern a stream is called by its
// path, which is the client's to choose.
const (
	maxRoutes = 1000
	others    = "others"
)

// Stats returns a snapshot of the counters. Counters of one route may be some
// events apart from each other, since streams go on while they are read.
func (s *Server) Stats() Stats {
	s.check("Server.Stats")
	s.mu.Lock()
	routes := maps.Clone(s.routes)
	open, fast := make(map[*carry.Route]int, len(routes)), make(map[*carry.Route]int)
	lag := make(map[*carry.Route]uint64)
	for st := range s.open {
		open[st.Route]++
		if st.Fast() {
			fast[st.Route]++
		}
		lag[st.Route] = max(lag[st.Route], st.Lag())
	}
	stats := Stats{Open: len(s.open), Routes: make(map[string]RouteStats, len(routes))}
	s.mu.Unlock()
	s.fast.lags(lag)

	for name, r := range routes {
		ended := make(map[Reason]uint64)
		ages := make(map[Reason]Ages)
		for reason := range session.Reasons {
			count, sum, upTo := r.Ended[reason].Snapshot()
			if count > 0 {
				name := Reason(session.Reason(reason).String())
				ended[name], ages[name] = count, Ages{Count: count, Sum: sum, UpTo: upTo}
			}
		}
		stats.Routes[name] = RouteStats{
			Open:       open[r],
			Fast:       fast[r],
			Opened:     r.Opened.Load(),
			Events:     r.Events.Load(),
			Missed:     r.Missed.Load(),
			Resumed:    r.Resumed.Load(),
			Replayed:   r.Replayed.Load(),
			Lag:        lag[r],
			Gaps:       r.Gaps(),
			Heartbeats: r.Beats.Load(),
			Bytes:      r.Bytes.Load(),
			Ended:      ended,
			Ages:       ages,
		}
	}
	return stats
}

// route returns the counters of the route called name, or, where there are too
// many, those of all others.
func (s *Server) route(name string) *carry.Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routes[name]
	if r == nil && len(s.routes) >= maxRoutes {
		name = others
		r = s.routes[name]
	}
	if r == nil {
		r = &carry.Route{Name: name}
		s.routes[name] = r
	}
	return r
}
