package window_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

var errTest = errors.New("test error")

// fill appends the numbers from the end of w up to n: each element is its number.
func fill(t *testing.T, w *window.Window[uint64], n uint64) {
	t.Helper()
	for v := w.End(); v < n; v++ {
		if pos, err := w.Append(v); pos != v || err != nil {
			t.Fatalf("Append = %d, %v; want %d, nil", pos, err, v)
		}
	}
}

// drain reads from pos until nothing is pending, and checks that each element is at
// its number. It returns the number to continue at and how many elements were missed.
func drain(t *testing.T, w *window.Window[uint64], pos uint64) (next, missed uint64) {
	t.Helper()
	for {
		items, at := w.Read(pos)
		if at < pos {
			t.Fatalf("Read(%d) went back to %d", pos, at)
		}
		missed += at - pos
		for i, v := range items {
			if v != at+uint64(i) {
				t.Fatalf("Read(%d) has %d at %d", pos, v, at+uint64(i))
			}
		}
		pos = at + uint64(len(items))
		if len(items) == 0 {
			return pos, missed
		}
	}
}

func TestReadFromEveryNumber(t *testing.T) {
	w := window.New[uint64](window.Config{Keep: 1000, Segment: 7})
	if items, at := w.Read(0); len(items) != 0 || at != 0 {
		t.Errorf("Read of an empty window = %v, %d", items, at)
	}
	for end := range uint64(200) {
		fill(t, w, end)
		for pos := range end + 1 {
			if next, missed := drain(t, w, pos); next != end || missed != 0 {
				t.Fatalf("reading from %d of %d came to %d and missed %d", pos, end, next, missed)
			}
		}
		if first, last := w.Bounds(); first != 0 || last != end || w.End() != end {
			t.Fatalf("Bounds = %d, %d, End = %d; want 0, %d, %d", first, last, w.End(), end, end)
		}
	}
}

// The segments double until they have their size, and are filled to the last element.
func TestSegmentsGrow(t *testing.T) {
	w := window.New[uint64](window.Config{Keep: 1000, Segment: 33})
	fill(t, w, 2+4+8+16+32+33+33)
	var sizes []int
	for pos := uint64(0); pos < w.End(); {
		items, _ := w.Read(pos)
		sizes = append(sizes, len(items))
		pos += uint64(len(items))
	}
	if want := []int{2, 4, 8, 16, 32, 33, 33}; !slices.Equal(sizes, want) {
		t.Errorf("the segments hold %v elements, want %v", sizes, want)
	}
}

func TestReadPastTheEnd(t *testing.T) {
	w := window.New[uint64](window.Config{Segment: 64})
	fill(t, w, 3)
	for end := uint64(3); end <= 10; end++ {
		fill(t, w, end)
		if items, at := w.Read(10); len(items) != 0 || at != 10 {
			t.Errorf("Read(10) with the end at %d = %v, %d; want nothing", end, items, at)
		}
	}
	fill(t, w, 12)
	if items, at := w.Read(10); !slices.Equal(items, []uint64{10, 11}) || at != 10 {
		t.Errorf("Read(10) = %v, %d; want [10 11], 10", items, at)
	}
}

func TestRetention(t *testing.T) {
	for _, cfg := range []window.Config{{}, {Keep: 1}, {Keep: 2}, {Keep: 10, Segment: 3}, {Keep: 100, Segment: 7}, {Keep: 5, Segment: 50}} {
		keep, segment := uint64(cfg.Keep), uint64(cfg.Segment)
		if keep == 0 {
			keep = 1024
		}
		if segment == 0 {
			segment = max(keep/4, 1)
		}
		w := window.New[uint64](cfg)
		for n := range 10*keep + 10*segment {
			fill(t, w, n)
			first, end := w.Bounds()
			if kept := end - first; kept < min(keep, n) || kept >= keep+segment {
				t.Fatalf("%+v: after %d elements %d are kept", cfg, n, kept)
			}
			if next, missed := drain(t, w, 0); next != n || missed != first {
				t.Fatalf("%+v: a reader at 0 came to %d and missed %d; want %d and %d", cfg, next, missed, n, first)
			}
		}
	}
}

