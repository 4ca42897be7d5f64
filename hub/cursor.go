package hub

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Cursor is one subscriber's position in a topic. It is used by one goroutine at a
// time. It holds no resources and can simply be dropped; Close only keeps the number of
// subscribers in [Stats] right. [Feed.Subscribe] makes one.
type Cursor struct {
	feed   *Feed
	start  Start
	policy Policy
	filter Filter
	early  bool // subscribed before the window was filled for the first time

	latestAt uint64 // where startLatest begins, if the log still keeps that event

	spot
	caughtUp bool // has been at the end of the window: does not need the log from now on

	gap    *sse.Gap     // to be returned before anything else
	before eventlog.Pos // the position before the gap, or before the cursor has begun
	err    error        // how it has ended

	closed  bool // no longer counted as a subscriber
	scratch scratch
}

// Close takes c out of the count of the topic's subscribers. It does nothing else: c
// can still be read. A cursor that has returned a final error is not counted any more
// and need not be closed. A second call does nothing.
func (c *Cursor) Close() {
	if !c.closed {
		c.closed = true
		c.feed.counts.subscribers.Add(-1)
	}
}

// Next returns what is pending, and waits while nothing is. A batch has either all
// pending events up to the end of a segment of the window (64 KiB, or one larger event),
// so that a reader that is behind catches up in large steps; or one gap, which comes
// once, before the events that follow it.
//
// Once all is read, the error says how the topic has ended: [io.EOF] when it was
// completed, its failure, or [ErrClosed]. [ErrCut] ends a cursor with [PolicyCut];
// its subscriber may resume at its Position. These errors are final. When ctx ends the
// error is its cause, and the cursor can still be used.
func (c *Cursor) Next(ctx context.Context) (Batch, error) {
	for {
		if ctx.Err() != nil {
			return Batch{}, context.Cause(ctx)
		}
		b, err := c.Poll()
		switch {
		case err != nil || !b.Empty():
			return b, err
		case c.epoch == nil:
			err = c.find(ctx)
		case c.behind():
			b, err = c.page(ctx)
		default:
			err = c.Wait(ctx)
		}
		if err != nil || !b.Empty() {
			return b, err
		}
	}
}

// Poll is Next without waiting: the batch is empty when nothing is pending in the
// window. A cursor that is [Cursor.Replaying] may need Next to make progress.
func (c *Cursor) Poll() (Batch, error) {
	if c.err != nil {
		return Batch{}, c.err
	}
	for {
		if c.epoch == nil && !c.begin() {
			if c.feed.current.Load() == nil {
				if end := c.feed.ended.Load(); end != nil {
					return Batch{}, c.end(end.err)
				}
			}
			return Batch{}, nil
		}
		if c.gap != nil {
			return c.takeGap(), nil
		}
		switch got := c.feed.pending(c.epoch, c.at); got.finding {
		case foundNothing:
			c.caughtUp = true
			return Batch{}, nil
		case foundFrames:
			if b := c.take(got.frames, got.first, got.next); b.Count > 0 {
				return b, nil
			}
		case foundDropped:
			if !c.caughtUp && !c.epoch.complete {
				return Batch{}, nil // the log may have it
			}
			c.applyPolicy(got.first, sse.GapSlow)
		case foundNextEpoch:
			c.enterNextEpoch()
		case foundEnd:
			c.end(got.end)
		}
		if c.err != nil {
			return Batch{}, c.err
		}
	}
}

