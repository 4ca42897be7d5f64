package carry

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// page is the source of a session whose topic is read by a cursor: it has what the
// cursor returned last, for the spot behind which that is.
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

// SpotOf returns the spot behind pos. The zero Pos is a position that has no safe name.
func SpotOf(pos eventlog.Pos) reading.Spot {
	if pos == (eventlog.Pos{}) {
		return reading.Spot{}
	}
	return reading.Spot{At: pos.Seq + 1, Stamp: pos.Stamp}
}

// A follower writes what a cursor gives.
type follower struct {
	d      *Blocking
	cursor *hub.Cursor
	live   uint64       // number of the event that was next when the stream began
	spot   reading.Spot // of the session
	pause  *time.Timer
	many   bool  // events come faster than they are written
	rests  int64 // when the next write may be
}

// Follow writes what cursor gives, until the session has decided the end of the stream,
// which may be the topic's, or ctx ends, whose cause it returns. settled is called whenever
// the client has everything there is. If it returns true, Follow returns true.
//
// Writes are paced as those of a [Shard] are, so that several events leave in one write
// and the stream is not woken for each event.
func (d *Blocking) Follow(ctx context.Context, cursor *hub.Cursor, settled func() bool) (handOver bool, err error) {
	if err := d.acquire(ctx); err != nil { // the timer may be using the session already
		return false, err
	}
	f := &follower{d: d, cursor: cursor, live: d.st.live, spot: d.s.Spot()}
	d.release()
	defer func() {
		if f.pause != nil {
			f.pause.Stop()
		}
	}()
	for {
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
				if err := f.wait(ctx); err != nil {
					return false, err
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

// write has the session write what is pending. over is true if the stream is to end.
func (f *follower) write(ctx context.Context, b hub.Batch, pending reading.Pending) (over bool, err error) {
	d := f.d
	if err := d.acquire(ctx); err != nil {
		return false, err
	}
	defer d.release()
	before, _ := d.s.Counts()
	d.page = page{at: d.s.Spot(), pending: pending}
	d.p.Refresh()
	d.turn()
	f.spot, f.rests, f.many = d.s.Spot(), d.r.Rests(), d.p.Many
	d.page = page{at: reading.Spot{At: ^uint64(0)}}
	d.p.Refresh()
	if after, _ := d.s.Counts(); b.Count > 0 && b.First.Seq < f.live {
		d.st.Route.Replayed.Add(min(after-before, f.live-b.First.Seq))
	}
	return d.s.State() >= session.Leaving, nil
}

// wait waits for events, and until the next write may be.
func (f *follower) wait(ctx context.Context) error {
	if !f.many { // else more will be there soon
		if err := f.cursor.Wait(ctx); err != nil {
			return err
		}
	}
	f.many = false
	rest := time.Duration(f.rests - f.d.now())
	if rest <= 0 {
		return nil
	}
	if f.pause == nil {
		f.pause = time.NewTimer(rest)
	} else {
		f.pause.Reset(rest)
	}
	select {
	case <-f.pause.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
