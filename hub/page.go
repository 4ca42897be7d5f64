package hub

import (
	"context"
	"errors"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// pageSize is the number of events that are read from the log at once.
const pageSize = 64

// read is the log's Read, limited to pagesAtOnce concurrent reads.
func (f *Feed) read(ctx context.Context, after eventlog.Pos, n int) ([]eventlog.Event, error) {
	select {
	case f.pages <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-f.pages }()
	return f.log.Read(ctx, after, n)
}

// page reads events from the log that have left the window. It returns an empty batch
// when the cursor has moved without reading events.
func (c *Cursor) page(ctx context.Context) (Batch, error) {
	for tries := 1; c.behind(); tries++ {
		events, err := c.feed.read(ctx, c.pos(), pageSize)
		switch purged, ok := errors.AsType[*eventlog.PurgedError](err); {
		case ctx.Err() != nil:
			return Batch{}, context.Cause(ctx)
		case ok:
			c.applyPolicy(purged.Bounds.First.Seq, sse.GapRetention)
			return Batch{}, nil
		case err == nil && len(events) > 0 && events[0].Seq > c.at:
			c.applyPolicy(events[0].Seq, sse.GapRetention) // the position was unknown, so the log read from its oldest event
			return Batch{}, nil
		case err == nil && len(events) > 0:
			b := c.assemble(events)
			if b.Count > 0 || c.err != nil {
				return b, c.err
			}
			tries = 0
			continue
		case c.endIfFinal(err):
			return Batch{}, c.err
		}
		// The log cannot be read, or it is another incarnation, which the tail will notice.
		if _, ended := c.epoch.frames.Ended(); ended && err != nil {
			c.enterNextEpoch()
			return Batch{}, nil
		}
		if err := c.pause(ctx, tries); err != nil {
			return Batch{}, err
		}
	}
	return Batch{}, nil
}

// assemble makes a batch of events. The filter may leave nothing of it.
func (c *Cursor) assemble(events []eventlog.Event) Batch {
	size := 0
	for _, ev := range events {
		size += idRoom + len(ev.Block)
	}
	b := Batch{
		Frames: make([]byte, 0, size),
		First:  events[0].Pos,
		Last:   events[len(events)-1].Pos,
		Count:  len(events),
	}
	for _, ev := range events {
		b.Frames = appendFrame(b.Frames, ev)
	}
	c.at, c.stamp = b.Last.Seq+1, b.Last.Stamp
	return c.choose(b)
}
