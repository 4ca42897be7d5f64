package hub

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A spot is a place between two events.
type spot struct {
	epoch *epoch
	at    uint64 // number of the next event wanted
	stamp uint32 // of the event before it; 0 is unknown
	part  uint32 // bytes of the next event that have been taken; a Cursor takes whole ones
}

var blank = []byte("\n\n")

// pos is the place of a spot whose epoch is known.
func (s *spot) pos() eventlog.Pos { return eventlog.Pos{Seq: s.at - 1, Stamp: s.stamp} }

// skip goes on at event first, or as the policy says, and returns the gap.
func (s *spot) skip(first uint64, policy Policy, reason sse.GapReason) *sse.Gap {
	if policy == PolicyToLatest {
		_, next := s.epoch.frames.Bounds()
		first = max(first, next-1)
	}
	from, missed := s.pos(), first-s.at
	s.at, s.stamp = first, s.epoch.stampOf(first-1)
	id := s.pos().String()
	return &sse.Gap{Reason: reason, From: from.String(), To: id, Missed: &missed, ID: id}
}

// A Place is a cursor that has caught up, as small as can be: for servers with
// so many subscribers that each byte counts, all of which are at the end of the
// topic's window, or nearly so. [Cursor.Place] makes one, a [Walk] reads for it.
// It is used by one goroutine at a time, and forgotten like a Cursor.
//
// Unlike a Cursor's, its reader takes events by the byte: what a socket takes
// may end in the middle of one. The rest of that event is not held, but found
// in the window again.
type Place struct{ spot }

// Place returns where c is, for a [Walk] over its topic to go on from. It is
// false for a cursor that needs more than the window: one that replays, has a
// gap to tell or a filter, or that is at an end.
func (c *Cursor) Place() (Place, bool) {
	if c.err != nil || c.gap != nil || c.epoch == nil || !c.caught || !c.filter.everything() || c.feed.ended.Load() != nil {
		return Place{}, false
	}
	return Place{c.spot}, true
}

// Next returns the number of the event that is wanted next, or of which a part
// has been taken.
func (p *Place) Next() uint64 { return p.at }

// Whole reports whether all that was taken were whole events.
func (p *Place) Whole() bool { return p.part == 0 }

// Rest returns what is left to take of b, which is pending at p: it begins
// where the last call of [Place.Take] ended.
func (p *Place) Rest(b *Batch) []byte { return b.Frames[p.part:] }

// RestOfEvent returns what is left to take of the first event of b.
func (p *Place) RestOfEvent(b *Batch) []byte {
	rest := p.Rest(b)
	// The blank line may be half taken.
	from := max(0, int(p.part)-len(blank)+1)
	end := from + bytes.Index(b.Frames[from:], blank) + len(blank)
	return rest[:end-int(p.part)]
}

// Take moves p by n bytes of what [Place.Rest] returned for b, and returns how
// many events came to their end with them.
func (p *Place) Take(b *Batch, n int) (events int) {
	n += int(p.part)
	if n == len(b.Frames) {
		p.at, p.stamp, p.part = b.Last.Seq+1, b.Last.Stamp, 0
		return b.Count
	}
	done := 0
	for {
		end := done + bytes.Index(b.Frames[done:], blank) + len(blank)
		if end > n {
			break
		}
		done = end
		events++
	}
	p.at += uint64(events)
	p.part = uint32(n - done)
	if events > 0 {
		p.stamp = p.epoch.lastStamp(p.at-1, b.Frames[:done])
	}
	return events
}

// A Walk reads one topic for many places, one after the other. It remembers what
// it has read last, so that places at the same event, which is nearly all of them,
// cost one look at the window together. It is used by one goroutine at a time.
type Walk struct {
	feed   *Feed
	policy Policy

	epoch *epoch // of what is remembered; nil is nothing
	at    uint64
	batch Batch
	last  bool
}

// Walk returns a Walk over the topic for places whose readers are treated by p
// when they are too slow.
func (f *Feed) Walk(p Policy) *Walk { return &Walk{feed: f, policy: p} }

// Refresh forgets what w remembers: events that have come since are pending for
// the places that are asked about from now on. Until then w holds a part of the
// window, of which the topic may keep nothing any more.
func (w *Walk) Refresh() { w.epoch, w.batch = nil, Batch{} }

// Pending returns what is pending at p: events up to the end of a segment of the
// window; or a gap, told once, behind which p is now; or an empty batch. It is
// valid until the next call. last reports whether nothing was pending behind it
// when it was read.
//
// The error is final: [io.EOF] when all is read and the topic is complete, its
// failure, or [ErrClosed]; [ErrCut] when the place is no longer in the window and
// the policy is PolicyCut, or a part of the event there has been taken, or the topic has
// gone on in another window: the subscriber may resume at its last whole event.
func (w *Walk) Pending(p *Place) (b *Batch, last bool, err error) {
	if p.epoch == w.epoch && p.at == w.at {
		return &w.batch, w.last, nil
	}
	e := p.epoch
	// Both before Read: what it finds then is all there will ever be.
	end := w.feed.ended.Load()
	closed, over := e.frames.Ended()
	frames, first, next := e.frames.Read(p.at)
	switch {
	case first > p.at && (w.policy == PolicyCut || p.part > 0):
		w.feed.counts.cuts.Add(1)
		return nil, false, ErrCut
	case first > p.at:
		gap := p.skip(first, w.policy, sse.GapSlow)
		w.feed.counts.tell(gap)
		return &Batch{Gap: gap}, false, nil
	case next > first:
		w.batch = e.batch(frames, first, next)
	case over && e.next != nil:
		w.feed.counts.cuts.Add(1)
		return nil, false, ErrCut
	case end != nil && end.err == nil:
		return nil, false, io.EOF
	case end != nil:
		return nil, false, end.err
	case over:
		return nil, false, fmt.Errorf("hub: topic %q: %w", w.feed.name, closed)
	default:
		w.batch = Batch{}
	}
	_, newest := e.frames.Bounds()
	// Over a topic that is at its end the next look finds that.
	w.epoch, w.at, w.last = e, p.at, next >= newest && end == nil && !over
	return &w.batch, w.last, nil
}

// Watch calls changed once, and then whenever there may be something new for
// places that have caught up: events, or an end. It returns when ctx ends or
// the topic has, and the last call is then behind that.
func (f *Feed) Watch(ctx context.Context, changed func()) {
	for {
		e := f.current.Load()
		if e == nil {
			return // there are no places yet
		}
		_, next := e.frames.Bounds()
		_, over := e.frames.Ended()
		changed()
		wait := e.frames.Wait(next)
		if over {
			if f.current.Load() != e {
				continue
			}
			wait = nil
		}
		select {
		case <-wait:
		case <-f.life.Done():
			changed()
			return
		case <-ctx.Done():
			return
		}
	}
}
