package hub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
)

// A fakeLog is a remote store: calls take time, answers may be lost, and the tail lags.
// Each event has a stamp of its own.
type fakeLog struct {
	keep int

	mu          sync.Mutex
	rng         *rand.Rand
	faults      float64 // the share of the calls that fail
	delay       time.Duration
	incarnation uint32
	first       uint64
	events      []eventlog.Event
	ids         map[string]eventlog.Pos // of messages
	changed     chan struct{}
	closed      bool

	reading, mostReading int

	history map[eventlog.Pos]string // the blocks of all events ever stored
}

func newFakeLog(keep int, seed uint64) *fakeLog {
	if keep == 0 {
		keep = 10_000
	}
	f := &fakeLog{
		keep: keep, rng: rand.New(rand.NewPCG(seed, 2)), delay: 20 * time.Millisecond,
		changed: make(chan struct{}), history: make(map[eventlog.Pos]string),
	}
	f.recreate()
	return f
}

// recreate begins another incarnation of the log.
func (f *fakeLog) recreate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.incarnation++
	f.first, f.events, f.ids = 1, nil, make(map[string]eventlog.Pos)
	f.bell()
}

// purge drops all events but the newest n.
func (f *fakeLog) purge(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trim(n)
	f.bell()
}

func (f *fakeLog) trim(n int) {
	if over := len(f.events) - n; over > 0 {
		f.first += uint64(over)
		f.events = f.events[over:]
	}
}

func (f *fakeLog) bell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// away waits as long as a request to the store takes, and decides whether it fails.
func (f *fakeLog) away(ctx context.Context) (fault float64, err error) {
	f.mu.Lock()
	d := time.Duration(f.rng.Int64N(int64(f.delay)))
	fault = 1
	if f.faults > 0 {
		fault = f.rng.Float64() / f.faults // below 1 is a fault
	}
	f.mu.Unlock()
	return fault, sleep.For(ctx, d, nil)
}

func (f *fakeLog) Append(ctx context.Context, r eventlog.Record) (pos eventlog.Pos, dup bool, err error) {
	if err := r.Check(1 << 20); err != nil {
		return eventlog.Pos{}, false, err
	}
	fault, err := f.away(ctx)
	if err != nil || fault < 0.5 {
		return eventlog.Pos{}, false, fmt.Errorf("%w: the request was lost", eventlog.ErrUncertain)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return eventlog.Pos{}, false, eventlog.ErrClosed
	}
	pos, dup = f.store(r)
	if fault < 1 {
		return eventlog.Pos{}, false, fmt.Errorf("%w: the answer was lost", eventlog.ErrUncertain)
	}
	return pos, dup, nil
}

func (f *fakeLog) pos(incarnation uint32, seq uint64) eventlog.Pos {
	return eventlog.Pos{Seq: seq, Stamp: incarnation<<20 | uint32(seq)}
}

// store is Append without the delay. The caller holds mu.
func (f *fakeLog) store(r eventlog.Record) (pos eventlog.Pos, dup bool) {
	if pos, dup = f.ids[r.MessageID]; dup {
		return pos, dup
	}
	next := f.first + uint64(len(f.events))
	pos = f.pos(f.incarnation, next)
	if r.MessageID != "" {
		f.ids[r.MessageID] = pos
	}
	f.events = append(f.events, eventlog.Event{Pos: pos, Time: time.Now(), Block: append([]byte(nil), r.Block...)})
	f.history[pos] = string(r.Block)
	f.trim(f.keep)
	f.bell()
	return pos, false
}

// after returns the events that follow pos, and the channel to wait on.
func (f *fakeLog) after(pos eventlog.Pos) ([]eventlog.Event, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.bounds()
	switch {
	case f.closed:
		return nil, nil, eventlog.ErrClosed
	case pos == eventlog.Pos{}:
		return f.events, f.changed, nil
	case pos.Stamp != 0 && pos.Stamp>>20 != f.incarnation:
		return nil, nil, eventlog.ErrForeign
	case pos.Seq > b.Last.Seq:
		return nil, nil, eventlog.ErrAhead
	case pos.Seq+1 < b.First.Seq:
		return nil, nil, &eventlog.PurgedError{Asked: pos, Bounds: b}
	}
	return f.events[pos.Seq+1-f.first:], f.changed, nil
}

func (f *fakeLog) Read(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
	f.mu.Lock()
	f.reading++
	f.mostReading = maxOf(f.mostReading, f.reading)
	f.mu.Unlock()
	fault, err := f.away(ctx)
	f.mu.Lock()
	f.reading--
	f.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case fault < 0.5:
		return nil, eventlog.ErrUnavailable
	}
	events, _, err := f.after(after)
	if fault < 1 {
		events = nil // a replica that lags
	}
	return events[:min(len(events), max)], err
}

func maxOf(a, b int) int { return max(a, b) } // Read has a parameter of that name

var errTail = errors.New("a tail that broke off")

func (f *fakeLog) Tail(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
	return func(yield func(eventlog.Event, error) bool) {
		f.mu.Lock()
		incarnation := f.incarnation
		f.mu.Unlock()
		for {
			if f.mu.Lock(); f.incarnation != incarnation {
				f.mu.Unlock()
				yield(eventlog.Event{}, eventlog.ErrForeign)
				return
			}
			f.mu.Unlock()
			events, changed, err := f.after(after)
			if err != nil {
				yield(eventlog.Event{}, err)
				return
			}
			for _, ev := range events {
				if fault, err := f.away(ctx); err != nil || fault < 0.2 {
					yield(eventlog.Event{}, errTail)
					return
				}
				if _, _, err := f.after(after); err != nil {
					yield(eventlog.Event{}, err)
					return
				}
				if !yield(ev, nil) {
					return
				}
				after = ev.Pos
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(eventlog.Event{}, context.Cause(ctx))
				return
			}
		}
	}
}

func (f *fakeLog) Bounds(ctx context.Context) (eventlog.Bounds, error) {
	if fault, err := f.away(ctx); err != nil {
		return eventlog.Bounds{}, err
	} else if fault < 1 {
		return eventlog.Bounds{}, eventlog.ErrUnavailable
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return eventlog.Bounds{}, eventlog.ErrClosed
	}
	return f.bounds(), nil
}

// bounds is Bounds without the delay. The caller holds mu. Like an engine whose
// stamps are times, the log has a stamp for each event and none for its beginning.
func (f *fakeLog) bounds() eventlog.Bounds {
	next := f.first + uint64(len(f.events))
	b := eventlog.Bounds{First: eventlog.Pos{Seq: f.first}}
	if f.first < next {
		b.First = f.pos(f.incarnation, f.first)
	}
	if next > 1 {
		b.Last = f.pos(f.incarnation, next-1)
	}
	return b
}

func (f *fakeLog) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.bell()
	}
	return nil
}