func TestClose(t *testing.T) {
	w := window.New[uint64](window.Config{})
	fill(t, w, 5)
	if err, ended := w.Ended(); ended || err != nil {
		t.Errorf("Ended of an open window = %v, %t", err, ended)
	}
	w.Close(errTest)
	w.Close(nil) // the first one counts
	for range 2 {
		if err, ended := w.Ended(); !ended || err != errTest {
			t.Errorf("Ended = %v, %t; want %v, true", err, ended, errTest)
		}
		if pos, err := w.Append(5); pos != 5 || err != window.ErrEnded {
			t.Errorf("Append = %d, %v; want 5, %v", pos, err, window.ErrEnded)
		}
		if next, missed := drain(t, w, 2); next != 5 || missed != 0 {
			t.Errorf("reading after the end came to %d and missed %d; want 5 and 0", next, missed)
		}
	}
}

// A reader that stands still in an old slice pins the segment of that slice, and
// nothing that came after it.
func TestSlowReaderPinsOneSegment(t *testing.T) {
	const keep, segment, n = 64, 16, 10_000
	type value struct{ _ [64]byte }
	var freed atomic.Int64
	w := window.New[*value](window.Config{Keep: keep, Segment: segment})
	add := func() {
		v := new(value)
		runtime.AddCleanup(v, func(struct{}) { freed.Add(1) }, struct{}{})
		_, _ = w.Append(v)
	}
	for range keep {
		add()
	}
	items, _ := w.Read(0)
	for range n {
		add()
	}
	expectFreed := func(want uint64) {
		t.Helper()
		for range 100 {
			runtime.GC()
			if freed.Load() >= int64(want) {
				break
			}
			runtime.Gosched()
		}
		if freed.Load() != int64(want) {
			_, end := w.Bounds()
			t.Errorf("%d of %d values are free, want %d", freed.Load(), end, want)
		}
	}
	for range segment { // at any place in a segment
		add()
		first, _ := w.Bounds()
		expectFreed(first - uint64(len(items)))
	}
	runtime.KeepAlive(items)
	first, _ := w.Bounds()
	expectFreed(first) // with the slice, its segment is gone
	runtime.KeepAlive(w)
}

func TestQuietWindowIsSmall(t *testing.T) {
	const segment = 64 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	windows := make([]*window.Window[byte], 1000)
	for i := range windows {
		windows[i] = window.New[byte](window.Config{Keep: 16 << 20, Segment: segment})
		_, _ = windows[i].Append(1)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(windows)); each > segment/8 {
		t.Errorf("a window with one element takes %d bytes, want no more than an eighth of a segment", each)
	}
	runtime.KeepAlive(windows)
}

// TestWindowAgainstSlice appends and reads at random, beside a plain slice that keeps
// everything.
func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		cfg := window.Config{Keep: 1 + rng.IntN(300), Segment: 1 + rng.IntN(100)}
		w := window.New[byte](cfg)
		var all []byte
		first := uint64(0) // what Bounds said last
		for range 500 {
			for range rng.IntN(40) * rng.IntN(5) {
				v := byte(rng.Uint32())
				pos, err := w.Append(v)
				if pos != uint64(len(all)) || err != nil {
					t.Fatalf("seed %d: Append = %d, %v; want %d, nil", seed, pos, err, len(all))
				}
				all = append(all, v)
			}
			oldest, end := w.Bounds()
			if oldest < first || end != uint64(len(all)) {
				t.Fatalf("seed %d: Bounds = %d, %d after %d; want an end of %d", seed, oldest, end, first, len(all))
			}
			first = oldest
			pos := uint64(rng.IntN(len(all) + 1))
			items, at := w.Read(pos)
			if at != max(pos, first) || !bytes.Equal(items, all[at:at+uint64(len(items))]) || (len(items) == 0) != (at == end) {
				t.Fatalf("seed %d: Read(%d) = %d bytes at %d, with the bounds %d, %d", seed, pos, len(items), at, first, end)
			}
			if cap(items) != len(items) {
				t.Fatal("a slice leads into elements that are still to be written")
			}
		}
	}
}
