package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
	"github.com/fluxwire-go/fluxwire/internal/window"
)

var (
	// errHole means that the log's tail has left events out.
	errHole = errors.New("hub: the tail of the log has a hole")
	// errUnfit means that the next event is larger than the whole window.
	errUnfit = errors.New("hub: an event of the log does not fit into the window")
)

// A tail fills the window of a topic from its log.
type tail struct {
	feed    *Feed
	epoch   *epoch       // being filled; nil to begin a new one
	after   eventlog.Pos // of the newest event in epoch
	unfit   uint64       // number of the newest event that did not fit
	foreign bool         // the next epoch is in another incarnation of the log
	line    []byte
}

// fill fills the window from the log until ctx ends or the log is closed.
func (f *Feed) fill(ctx context.Context) {
	t := &tail{feed: f}
	for tries := 0; ; {
		before := t.after
		err := t.run(ctx)
		if t.after != before {
			tries = 0
		}
		tries++
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, eventlog.ErrClosed):
			f.endNow(fmt.Errorf("hub: topic %q: %w", f.name, err))
			return
		case errors.Is(err, eventlog.ErrForeign), errors.Is(err, eventlog.ErrAhead):
			t.epoch, t.foreign = nil, true
		case errors.Is(err, eventlog.ErrPurged), errors.Is(err, errHole):
			t.epoch = nil
		case errors.Is(err, errUnfit):
			t.epoch, t.unfit = nil, t.after.Seq+1
		}
		f.warn("the tail of the log has ended and is begun again", err, f.counts.tails.Add(1))
		if tries > 1 && sleep.For(ctx, doubled(firstRetry, lastRetry, tries-1), nil) != nil {
			return
		}
	}
}

// run fills the window until there is an error.
func (t *tail) run(ctx context.Context) error {
	if t.epoch == nil {
		if err := t.open(ctx); err != nil {
			return err
		}
	}
	t.offer()
	for ev, err := range t.feed.log.Tail(ctx, t.after) {
		if err != nil {
			return err
		}
		_, next := t.epoch.frames.Bounds()
		if ev.Seq < next {
			continue
		}
		if ev.Seq > next {
			return errHole
		}
		t.line = appendIDLine(t.line[:0], ev.Pos)
		_, _ = t.epoch.stamps.Append(ev.Stamp) // before the frame: its readers look for the stamp
		if _, err := t.epoch.frames.Append(ev.Time, t.line, ev.Block); errors.Is(err, window.ErrFrameTooLarge) {
			return errUnfit
		} else if err != nil {
			return err
		}
		t.after = ev.Pos
		t.offer()
	}
	return errHole // the log breaks its promise: a tail ends with an error
}

// open makes an empty epoch. It starts far enough back to be filled from the log.
func (t *tail) open(ctx context.Context) error {
	b, err := t.feed.log.Bounds(ctx)
	if err != nil {
		return err
	}
	cfg := t.feed.window
	cfg.First = b.First.Seq
	if keep := uint64(cfg.MaxFrames); b.Len() > keep {
		cfg.First = b.Last.Seq + 1 - keep
	}
	if t.unfit <= b.Last.Seq {
		cfg.First = max(cfg.First, t.unfit+1)
	}
	switch {
	case t.after.Seq == cfg.First-1 && t.after.Stamp != 0 && !t.foreign: // the position is known
	case b.Last.Seq == cfg.First-1: // nothing is kept
		t.after = b.Last
	case cfg.First > b.First.Seq: // the log has it
		t.after = eventlog.Pos{Seq: cfg.First - 1}
		events, err := t.feed.log.Read(ctx, eventlog.Pos{Seq: cfg.First - 2}, 1)
		if err != nil {
			return err
		}
		if len(events) > 0 && events[0].Seq == t.after.Seq {
			t.after = events[0].Pos
		}
	default:
		t.after = eventlog.Pos{Seq: cfg.First - 1}
	}
	t.epoch = newEpoch(cfg)
	t.epoch.full = max(b.Last.Seq+1, cfg.First)
	_, _ = t.epoch.stamps.Append(t.after.Stamp)
	return nil
}

// offer makes the epoch the topic's current one as soon as it is filled, and ends the
// topic if the end waited for the newest event.
func (t *tail) offer() {
	f, e := t.feed, t.epoch
	f.mu.Lock()
	defer f.mu.Unlock()
	first, next := e.frames.Bounds()
	old := f.current.Load()
	switch {
	case old == e || next < e.full:
	case old == nil:
		f.liveAt = e.full
		if f.firstAppended > 0 {
			f.liveAt = min(f.liveAt, f.firstAppended)
		}
		f.current.Store(e)
		close(f.filled)
	default:
		// If there is no hole between them, the old one would not have had to end: so the
		// numbers are those of other events.
		_, end := old.frames.Bounds()
		old.foreign = t.foreign || first < end
		e.incarnation = old.incarnation
		if old.foreign {
			e.incarnation++
			f.lastAppended = 0
		}
		old.next = e
		f.current.Store(e)
		old.frames.Close(nil)
	}
	if f.current.Load() == e {
		t.foreign = false
	}
	f.endIfDue()
}
