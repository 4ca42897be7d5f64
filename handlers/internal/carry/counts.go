package carry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
)

// AgeBounds are the upper bounds of the ages by which ended streams are counted. They are
// fixed, so that the counters are bounded. Streams last from moments to the age at which they are ended, an hour
// if nothing else is configured, so the steps are wide.
var AgeBounds = [...]time.Duration{
	time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute,
	50 * time.Minute, 70 * time.Minute, 4 * time.Hour, 24 * time.Hour,
}

// Ages counts the streams that ended for one reason, by age.
type Ages struct {
	sum    atomic.Int64
	counts [len(AgeBounds) + 1]atomic.Uint64 // not older than the bound, and older than the one before
}

func (a *Ages) add(age time.Duration) {
	i, _ := slices.BinarySearch(AgeBounds[:], age)
	a.counts[i].Add(1)
	a.sum.Add(int64(age))
}

// Snapshot returns how many streams ended, the sum of their ages, and how many were not
// older than each of [AgeBounds].
func (a *Ages) Snapshot() (count uint64, sum time.Duration, upTo map[time.Duration]uint64) {
	upTo = make(map[time.Duration]uint64, len(AgeBounds))
	for i := range a.counts {
		count += a.counts[i].Load()
		if i < len(AgeBounds) {
			upTo[AgeBounds[i]] = count
		}
	}
	return count, time.Duration(a.sum.Load()), upTo
}

// A Route counts what its streams do. All of them share it.
type Route struct {
	Name string

	Opened, Resumed  atomic.Uint64 // streams
	Events, Replayed atomic.Uint64 // events that were written
	Missed           atomic.Uint64 // events that clients were told they missed
	Bytes, Beats     atomic.Uint64
	Ended            [session.Reasons]Ages

	mu   sync.Mutex
	gaps map[sse.GapReason]uint64
}

// Gap counts a gap that a client is told of. The map stays small: the server knows only a
// few reasons.
func (r *Route) Gap(g *sse.Gap) {
	if g.Missed != nil {
		r.Missed.Add(*g.Missed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gaps == nil {
		r.gaps = make(map[sse.GapReason]uint64)
	}
	r.gaps[g.Reason]++
}

// Gaps returns the number of gaps by reason.
func (r *Route) Gaps() map[sse.GapReason]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.gaps)
}

// settle adds what clients took in a pass to the route's counters.
func (r *Route) settle(p *session.Pass) {
	if p.Events > 0 {
		r.Events.Add(p.Events)
	}
	if p.Bytes > 0 {
		r.Bytes.Add(p.Bytes)
	}
	if p.Beats > 0 {
		r.Beats.Add(p.Beats)
	}
	p.Events, p.Bytes, p.Beats = 0, 0, 0
}
