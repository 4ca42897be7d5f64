package handlers

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what a [Server] has done so far.
type Stats struct {
	Open   int                   // streams open now
	Routes map[string]RouteStats // by route, see [Name]; 1,000 at most, the rest counts as "others"
}

// RouteStats is what one route of a [Server] has done so far.
type RouteStats struct {
	Open       int               // streams open now
	Fast       int               // of these, those that the fast transport serves
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
	Ages       map[Reason]Ages // of the streams that have ended
}

// Ages says how old streams were when they ended.
type Ages struct {
	Count uint64
	Sum   time.Duration
	UpTo  map[time.Duration]uint64 // for each of a few ages, how many streams were not older
}

// ageBounds are the ages in [Ages.UpTo]: fixed, so that what is kept is, too. Streams
// live from moments to the age at which they are ended, an hour if nothing else
// is configured, so the steps are wide.
var ageBounds = [...]time.Duration{
	time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute,
	50 * time.Minute, 70 * time.Minute, 4 * time.Hour, 24 * time.Hour,
}

// ages counts the streams that have ended for one reason.
type ages struct {
	sum    atomic.Int64
	counts [len(ageBounds) + 1]atomic.Uint64 // not older than the bound, and older than the one before
}

func (a *ages) add(age time.Duration) {
	i, _ := slices.BinarySearch(ageBounds[:], age)
	a.counts[i].Add(1)
	a.sum.Add(int64(age))
}

func (a *ages) snapshot() Ages {
	s := Ages{Sum: time.Duration(a.sum.Load()), UpTo: make(map[time.Duration]uint64, len(ageBounds))}
	for i := range a.counts {
		s.Count += a.counts[i].Load()
		if i < len(ageBounds) {
			s.UpTo[ageBounds[i]] = s.Count
		}
	}
	return s
}

// maxRoutes bounds how many routes are counted each by itself, and others is the
// name under which the rest is: without a name or a pattern a stream is called by its
// path, which is the client's to choose.
const (
	maxRoutes = 1000
	others    = "others"
)

// route is the counters of one route, shared by all its streams.
type route struct {
	name                                           string
	opened, events, missed, heartbeats, bytesCount atomic.Uint64
	resumed, replayed                              atomic.Uint64
	gaps                                           reasonCounts
	ended                                          [len(reasons)]ages
}

// Stats returns a snapshot of the counters. Counters of one route may be some
// events apart from each other, since streams go on while they are read.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	routes := maps.Clone(s.routes)
	open, fast := make(map[*route]int, len(routes)), make(map[*route]int)
	lag := make(map[*route]uint64)
	for st := range s.open {
		open[st.route]++
		if st.handed() {
			fast[st.route]++
		}
		lag[st.route] = max(lag[st.route], st.lag())
	}
	stats := Stats{Open: len(s.open), Routes: make(map[string]RouteStats, len(routes))}
	s.mu.Unlock()
	s.fast.lags(lag)

	for name, r := range routes {
		ended := make(map[Reason]uint64)
		ages := make(map[Reason]Ages)
		for i := range r.ended {
			if a := r.ended[i].snapshot(); a.Count > 0 {
				ended[reasons[i]], ages[reasons[i]] = a.Count, a
			}
		}
		stats.Routes[name] = RouteStats{
			Open:       open[r],
			Fast:       fast[r],
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
			Ages:       ages,
		}
	}
	return stats
}

// route returns the counters of the route called name, or, where there are too
// many, those of all others.
func (s *Server) route(name string) *route {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routes[name]
	if r == nil && len(s.routes) >= maxRoutes {
		name = others
		r = s.routes[name]
	}
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
