package carry

import (
	"context"
	"errors"
	"io"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// page is the source of a session whose topic is read through a cursor. It holds what the
// cursor returned last, and the spot at which that begins.
type page struct {
	at      reading.Spot
	pending reading.Pending
}

// Read implements [session.Source].
func (p *page) Read(at reading.Spot) reading.Pending {
	if at != p.at {
		return reading.Pending{Next: at}
	}
	return p.pending
}

// drop forgets what p holds.
func (p *page) drop() {
	p.at.At = ^uint64(0) // no event has this number
	p.pending.Frames, p.pending.Gap = nil, nil
}

// SpotOf returns the spot after pos. The zero Pos means that no position can be named
// safely.
func SpotOf(pos eventlog.Pos) reading.Spot {
	if pos == (eventlog.Pos{}) {
		return reading.Spot{}
	}
	return reading.Spot{At: pos.Seq + 1, Stamp: pos.Stamp}
}

// A follower writes what a cursor returns.
type follower struct {
	d      *Blocking
	cursor *hub.Cursor
	live   uint64       // number of the event that was next when the stream began
	spot   reading.Spot // of the session
}

// Follow writes what cursor returns until the session has decided the end of the stream,
// for example because the topic has ended, or until ctx ends: then it returns the cause.
// Follow calls settled whenever the client has everything there is. If settled returns
// true, so does Follow.
//
// A stream that has everything waits for its [Pacer].
func (d *Blocking) Follow(ctx context.Context, cursor *hub.Cursor, settled func() bool) (handOver bool, err error) {
	if err := d.acquire(ctx); err != nil { // the timer may be using the session already
		return false, err
	}
	f := &follower{d: d, cursor: cursor, live: d.st.live, spot: d.s.Spot()}
	d.release()
	pacer := d.cfg.Pacer
	joined := false
	defer func() {
		if joined {
			pacer.leave()
		}
	}()
	for {
		turn := pacer.turn() // before Poll, so that what comes later ends it
		b, err := cursor.Poll()
		if b.Empty() && err == nil {
			if next := SpotOf(cursor.Position()); next != f.spot && next.Stamp != 0 {
				// A filter has passed over some events.
				if over, err := f.write(ctx, hub.Batch{}, reading.Pending{Next: next}); over || err != nil {
					return false, err
				}
			}
			if !cursor.Replaying() {
				if settled() {
					return true, nil
				}
				if !joined {
					joined = true
					pacer.join()
				}
				select {
				case <-turn:
				case <-ctx.Done():
					return false, context.Cause(ctx)
				}
				continue
			}
			b, err = cursor.Next(ctx)
		}
		if err != nil && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		pending := reading.Pending{Frames: b.Frames, Count: b.Count, Gap: b.Gap}
		switch {
		case errors.Is(err, io.EOF):
			pending.Ended = true
		case err != nil:
			pending.Ended, pending.Err = true, err
		case b.Gap != nil:
			pending.Next = SpotOf(cursor.Position())
		default:
			pending.Next = SpotOf(b.Last)
		}
		if pending.Next == f.spot || pending.Next == (reading.Spot{}) {
			pending.Next = reading.Spot{At: f.spot.At + 1} // a position without a safe name
		}
		if over, err := f.write(ctx, b, pending); over || err != nil {
			return false, err
		}
	}
}

// write gives pending to the session and writes. over reports that the end of the stream
// is decided.
func (f *follower) write(ctx context.Context, b hub.Batch, pending reading.Pending) (over bool, err error) {
	d := f.d
	if err := d.acquire(ctx); err != nil {
		return false, err
	}
	defer d.release()
	before, _ := d.s.Counts()
	d.page.at, d.page.pending = f.spot, pending
	d.p.Refresh()
	d.turn()
	f.spot = d.s.Spot()
	d.page.drop()
	d.p.Refresh()
	if after, _ := d.s.Counts(); b.Count > 0 && b.First.Seq < f.live {
		d.st.Route.Replayed.Add(min(after-before, f.live-b.First.Seq))
	}
	return d.s.State() >= session.Leaving, nil
}
