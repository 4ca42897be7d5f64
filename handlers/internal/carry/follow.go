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

// pages is the source of a session whose topic is read by a cursor: it has what the
// cursor has returned, for the position behind which that is.
type pages struct {
	at      reading.Spot
	pending reading.Pending
}

// Read implements [session.Source].
func (p *pages) Read(at reading.Spot) reading.Pending {
	if at != p.at || p.pending.Next == (reading.Spot{}) && !p.pending.Ended {
		return reading.Pending{Next: at}
	}
	return p.pending
}

// SpotOf returns the position as a Spot. The zero Pos is one that has no safe name.
func SpotOf(pos eventlog.Pos) reading.Spot {
	if pos == (eventlog.Pos{}) {
		return reading.Spot{}
	}
	return reading.Spot{At: pos.Seq + 1, Stamp: pos.Stamp}
}

// Follow writes what cursor gives, until the stream ends or ctx does. Its result says why
// the source has ended, nil if the session has ended the stream. settled is asked whenever
// the client has everything; if it returns true, Follow returns with the lock not held.
//
// Several events leave in one write: after the first one, the reader rests as a group of a
// [Shard] does, so that a portable stream is not woken for each event.
func (d *Blocking) Follow(ctx context.Context, cursor *hub.Cursor, settled func() bool) (done bool, err error) {
	spot := d.cfg.Session.Spot()
	var live uint64
	if d.st.newest != nil {
		live = d.st.position.Load()
	}
	_ = live
	var pace *time.Timer
	defer func() {
		if pace != nil {
			pace.Stop()
		}
	}()
	rest := func(until int64) error {
		wait := time.Duration(until - d.now())
		if wait <= 0 {
			return nil
		}
		if pace == nil {
			pace = time.NewTimer(wait)
		} else {
			pace.Reset(wait)
		}
		select {
		case <-pace.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var rests int64
	many := false
	for {
		b, err := cursor.Poll()
		if b.Empty() && err == nil {
			if next := SpotOf(cursor.Position()); next != spot {
				if ended, err := d.read(ctx, reading.Pending{Next: next}, &spot, &rests, &many); ended || err != nil {
					return false, err
				}
			}
			switch {
			case cursor.Replaying():
				if b, err = cursor.Next(ctx); b.Empty() && err == nil {
					continue
				}
			case settled():
				return true, nil
			case many: // events come faster than they are written: more will be there soon
				many = false
				if err := rest(rests); err != nil {
					return false, err
				}
				continue
			default:
				if err := cursor.Wait(ctx); err != nil {
					return false, err
				}
				if err := rest(rests); err != nil {
					return false, err
				}
				continue
			}
		}
		if err != nil && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		pending := reading.Pending{Frames: b.Frames, Count: b.Count, Gap: b.Gap}
		switch {
		case err != nil:
			pending.Ended = true
			if !errors.Is(err, io.EOF) {
				pending.Err = err
			}
		case b.Gap != nil:
			pending.Next = SpotOf(cursor.Position())
		default:
			pending.Next = SpotOf(b.Last)
		}
		if ended, err := d.read(ctx, pending, &spot, &rests, &many); ended || err != nil {
			return false, err
		}
	}
}

// read has the session write what is pending.
func (d *Blocking) read(ctx context.Context, pending reading.Pending, spot *reading.Spot, rests *int64, many *bool) (ended bool, err error) {
	if err := d.acquire(ctx); err != nil {
		return false, err
	}
	defer d.release()
	d.topic = pages{at: d.s.Spot(), pending: pending}
	d.p.Refresh()
	d.p.Many = false
	d.turn()
	*spot, *rests, *many = d.s.Spot(), d.r.Rests(), d.p.Many
	d.topic = pages{}
	d.p.Refresh()
	return d.s.State() >= session.Leaving, nil
}
