package handlers

import (
	"maps"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Stats holds the counts of a [Server].
type Stats struct {
	Open   int                   // streams open now
	Routes map[string]RouteStats // by route, see [Name]; at most 1,000, all others are counted as "others"
}

// RouteStats holds the counts of one route of a [Server].
type RouteStats struct {
	Open       int                      // streams open now
	Fast       int                      // how many of them the fast transport carries
	Opened     uint64                   // streams that were opened
	Events     uint64                   // events written, control events not counted
	Missed     uint64                   // events that clients missed and were told about
	Resumed    uint64                   // streams of a topic that began after an event the client had
	Replayed   uint64                   // events of a topic that were older than the stream they were written to
	Lag        uint64                   // how many events the open stream furthest behind has not written
	Gaps       map[sse.GapReason]uint64 // how often clients were told that events are missing, by reason
	Heartbeats uint64
	Bytes      uint64 // bytes of body written
	Ended      map[Reason]uint64
	Ages       map[Reason]Ages // of the streams that have ended
}

// Ages says how old streams were when they ended.
type Ages struct {
	Count uint64
	Sum   time.Duration
	UpTo  map[time.Duration]uint64 // for each of a few ages, how many streams were not older than that
}

// maxRoutes bounds how many routes are counted each by itself; all further ones are
// counted under the name others. A stream without a name or a pattern is counted by its
// path, and clients choose that.
const (
	maxRoutes = 1000
	others    = "others"
)

// Stats returns the counts. Streams continue while Stats reads them, so that two counts of
// one route may differ by some events.
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

// route returns the counters of the route called name, or those of all others if there
// are too many routes.
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
