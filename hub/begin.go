package hub

import (
	"context"
	"errors"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
	"github.com/fluxwire-go/fluxwire/sse"
)

// begin finds the position where the cursor begins. It returns false if the window is
// not enough for that.
func (c *Cursor) begin() bool {
	e := c.feed.current.Load()
	if e == nil {
		return false
	}
	e.frames.Expire(time.Now())
	first, next := e.frames.Bounds()
	switch c.start.kind {
	case startLive:
		switch {
		case c.early && e.incarnation > 0: // it waited during the previous incarnation: events may be missing
			c.beginAgain(sse.GapRestart, eventlog.Pos{})
			return c.begin()
		case c.early:
			next = c.feed.liveAt // was set before current
		}
		c.moveTo(e, next, 0)
	case startEarliest:
		if !e.complete {
			return false
		}
		c.moveTo(e, first, 0)
	case startLatest:
		if c.latestAt == 0 { // counted from now, although the log may answer later
			if c.early && e.incarnation == 0 {
				next = c.feed.liveAt
			}
			c.latestAt = next - min(uint64(c.start.n), next-1)
		}
		if c.latestAt < first && !e.complete {
			return false
		}
		c.moveTo(e, max(first, c.latestAt), 0)
	case startSince:
		at := e.frames.Seek(c.start.since)
		if at == first && !e.complete {
			return false
		}
		c.moveTo(e, at, 0)
	case startAgain:
		switch {
		case c.policy == PolicyToLatest:
			first = max(first, next-1)
		case !e.complete:
			return false
		}
		c.moveTo(e, first, 0)
	case startAfter:
		return c.resume(e, c.start.pos, first, next)
	case startMalformed:
		c.beginAgain(sse.GapMalformed, eventlog.Pos{})
		return c.begin()
	}
	return true
}

// resume is begin for the position pos. The window has the events [first, next).
func (c *Cursor) resume(e *epoch, pos eventlog.Pos, first, next uint64) bool {
	inside := first <= pos.Seq && pos.Seq < next
	if !inside && !e.complete {
		return false // ask the log
	}
	stamp := e.stampOf(pos.Seq)
	switch {
	case pos.Stamp != 0 && stamp != 0 && pos.Stamp != stamp:
		c.beginAgain(sse.GapRestart, pos)
		return c.begin()
	case pos.Seq >= next:
		c.beginAgain(sse.GapFuture, pos)
		return c.begin()
	}
	c.moveTo(e, pos.Seq+1, pos.Stamp)
	if pos.Seq+1 < first {
		c.applyPolicy(first, sse.GapRetention)
	}
	return true
}

// moveTo moves the cursor to before event at. stamp is the stamp of the event before
// that, or 0 to look it up in the window.
func (c *Cursor) moveTo(e *epoch, at uint64, stamp uint32) {
	if stamp == 0 {
		stamp = e.stampOf(at - 1)
	}
	c.epoch, c.at, c.stamp = e, at, stamp
	_, next := e.frames.Bounds()
	c.caughtUp = at >= next
	if c.gap != nil {
		c.gap.ID = c.pos().String()
	}
}

// find is like begin, but asks the log if the window is not enough. It waits until the
// window is filled, and tries again while the log cannot be read.
func (c *Cursor) find(ctx context.Context) error {
	select {
	case <-c.feed.filled:
	case <-c.feed.running.Done(): // Poll returns the end
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for tries := 1; !c.begin(); tries++ {
		err := c.locate(ctx, c.feed.current.Load())
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.endIfFinal(err):
			return c.err
		}
		if err := c.pause(ctx, tries); err != nil {
			return err
		}
	}
	return nil
}

// locate asks the log for the position where the cursor begins.
func (c *Cursor) locate(ctx context.Context, e *epoch) error {
	if c.start.kind == startAfter {
		return c.check(ctx, e)
	}
	b, err := c.feed.log.Bounds(ctx)
	if err != nil {
		return err
	}
	at := b.First.Seq
	switch c.start.kind {
	case startLatest:
		at = max(at, c.latestAt)
	case startSince:
		if at, err = c.seek(ctx, b); err != nil {
			return err
		}
	}
	c.moveTo(e, at, 0)
	return nil
}

// check asks the log whether the cursor can continue after the id it started with.
func (c *Cursor) check(ctx context.Context, e *epoch) error {
	pos := c.start.pos
	if pos == (eventlog.Pos{}) { // for the log's Read that is before the oldest event, not before event 1
		b, err := c.feed.log.Bounds(ctx)
		if err != nil {
			return err
		}
		if c.moveTo(e, 1, 0); b.First.Seq > 1 {
			c.applyPolicy(b.First.Seq, sse.GapRetention)
		}
		return nil
	}
	_, err := c.feed.read(ctx, pos, 1)
	switch purged, ok := errors.AsType[*eventlog.PurgedError](err); {
	case err == nil:
		// If that is ahead of the window, the tail will get there.
		c.moveTo(e, pos.Seq+1, pos.Stamp)
	case ok:
		c.moveTo(e, pos.Seq+1, pos.Stamp)
		c.caughtUp = false
		c.applyPolicy(purged.Bounds.First.Seq, sse.GapRetention)
	case errors.Is(err, eventlog.ErrForeign):
		c.beginAgain(sse.GapRestart, pos)
	case errors.Is(err, eventlog.ErrAhead):
		c.beginAgain(sse.GapFuture, pos)
	default:
		return err
	}
	return nil
}

// seek returns the number of the first event in b that was stored at the start's time or
// later.
func (c *Cursor) seek(ctx context.Context, b eventlog.Bounds) (uint64, error) {
	low, high := b.First.Seq, b.Last.Seq+1
	for low < high {
		middle := low + (high-low)/2
		events, err := c.feed.read(ctx, eventlog.Pos{Seq: middle - 1}, 1)
		switch purged, ok := errors.AsType[*eventlog.PurgedError](err); {
		case ok: // dropped meanwhile
			low = purged.Bounds.First.Seq
		case err != nil:
			return 0, err
		case len(events) == 0 || !events[0].Time.Before(c.start.since):
			high = middle
		default:
			low = middle + 1
		}
	}
	return low, nil
}

// pause waits before the next attempt to read the log. If the topic ends meanwhile, the
// next attempt is made at once.
func (c *Cursor) pause(ctx context.Context, tries int) error {
	ended := c.feed.running.Done()
	if c.feed.running.Err() != nil {
		ended = nil
	}
	return sleep.For(ctx, doubled(firstRetry/4, lastRetry, tries), ended)
}
