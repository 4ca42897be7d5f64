package hub

import (
	"sync/atomic"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Stats are the counts of a topic since it was made. They are read one after the
// other, not at one moment.
type Stats struct {
	Name string

	Appended   uint64 // events stored by Append and Publish
	Bytes      uint64 // of their wire blocks, without the line of the id
	Duplicates uint64 // events not stored, since one with their message id was stored before
	Refused    uint64 // events not stored, since the topic cannot carry them
	Retries    uint64 // attempts of Publish to store an event again
	Failures   uint64 // runs of a pipeline that ended with an error or a panic
	Restarts   uint64 // runs that Publish began after a failure

	Gaps   uint64 // gaps that subscribers were told of
	Missed uint64 // events missing in these gaps, as far as they could be counted
	Cuts   uint64 // subscribers that were cut, see PolicyCut

	TailRestarts uint64 // times that the tail of the log ended and was begun again

	First, Next uint64 // number of the oldest event in the window, and of the next one

	Subscribers int // subscribers now: cursors that have neither ended nor been closed

	Ended bool
	Err   error // how the topic ended: nil if it was completed
}

type counters struct {
	appended, bytes, duplicates, refused, retries, failures, restarts atomic.Uint64
	gaps, missed, cuts, tails                                         atomic.Uint64
	subscribers                                                       atomic.Int64
}

// addGap counts a gap that a subscriber is told of.
func (c *counters) addGap(gap *sse.Gap) {
	c.gaps.Add(1)
	if gap.Missed != nil {
		c.missed.Add(*gap.Missed)
	}
}

// Stats returns the topic's counts.
func (f *Feed) Stats() Stats {
	n := &f.counts
	s := Stats{
		Name:         f.name,
		Appended:     n.appended.Load(),
		Bytes:        n.bytes.Load(),
		Duplicates:   n.duplicates.Load(),
		Refused:      n.refused.Load(),
		Retries:      n.retries.Load(),
		Failures:     n.failures.Load(),
		Restarts:     n.restarts.Load(),
		Gaps:         n.gaps.Load(),
		Missed:       n.missed.Load(),
		Cuts:         n.cuts.Load(),
		TailRestarts: n.tails.Load(),
		Subscribers:  int(n.subscribers.Load()),
	}
	if e := f.current.Load(); e != nil {
		s.First, s.Next = e.frames.Bounds()
	}
	s.Err, s.Ended = f.Ended()
	return s
}
