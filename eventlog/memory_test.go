package eventlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/eventlog/logtest"
	"github.com/fluxwire-go/fluxwire/internal/window"
)

func newMemory(t testing.TB, cfg eventlog.MemoryConfig) *eventlog.Memory {
	t.Helper()
	m, err := eventlog.NewMemory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func framesOf(m *eventlog.Memory) *window.Frames {
	frames, _, _ := window.OfMemory(m)
	return frames
}

func stampOf(m *eventlog.Memory) uint32 {
	_, stamp, _ := window.OfMemory(m)
	return stamp
}

func add(t testing.TB, m *eventlog.Memory, block string) eventlog.Pos {
	t.Helper()
	pos, _, err := m.Append(t.Context(), eventlog.Record{Block: []byte(block)})
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

func TestMemoryIsALog(t *testing.T) {
	logtest.Run(t, logtest.Engine{Open: func(t testing.TB, l logtest.Limits) eventlog.Log {
		return newMemory(t, eventlog.MemoryConfig{
			Events: l.Events, Bytes: l.Bytes, Age: l.Age, MaxEvent: l.MaxEvent, MessageIDWindow: l.MessageIDWindow,
		})
	}})
}

func TestMemoryConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  eventlog.MemoryConfig
		want []string // in the error; nil if there is none
	}{
		{eventlog.MemoryConfig{}, nil},
		{eventlog.MemoryConfig{Events: 1, Bytes: 100, Age: 1, MaxEvent: 60, MessageIDs: 1, MessageIDWindow: 1}, nil},
		{eventlog.MemoryConfig{Bytes: 100}, nil},
		{eventlog.MemoryConfig{Bytes: 10}, []string{"Bytes is 10"}},
		{eventlog.MemoryConfig{Bytes: 100, MaxEvent: 100}, []string{"MaxEvent is 100", "Bytes"}},
		{
			eventlog.MemoryConfig{Events: -1, Bytes: -2, Age: -3, MaxEvent: -4, MessageIDs: -5, MessageIDWindow: -6},
			[]string{"Events is -1", "Bytes is -2", "Age is -3ns", "MaxEvent is -4", "MessageIDs is -5", "MessageIDWindow is -6ns"},
		},
	} {
		m, err := eventlog.NewMemory(tt.cfg)
		if (err != nil) != (tt.want != nil) || (m == nil) != (err != nil) {
			t.Errorf("NewMemory(%+v) = %v, %v", tt.cfg, m, err)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("NewMemory(%+v) = %v; want %q in it", tt.cfg, err, want)
			}
		}
	}
}

func TestMemoryDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, eventlog.MemoryConfig{})
		for range 10_010 {
			add(t, m, "data: x\n\n")
		}
		bounds := func() uint64 {
			b, err := m.Bounds(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return b.Len()
		}
		if n := bounds(); n != 10_000 {
			t.Errorf("%d events are kept, want 10,000", n)
		}
		time.Sleep(time.Hour)
		if n := bounds(); n != 10_000 {
			t.Errorf("%d events are kept after an hour, want 10,000", n)
		}
		time.Sleep(time.Nanosecond)
		if n := bounds(); n != 0 {
			t.Errorf("%d events are kept after more than an hour", n)
		}
		add(t, m, "data: "+strings.Repeat("x", 1<<20-8)+"\n\n")
		_, _, err := m.Append(t.Context(), eventlog.Record{Block: []byte("data: " + strings.Repeat("x", 1<<20-7) + "\n\n")})
		if !errors.Is(err, eventlog.ErrTooLarge) {
			t.Errorf("Append of a block of more than 1 MiB = %v", err)
		}
		for range 16 {
			add(t, m, "data: "+strings.Repeat("x", 1<<20-8)+"\n\n")
		}
		if n := bounds(); n != 15 { // with their id lines 16 are over 16 MiB
			t.Errorf("%d events of 1 MiB are kept, want 15", n)
		}
		// A small Bytes makes for a small MaxEvent.
		small := newMemory(t, eventlog.MemoryConfig{Bytes: 1000})
		_, _, err = small.Append(t.Context(), eventlog.Record{Block: make([]byte, 1000)})
		if tooLarge, ok := errors.AsType[*eventlog.TooLargeError](err); !ok || tooLarge.Max > 1000 || tooLarge.Max < 950 {
			t.Errorf("Append of 1000 bytes to a log of 1000 = %v", err)
		}
	})
}

