package hub

import (
	"context"

	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

func init() {
	reading.Hub.Reader = func(feed any, policy int) reading.Reader {
		return &reader{feed.(*Feed), Policy(policy)}
	}
	reading.Hub.Spot = func(cursor any) (reading.Spot, bool) { return cursor.(*Cursor).share() }
}

// share returns where c is, if a reader can continue there.
func (c *Cursor) share() (reading.Spot, bool) {
	if c.err != nil || c.gap != nil || c.epoch == nil || !c.caughtUp || !c.filter.everything() || c.feed.ended.Load() != nil {
		return reading.Spot{}, false
	}
	return c.spot.shared(), true
}

// shared returns s as readers have it.
func (s *spot) shared() reading.Spot {
	return reading.Spot{At: s.at, Stamp: s.stamp, Life: s.epoch.incarnation}
}

// A reader implements [reading.Reader]. It has no state of its own: a spot says which
// incarnation of the log it is in, and the topic has one window at a time.
type reader struct {
	feed   *Feed
	policy Policy
}

func (r *reader) Read(s reading.Spot) reading.Pending {
	for {
		e := r.feed.current.Load() // set: there is a spot
		if s.Life != e.incarnation || s.At < e.from {
			return r.cut(s)
		}
		got := r.feed.pending(e, s.At)
		switch got.finding {
		case foundNextEpoch: // just now
			continue
		case foundFrames:
			return reading.Pending{
				Frames: got.frames,
				Count:  int(got.next - got.first),
				Next:   reading.Spot{At: got.next, Stamp: e.lastStamp(got.next-1, got.frames), Life: s.Life},
				More:   more(e, got.next, got.last),
			}
		case foundDropped:
			if r.policy == PolicyCut {
				return r.cut(s)
			}
			next := spot{epoch: e, at: s.At, stamp: s.Stamp}
			gap := next.skip(got.first, r.policy, sse.GapSlow)
			r.feed.counts.addGap(gap)
			return reading.Pending{Gap: gap, Next: next.shared(), More: more(e, next.at, got.last)}
		case foundEnd:
			return reading.Pending{Next: s, Ended: true, Err: got.end}
		}
		return reading.Pending{Next: s, More: got.last}
	}
}

// more reports whether there is something at event next or behind it.
func more(e *epoch, next uint64, last bool) bool {
	_, end := e.frames.Bounds()
	return last || next < end
}

func (r *reader) cut(s reading.Spot) reading.Pending {
	r.feed.counts.cuts.Add(1)
	return reading.Pending{Next: s, Ended: true, Err: ErrCut}
}

func (r *reader) Newest() uint64 { return r.feed.NextSeq() }

func (r *reader) Watch(ctx context.Context, changed func()) {
	for {
		e := r.feed.current.Load()
		if e == nil {
			return // there are no spots yet
		}
		_, next := e.frames.Bounds()
		_, ended := e.frames.Ended()
		changed()
		wait := e.frames.Wait(next)
		if ended {
			if r.feed.current.Load() != e {
				continue
			}
			wait = nil
		}
		select {
		case <-wait:
		case <-r.feed.running.Done():
			changed()
			return
		case <-ctx.Done():
			return
		}
	}
}

func (r *reader) Join() { r.feed.counts.subscribers.Add(1) }

func (r *reader) Leave() { r.feed.counts.subscribers.Add(-1) }
