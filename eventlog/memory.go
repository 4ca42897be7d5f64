package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/window"
	"github.com/fluxwire-go/fluxwire/sse"
)

// MemoryConfig sets the bounds of a [Memory]. The zero MemoryConfig works.
type MemoryConfig struct {
	// Events is how many events are kept at most. Defaults to 10,000.
	Events int
	// Bytes is how many bytes of events are kept at most, id lines included. The memory
	// for them is at most 64 KiB more; a mixture of large and small events can leave
	// some of it empty. Defaults to 16 MiB.
	Bytes int
	// Age is how old an event gets. Defaults to 1 hour.
	Age time.Duration
	// MaxEvent is how many bytes a block has at most. Defaults to 1 MiB, or as much as
	// fits into Bytes.
	MaxEvent int
	// MessageIDs is how many message ids are remembered at most, the newest. Defaults to
	// 10,000.
	MessageIDs int
	// MessageIDWindow is how long a message id is remembered. Defaults to 2 minutes.
	MessageIDWindow time.Duration
}

// maxIDLine is how many bytes "id: <pos>\n" has at most.
const maxIDLine = len("id: \n") + longestPos

func (c *MemoryConfig) setDefaults() error {
	var errs []error
	for _, field := range []struct {
		name  string
		value *int
		unset int
	}{
		{"Events", &c.Events, 10_000},
		{"Bytes", &c.Bytes, 16 << 20},
		{"MaxEvent", &c.MaxEvent, 0},
		{"MessageIDs", &c.MessageIDs, 10_000},
	} {
		if *field.value < 0 {
			errs = append(errs, fmt.Errorf("eventlog: memory: %s is %d, must not be negative", field.name, *field.value))
		} else if *field.value == 0 {
			*field.value = field.unset
		}
	}
	for _, field := range []struct {
		name  string
		value *time.Duration
		unset time.Duration
	}{
		{"Age", &c.Age, time.Hour},
		{"MessageIDWindow", &c.MessageIDWindow, 2 * time.Minute},
	} {
		if *field.value < 0 {
			errs = append(errs, fmt.Errorf("eventlog: memory: %s is %v, must not be negative", field.name, *field.value))
		} else if *field.value == 0 {
			*field.value = field.unset
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	room := c.Bytes - maxIDLine
	switch {
	case room < 3: // "x\n\n"
		return fmt.Errorf("eventlog: memory: Bytes is %d, too few for one event", c.Bytes)
	case c.MaxEvent == 0:
		c.MaxEvent = min(1<<20, room)
	case c.MaxEvent > room:
		return fmt.Errorf("eventlog: memory: MaxEvent is %d, at most %d fit into Bytes, which is %d", c.MaxEvent, room, c.Bytes)
	}
	return nil
}

// Memory is the [Log] in memory. Its events are gone when the process ends; the next
// incarnation of the log has another stamp, so that clients notice. Use [NewMemory].
//
// All events of a Memory have the same stamp. No other Memory of the process has it; a
// Memory of another process has it with a probability of one in four billion.
type Memory struct {
	cfg    MemoryConfig
	stamp  uint32
	frames *window.Frames

	mu     sync.Mutex // serializes Append, sweep and Close
	closed bool
	ids    messageIDs
	idLine []byte // scratch

	sweeper  *time.Timer
	sweeping sync.WaitGroup // one while sweeper is set or sweep runs
	armed    bool
}

var _ Log = (*Memory)(nil)

// NewMemory returns an empty log. It fails if a field of cfg is negative, or Bytes has
// no room for an event of MaxEvent bytes; the error names all such fields.
func NewMemory(cfg MemoryConfig) (*Memory, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	m := &Memory{cfg: cfg, stamp: newStamp()}
	m.ids = messageIDs{max: cfg.MessageIDs, window: cfg.MessageIDWindow}
	m.frames = window.NewFrames(window.FramesConfig{MaxFrames: cfg.Events, MaxBytes: cfg.Bytes, MaxAge: cfg.Age})
	return m, nil
}

func init() {
	window.OfMemory = func(log any) (frames *window.Frames, stamp uint32, ok bool) {
		m, ok := log.(*Memory)
		if !ok {
			return nil, 0, false
		}
		return m.frames, m.stamp, true
	}
}

// Append implements [Log]. Only *[TooLargeError], [ErrBadRecord], [ErrConflict],
// [ErrClosed] and the cause of ctx are possible.
func (m *Memory) Append(ctx context.Context, r Record) (pos Pos, dup bool, err error) {
	if ctx.Err() != nil {
		return Pos{}, false, context.Cause(ctx)
	}
	if err := r.Check(m.cfg.MaxEvent); err != nil {
		return Pos{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Pos{}, false, ErrClosed
	}
	now := time.Now()
	if seq, ok := m.ids.find(r.MessageID, now); ok {
		return Pos{seq, m.stamp}, true, nil
	}
	_, next := m.frames.Bounds()
	if r.Expect != nil && *r.Expect != next-1 {
		return Pos{}, false, fmt.Errorf("%w: expected %d, it is %d", ErrConflict, *r.Expect, next-1)
	}
	pos = Pos{next, m.stamp}
	m.idLine, _ = sse.AppendIDLine(m.idLine[:0], pos.AppendText)
	if _, err := m.frames.Append(now, m.idLine, r.Block); err != nil {
		return Pos{}, false, fmt.Errorf("eventlog: append: %w", err)
	}
	m.ids.add(r.MessageID, next, now)
	if !m.armed {
		m.arm(now)
	}
	return pos, false, nil
}

// Bounds implements [Log].
func (m *Memory) Bounds(ctx context.Context) (Bounds, error) {
	if err := m.usable(ctx); err != nil {
		return Bounds{}, err
	}
	return m.bounds(), nil
}

func (m *Memory) bounds() Bounds {
	first, next := m.frames.Bounds()
	b := Bounds{First: Pos{Seq: first}, Last: Pos{next - 1, m.stamp}}
	if first < next {
		b.First.Stamp = m.stamp
	}
	return b
}

// usable reports whether m can be read, and drops the events that are too old.
func (m *Memory) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ended := m.frames.Ended(); ended {
		return ErrClosed
	}
	m.frames.Expire(time.Now())
	return nil
}

// start returns the number of the first event that follows after.
func (m *Memory) start(after Pos) (uint64, error) {
	b := m.bounds()
	switch {
	case after == Pos{}:
		return b.First.Seq, nil
	case after.Stamp != 0 && after.Stamp != m.stamp:
		return 0, fmt.Errorf("%w: %v; this log has the stamp of %v", ErrForeign, after, b.Last)
	case after.Seq > b.Last.Seq:
		return 0, fmt.Errorf("%w: %v; the last event is %d", ErrAhead, after, b.Last.Seq)
	case after.Seq+1 < b.First.Seq:
		return 0, &PurgedError{Asked: after, Bounds: b}
	}
	return after.Seq + 1, nil
}

// Read implements [Log].
func (m *Memory) Read(ctx context.Context, after Pos, max int) ([]Event, error) {
	if max < 1 {
		return nil, fmt.Errorf("eventlog: read: max is %d, must be positive", max)
	}
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	next, err := m.start(after)
	if err != nil {
		return nil, err
	}
	n := min(uint64(max), m.bounds().Last.Seq+1-next)
	if n == 0 {
		return nil, nil
	}
	events := make([]Event, 0, n)
	for range n {
		ev, ok := m.event(next)
		if !ok { // dropped meanwhile
			break
		}
		events = append(events, ev)
		next++
	}
	if len(events) > 0 {
		return events, nil
	}
	// All that start had found was dropped meanwhile: look again.
	return m.Read(ctx, after, max)
}

// event returns event seq, if it is kept.
func (m *Memory) event(seq uint64) (Event, bool) {
	frame, at, ok := m.frames.Frame(seq)
	if !ok {
		return Event{}, false
	}
	_, block, _ := sse.CutIDLine(frame)
	return Event{Pos: Pos{seq, m.stamp}, Time: at, Block: block}, true
}

// Tail implements [Log]. It takes no lock and starts no goroutine.
func (m *Memory) Tail(ctx context.Context, after Pos) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := m.tail(ctx, after, func(ev Event) bool { return yield(ev, nil) })
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// tail returns nil when yield has returned false.
func (m *Memory) tail(ctx context.Context, after Pos, yield func(Event) bool) error {
	if err := m.usable(ctx); err != nil { // drops what is too old
		return err
	}
	next, err := m.start(after)
	if err != nil {
		return err
	}
	for {
		if err := m.usable(ctx); err != nil {
			return err
		}
		ev, ok := m.event(next)
		switch first, _ := m.frames.Bounds(); {
		case ok:
			if !yield(ev) {
				return nil
			}
			next++
			after = ev.Pos
		case next < first && after != Pos{}:
			return &PurgedError{Asked: after, Bounds: m.bounds()}
		case next < first: // it reads from the oldest and has yielded nothing yet: another one is the oldest now
			next = first
		default:
			select {
			case <-m.frames.Wait(next):
			case <-ctx.Done():
			}
		}
	}
}

// Close implements [Log]. It never fails.
func (m *Memory) Close() error {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		m.frames.Close(ErrClosed)
		if m.armed && m.sweeper.Stop() {
			m.armed = false
			m.sweeping.Done()
		}
	}
	m.mu.Unlock()
	m.sweeping.Wait()
	return nil
}

// arm sets the timer that calls sweep when the oldest event gets too old. The caller
// holds mu.
func (m *Memory) arm(now time.Time) {
	first, _ := m.frames.Bounds()
	oldest, ok := m.frames.Time(first)
	if m.armed = ok; !ok {
		return
	}
	// When events come fast, many of them are swept at once.
	wait := max(oldest.Add(m.cfg.Age).Sub(now), m.cfg.Age/64) + 1
	m.sweeping.Add(1)
	if m.sweeper == nil {
		m.sweeper = time.AfterFunc(wait, m.sweep)
	} else {
		m.sweeper.Reset(wait)
	}
}

// sweep drops the events that are too old, also when nobody appends or reads.
func (m *Memory) sweep() {
	defer m.sweeping.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = false
	if m.closed {
		return
	}
	now := time.Now()
	m.frames.Expire(now)
	m.ids.expire(now)
	m.arm(now)
}