// The window that subscribers read has the events with their id lines, and the same
// bytes that Read returns.
func TestMemoryWindow(t *testing.T) {
	m := newMemory(t, eventlog.MemoryConfig{})
	var want []byte
	for n := range 100 {
		block := fmt.Sprintf("event: e\ndata: %d\n\n", n)
		pos := add(t, m, block)
		want = append(want, "id: "+pos.String()+"\n"+block...)
	}
	b, first, next := framesOf(m).Read(1)
	if first != 1 || next != 101 || !bytes.Equal(b, want) {
		t.Fatalf("the window has [%d, %d): %q; want %q", first, next, b, want)
	}
	events, err := m.Read(t.Context(), eventlog.Pos{}, 100)
	if len(events) != 100 || err != nil {
		t.Fatalf("Read = %d events, %v", len(events), err)
	}
	from := 0
	for _, ev := range events {
		from += len("id: \n") + len(ev.Pos.String())
		if unsafe.SliceData(ev.Block) != &b[from] {
			t.Fatalf("the block of event %d is a copy of what the window has", ev.Seq)
		}
		from += len(ev.Block)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err, ended := framesOf(m).Ended(); !ended || err != eventlog.ErrClosed {
		t.Errorf("after Close the window has ended: %t, %v", ended, err)
	}
	if _, err := framesOf(m).Append(time.Now(), []byte("x")); err == nil {
		t.Error("after Close the window takes a frame")
	}
}

// A tail of a Memory buffers nothing: it ends when it is overtaken by one event.
func TestMemoryTailOvertaken(t *testing.T) {
	m := newMemory(t, eventlog.MemoryConfig{Events: 10})
	for range 10 {
		add(t, m, "data: x\n\n")
	}
	var seen []eventlog.Pos
	var got error
	for ev, err := range m.Tail(t.Context(), eventlog.Pos{}) {
		if err != nil {
			got = err
			continue
		}
		seen = append(seen, ev.Pos)
		if ev.Seq == 3 {
			for range 13 { // up to 23: 14 is the oldest
				add(t, m, "data: x\n\n")
			}
		}
	}
	gone, ok := errors.AsType[*eventlog.PurgedError](got)
	if len(seen) != 3 || !ok || gone.Asked != seen[2] || gone.Bounds != (eventlog.Bounds{First: eventlog.Pos{Seq: 14, Stamp: seen[0].Stamp}, Last: eventlog.Pos{Seq: 23, Stamp: seen[0].Stamp}}) || gone.Missed() != 10 {
		t.Errorf("the tail saw %v and ended with %#v", seen, got)
	}
	want := "asked for what follows " + seen[2].String() + ", 10 are gone, the oldest one kept is 14"
	if got == nil || !strings.HasPrefix(got.Error(), "eventlog: ") || !strings.Contains(got.Error(), want) {
		t.Errorf("the error is %q; want %q in it", got, want)
	}
}

// The position just before the oldest event is still good; an older one is not. Number
// 0 with the log's stamp is before its first event.
func TestMemoryBeforeFirstEvent(t *testing.T) {
	m := newMemory(t, eventlog.MemoryConfig{Events: 2})
	b, err := m.Bounds(t.Context())
	if err != nil || b.First != (eventlog.Pos{Seq: 1}) || b.Last.Seq != 0 || b.Last.Stamp == 0 {
		t.Fatalf("Bounds of an empty log = %+v, %v; want 1, and 0 with a stamp", b, err)
	}
	before := b.Last
	if events, err := m.Read(t.Context(), before, 10); len(events) != 0 || err != nil {
		t.Errorf("Read(%v) of an empty log = %v, %v", before, events, err)
	}
	for range 2 {
		add(t, m, "data: x\n\n")
	}
	if events, err := m.Read(t.Context(), before, 10); len(events) != 2 || err != nil {
		t.Errorf("Read(%v) = %d events, %v; want 2, nil", before, len(events), err)
	}
	if _, err := m.Read(t.Context(), eventlog.Pos{Stamp: before.Stamp ^ 1}, 10); !errors.Is(err, eventlog.ErrForeign) {
		t.Errorf("Read before the first event of another incarnation = %v; want ErrForeign", err)
	}
	add(t, m, "data: x\n\n")
	for name, err := range map[string]error{
		"Read": func() error { _, err := m.Read(t.Context(), before, 10); return err }(),
		"Tail": func() (err error) {
			for _, err = range m.Tail(t.Context(), before) {
				break
			}
			return err
		}(),
	} {
		if gone, ok := errors.AsType[*eventlog.PurgedError](err); !ok || gone.Missed() != 1 {
			t.Errorf("%s(%v) with event 1 gone = %v; want a *PurgedError", name, before, err)
		}
	}
}

// Old events are dropped also when nobody appends or reads.
func TestMemorySweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const age = 64 * time.Second
		m := newMemory(t, eventlog.MemoryConfig{Age: age})
		for range 100 { // each time after a pause
			start := time.Now()
			for range 50 {
				add(t, m, "data: x\n\n")
				time.Sleep(100 * time.Millisecond)
			}
			first, next := framesOf(m).Bounds()
			time.Sleep(time.Until(start.Add(age)))
			if lo, _ := framesOf(m).Bounds(); lo != first {
				t.Fatalf("the oldest event went before its time: %d, %d", lo, first)
			}
			// The last event is 4.9 s younger; the sweeper comes once in Age/64 at most.
			time.Sleep(4900*time.Millisecond + age/64 + 2)
			if lo, hi := framesOf(m).Bounds(); lo != hi || hi != next {
				t.Fatalf("after Age the window keeps [%d, %d)", lo, hi)
			}
		}
		add(t, m, "data: x\n\n")
		if err := m.Close(); err != nil { // stops the sweeper, or this test would not end at once
			t.Error(err)
		}
	})
}

func TestMemoryCloseDuringSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range 200 {
			m := newMemory(t, eventlog.MemoryConfig{Age: 640})
			add(t, m, "data: x\n\n")
			time.Sleep(time.Duration(600 + n)) // about when the sweeper runs
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	const events, ids, n = 5000, 2000, 1_000_000
	before := heap()
	m := newMemory(t, eventlog.MemoryConfig{Events: events, Bytes: 1 << 20, MessageIDs: ids})
	block := []byte("data: " + strings.Repeat("x", 92) + "\n\n")
	id := make([]byte, 0, 32)
	for i := range n {
		r := eventlog.Record{Block: block}
		if i%10 == 0 {
			id = fmt.Appendf(id[:0], "key %d", i)
			r.MessageID = string(id)
		}
		if _, dup, err := m.Append(t.Context(), r); dup || err != nil {
			t.Fatal(dup, err)
		}
	}
	// Bytes and a segment; 32 for the mark of a frame; 150 for a message id; some for the rest.
	const most = 1<<20 + 64<<10 + 32*events + 150*ids + 128<<10
	if used := heap() - before; used > most {
		t.Errorf("after %d events the log takes %d bytes, want at most %d", n, used, most)
	}
	runtime.KeepAlive(m)
}

func TestMemoryAppendAllocs(t *testing.T) {
	m := newMemory(t, eventlog.MemoryConfig{})
	r := eventlog.Record{Block: []byte("event: e\ndata: " + strings.Repeat("x", 85) + "\n\n")}
	ctx := t.Context()
	// Once in about 500 events there is a new segment.
	if n := testing.AllocsPerRun(20_000, func() { _, _, _ = m.Append(ctx, r) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

func TestMemoryReadAllocs(t *testing.T) {
	m := newMemory(t, eventlog.MemoryConfig{})
	for range 1000 {
		add(t, m, "data: x\n\n")
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Read(ctx, eventlog.Pos{}, 1000) }); n != 1 {
		t.Errorf("Read allocates %v times, want once", n)
	}
}