// Wait waits until Poll may have something to return, which may be an error. It returns
// the cause of ctx if ctx ends first. For a cursor that is [Cursor.Replaying] it returns
// at once.
func (c *Cursor) Wait(ctx context.Context) error {
	if c.err != nil || c.gap != nil || c.Replaying() {
		return nil
	}
	changed := c.epoch.frames.Wait(c.at)
	if c.feed.ended.Load() != nil {
		return nil
	}
	select {
	case <-changed: // which is closed at the end of the topic too: see setEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// Replaying reports whether the cursor may need events of the log that are not in the
// window. Only [Cursor.Next] reads these. Replaying becomes false when the cursor has
// caught up, and it is never true over an [eventlog.Memory]. It can become true again
// when the topic has lost contact with its log.
func (c *Cursor) Replaying() bool {
	return c.err == nil && (c.epoch == nil || !c.caughtUp && !c.epoch.complete)
}

// Position returns where the subscriber would resume now: at the last event that the
// cursor has returned, or that its filter has left out. Send it from time to time to a
// subscriber that gets few of the events, so that its position does not become too old.
// Until a gap has been returned, the position is the one before the gap.
//
// The zero Pos means that no position can be reported safely, because a new incarnation
// of the log could not be told from this one. That does not happen over an
// [eventlog.Memory].
func (c *Cursor) Position() eventlog.Pos {
	if c.gap != nil || c.epoch == nil {
		return c.before
	}
	if c.stamp == 0 {
		return eventlog.Pos{}
	}
	return c.pos()
}

// behind reports whether the next event is to be read by [Cursor.page].
func (c *Cursor) behind() bool {
	first, _ := c.epoch.frames.Bounds()
	return c.at < first && !c.caughtUp && !c.epoch.complete
}

// take makes a batch of the frames [first, next). The filter may leave nothing of it.
func (c *Cursor) take(frames []byte, first, next uint64) Batch {
	b := c.epoch.batch(frames, first, next)
	c.at, c.stamp = next, b.Last.Stamp
	if !c.caughtUp {
		_, end := c.epoch.frames.Bounds()
		c.caughtUp = next >= end
	}
	return c.choose(b)
}

// choose returns b with the events that the filter chooses.
func (c *Cursor) choose(b Batch) Batch {
	if c.filter.everything() {
		return b
	}
	chosen, from, to, n, err := c.filter.choose(b.Frames, b.First.Seq, &c.scratch)
	if err != nil {
		c.end(err)
		return Batch{}
	}
	if n == b.Count || n == 0 {
		b.Count = n
		return b
	}
	out := Batch{Frames: chosen, Count: n}
	out.First = eventlog.Pos{Seq: from, Stamp: framePos(chosen).Stamp}
	out.Last = eventlog.Pos{Seq: to, Stamp: c.epoch.lastStamp(to, chosen)}
	return out
}

// applyPolicy applies the policy to a cursor whose position was dropped. first is the
// number of the oldest event that it can still have. PolicyCut is for slow readers only:
// to resume does not help where the log itself has dropped the position.
func (c *Cursor) applyPolicy(first uint64, reason sse.GapReason) {
	if c.policy == PolicyCut && reason == sse.GapSlow {
		c.cut()
		return
	}
	c.before = c.pos()
	c.gap = c.skip(first, c.policy, reason)
}

// enterNextEpoch continues in the epoch that follows.
func (c *Cursor) enterNextEpoch() {
	next, foreign := c.epoch.next, c.epoch.foreign
	if !foreign {
		// The tail has left events out, not the subscriber: the log may have them.
		c.epoch, c.caughtUp = next, false
		return
	}
	if c.policy == PolicyCut {
		c.cut()
		return
	}
	c.beginAgain(sse.GapRestart, c.pos())
}

// beginAgain begins again, after a gap of unknown size behind pos.
func (c *Cursor) beginAgain(reason sse.GapReason, pos eventlog.Pos) {
	c.before, c.epoch, c.caughtUp = pos, nil, false
	c.gap = &sse.Gap{Reason: reason}
	if pos != (eventlog.Pos{}) {
		c.gap.From = pos.String()
	}
	c.start = Start{kind: startAgain}
}

// takeGap returns the gap, once.
func (c *Cursor) takeGap() Batch {
	gap := c.gap
	c.gap = nil
	c.feed.counts.addGap(gap)
	return Batch{Gap: gap}
}

func (c *Cursor) cut() {
	c.feed.counts.cuts.Add(1)
	c.end(ErrCut)
}

// end ends the cursor with err; nil is completion.
func (c *Cursor) end(err error) error {
	if c.err == nil {
		c.err = err
		if err == nil {
			c.err = io.EOF
		}
		c.Close()
	}
	return c.err
}

// endIfFinal ends the cursor if err, an error of the log, is final for it, and reports
// whether it is.
func (c *Cursor) endIfFinal(err error) bool {
	end := c.feed.ended.Load()
	switch {
	case end != nil && errors.Is(end.err, ErrClosed):
		c.end(end.err)
	case errors.Is(err, eventlog.ErrClosed):
		c.end(fmt.Errorf("hub: topic %q: %w", c.feed.name, err))
	}
	return c.err != nil
}
