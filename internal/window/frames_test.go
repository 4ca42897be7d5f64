package window_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// numbered returns a frame of n bytes, at least 12, that says its number and length.
func numbered(seq uint64, n int) []byte {
	b := bytes.Repeat([]byte{byte(seq)}, n)
	binary.BigEndian.PutUint64(b, seq)
	binary.BigEndian.PutUint32(b[8:], uint32(n))
	return b
}

// split takes b apart into numbered frames and checks that they are whole and are
// [first, next).
func split(t testing.TB, b []byte, first, next uint64) {
	t.Helper()
	for seq := first; seq < next; seq++ {
		if len(b) < 12 {
			t.Fatalf("frames [%d, %d) end before frame %d", first, next, seq)
		}
		n := int(binary.BigEndian.Uint32(b[8:]))
		if n > len(b) || !bytes.Equal(b[:n], numbered(seq, n)) {
			t.Fatalf("frame %d of [%d, %d) is torn", seq, first, next)
		}
		b = b[n:]
	}
	if len(b) != 0 {
		t.Fatalf("%d bytes follow the frames [%d, %d)", len(b), first, next)
	}
}

func add(t testing.TB, f *window.Frames, at time.Time, n int) uint64 {
	t.Helper()
	_, want := f.Bounds()
	b := numbered(want, n)
	seq, err := f.Append(at, b[:n/3], nil, b[n/3:n/2], b[n/2:])
	if seq != want || err != nil {
		t.Fatalf("Append = %d, %v; want %d, nil", seq, err, want)
	}
	clear(b) // the window has its own copy
	return seq
}

// held is what is readable, read from the oldest frame on.
type held struct{ frames, bytes, reads int }

func readFrames(t testing.TB, f *window.Frames) (h held) {
	t.Helper()
	first, next := f.Bounds()
	for seq := first; ; h.reads++ {
		b, from, to := f.Read(seq)
		if from != seq {
			t.Fatalf("Read(%d) begins at %d", seq, from)
		}
		if to == from {
			if from != next || b != nil {
				t.Fatalf("Read(%d) = %d bytes, nothing pending; want the end at %d", seq, len(b), next)
			}
			return h
		}
		if cap(b) != len(b) {
			t.Fatal("a slice leads into bytes that are still to be written")
		}
		split(t, b, from, to)
		h.frames += int(to - from)
		h.bytes += len(b)
		seq = to
	}
}

func TestFramesReadFromEveryNumber(t *testing.T) {
	for _, first := range []uint64{0, 1, 1000} {
		f := window.NewFrames(window.FramesConfig{MaxBytes: 20_000, First: first})
		first = max(first, 1)
		if lo, hi := f.Bounds(); lo != first || hi != first {
			t.Fatalf("Bounds of an empty window = %d, %d; want %d, %d", lo, hi, first, first)
		}
		if b, lo, hi := f.Read(first); b != nil || lo != first || hi != first {
			t.Fatalf("Read(%d) of an empty window = %q, %d, %d", first, b, lo, hi)
		}
		for n := range uint64(150) {
			if seq := add(t, f, start, 12+int(n)); seq != first+n {
				t.Fatalf("frame %d has the number %d", n, seq)
			}
			for seq := first; seq <= first+n+1; seq++ {
				b, lo, hi := f.Read(seq)
				if lo != seq || hi > first+n+1 || hi == lo && seq <= first+n {
					t.Fatalf("Read(%d) with the end at %d = [%d, %d)", seq, first+n+1, lo, hi)
				}
				split(t, b, lo, hi)
				one, at, ok := f.Frame(seq)
				if ok != (seq <= first+n) || ok && !at.Equal(start) {
					t.Fatalf("Frame(%d) with the end at %d = %v, %t", seq, first+n+1, at, ok)
				}
				if ok {
					split(t, one, seq, seq+1)
				}
			}
		}
		// A number that has never been in the window, and one that is yet to come.
		if b, lo, hi := f.Read(0); first > 0 && lo != first || hi <= lo {
			t.Errorf("Read(0) = %d bytes, [%d, %d); want them from %d on", len(b), lo, hi, first)
		}
		if b, lo, hi := f.Read(first + 1000); b != nil || lo != first+1000 || hi != lo {
			t.Errorf("Read past the end = %q, [%d, %d)", b, lo, hi)
		}
	}
}

// Whatever the sizes, no more than the bounds can be read, and of many small frames
// exactly as many as the bounds allow.
func TestFramesRetention(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	small := func() int { return 12 + rng.IntN(20) }
	for name, tt := range map[string]struct {
		cfg   window.FramesConfig
		size  func() int
		exact bool // MaxFrames is what bounds it
		least int  // of MaxBytes, in percent, is kept
	}{
		"one":                {window.FramesConfig{MaxFrames: 1}, small, true, 0},
		"two":                {window.FramesConfig{MaxFrames: 2}, small, true, 0},
		"many":               {window.FramesConfig{MaxFrames: 1000}, small, true, 0},
		"few, large":         {window.FramesConfig{MaxFrames: 5}, func() int { return 60_000 + rng.IntN(100_000) }, true, 0},
		"bytes, small":       {window.FramesConfig{MaxBytes: 10_000}, small, false, 85},
		"bytes, middling":    {window.FramesConfig{MaxBytes: 10_000}, func() int { return 12 + rng.IntN(1000) }, false, 50},
		"bytes, large":       {window.FramesConfig{MaxBytes: 10_000}, func() int { return 1000 + rng.IntN(3000) }, false, 50},
		"bytes, one fits":    {window.FramesConfig{MaxBytes: 10_000}, func() int { return 10_000 }, false, 100},
		"bytes, alternating": {window.FramesConfig{MaxBytes: 20_000}, func() int { return 12 + 1240*rng.IntN(2) }, false, 40},
		"bytes, 64K":         {window.FramesConfig{MaxBytes: 2 << 20}, func() int { return 100 + rng.IntN(100) }, false, 95},
	} {
		t.Run(name, func(t *testing.T) {
			f := window.NewFrames(tt.cfg)
			maxFrames, maxBytes := 10_000, 16<<20
			if tt.cfg.MaxFrames > 0 {
				maxFrames = tt.cfg.MaxFrames
			}
			if tt.cfg.MaxBytes > 0 {
				maxBytes = tt.cfg.MaxBytes
			}
			total := 0
			for n := range 3000 {
				if total > 4*maxBytes && n > 4*maxFrames {
					break
				}
				size := tt.size()
				total += size
				add(t, f, start, size)
				if n > 100 && n%17 != 0 {
					continue
				}
				h := readFrames(t, f)
				if h.frames > maxFrames || h.bytes > maxBytes {
					t.Fatalf("after %d frames %+v can be read; at most %d frames, %d bytes", n+1, h, maxFrames, maxBytes)
				}
				if tt.exact && h.frames != min(n+1, maxFrames) {
					t.Fatalf("after %d frames %d can be read, want %d", n+1, h.frames, maxFrames)
				}
				if least := tt.least * maxBytes / 100; h.bytes < min(least, total*tt.least/100) {
					t.Fatalf("after %d frames, %d bytes, %d bytes can be read, want %d", n+1, total, h.bytes, least)
				}
			}
		})
	}
}

func TestFramesRetentionByAge(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{MaxAge: time.Minute})
	for n := range 600 { // one a second
		add(t, f, start.Add(time.Duration(n)*time.Second), 100)
		if h := readFrames(t, f); h.frames != min(n+1, 61) {
			t.Fatalf("after %d seconds %d frames can be read, want those of one minute", n, h.frames)
		}
	}
	// Without another Append, Expire does it.
	first, next := f.Bounds()
	for n := range 61 {
		f.Expire(start.Add(time.Duration(599+n) * time.Second))
		if lo, hi := f.Bounds(); lo != first+uint64(n) || hi != next {
			t.Fatalf("%d seconds later the bounds are %d, %d; want %d, %d", n, lo, hi, first+uint64(n), next)
		}
	}
	f.Expire(start.Add(time.Hour))
	if lo, hi := f.Bounds(); lo != next || hi != next {
		t.Fatalf("an hour later the bounds are %d, %d; want %d, %d", lo, hi, next, next)
	}
	if b, lo, hi := f.Read(first); b != nil || lo != next || hi != next {
		t.Errorf("Read(%d) of an expired window = %d bytes, [%d, %d)", first, len(b), lo, hi)
	}
	f.Expire(start) // of an empty window, and with the clock set back
	if seq := add(t, f, start.Add(time.Hour), 100); seq != next {
		t.Errorf("the next frame has the number %d, want %d", seq, next)
	}
	if h := readFrames(t, f); h.frames != 1 {
		t.Errorf("%d frames can be read, want 1", h.frames)
	}
}

func TestFramesTimes(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{MaxFrames: 100})
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	if seq := f.Seek(start); seq != 1 {
		t.Errorf("Seek in an empty window = %d, want 1", seq)
	}
	for n := range 150 { // frames 1 to 150; two of each even second
		add(t, f, second(n/2*2), 500)
	}
	first, next := f.Bounds()
	for n := range 151 {
		// Frame seq is of the second (seq-1)/2*2.
		want := min(max(uint64((n+1)/2*2+1), first), next)
		if got := f.Seek(second(n)); got != want {
			t.Fatalf("Seek(second %d) = %d, want %d", n, got, want)
		}
	}
	if at, ok := f.Time(first); !ok || !at.Equal(second(int(first-1)/2*2)) {
		t.Errorf("Time(%d) = %v, %t", first, at, ok)
	}
	for _, seq := range []uint64{0, first - 1, next, next + 1} {
		if at, ok := f.Time(seq); ok {
			t.Errorf("Time(%d) with the bounds %d, %d = %v", seq, first, next, at)
		}
	}
	// A clock that is set back.
	seq := add(t, f, start, 20)
	if at, _ := f.Time(seq); !at.Equal(second(148)) {
		t.Errorf("a frame with an earlier time has the time %v, want that of the one before it, %v", at, second(148))
	}
}

func TestFrameTooLarge(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{MaxBytes: 1000})
	add(t, f, start, 500)
	if seq, err := f.Append(start, make([]byte, 600), make([]byte, 401)); !errors.Is(err, window.ErrFrameTooLarge) || seq != 2 {
		t.Errorf("Append of 1001 bytes to a window of 1000 = %d, %v; want ErrFrameTooLarge", seq, err)
	}
	if h := readFrames(t, f); h.frames != 1 {
		t.Errorf("after it %d frames can be read, want 1", h.frames)
	}
	add(t, f, start, 1000)
	if h := readFrames(t, f); h.frames != 1 || h.bytes != 1000 {
		t.Errorf("after a frame of 1000 bytes %+v can be read, want it alone", h)
	}
}

func TestEmptyFrames(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{MaxFrames: 10})
	for n := range uint64(100_000) {
		if seq, err := f.Append(start); seq != n+1 || err != nil {
			t.Fatalf("Append of nothing = %d, %v; want %d", seq, err, n+1)
		}
	}
	if b, first, next := f.Read(99_995); len(b) != 0 || first != 99_995 || next <= first {
		t.Errorf("Read = %q, %d, %d", b, first, next)
	}
}

func TestLargeFrameHasOwnSegment(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{})
	add(t, f, start, 100)
	add(t, f, start, 1<<20)
	add(t, f, start, 100)
	for seq, size := range map[uint64]int{1: 100, 2: 1 << 20, 3: 100} {
		if b, first, next := f.Read(seq); first != seq || next != seq+1 || len(b) != size {
			t.Errorf("Read(%d) = %d bytes, [%d, %d); want the frame alone", seq, len(b), first, next)
		}
	}
}

// Pending frames come in few slices: one for each segment.
func TestReadReturnsAllPending(t *testing.T) {
	for _, size := range []int{100, 1000, 3000} {
		f := window.NewFrames(window.FramesConfig{MaxBytes: 4 << 20})
		for range 3000 {
			add(t, f, start, size)
		}
		h := readFrames(t, f)
		if most := h.bytes/(64<<10-size) + 6; h.reads > most { // the first segments are smaller
			t.Errorf("%d bytes of frames of %d take %d reads, want at most %d", h.bytes, size, h.reads, most)
		}
	}
}

// A slice that a reader holds does not change, whatever happens to the window.
func TestFramesAreNeverRewritten(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{MaxBytes: 200_000})
	type slice struct {
		b           []byte
		first, next uint64
	}
	var held []slice
	for range 500 {
		add(t, f, start, 300)
		_, next := f.Bounds()
		b, lo, hi := f.Read(next - 1 - next%10)
		held = append(held, slice{b, lo, hi})
	}
	for range 2 { // turn it over
		for lo, next := f.Bounds(); lo < next; lo, _ = f.Bounds() {
			add(t, f, start, 300)
		}
	}
	for _, s := range held {
		split(t, s.b, s.first, s.next)
	}
}

func TestFramesClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := window.NewFrames(window.FramesConfig{MaxAge: time.Minute})
		add(t, f, start, 100)
		if !isClosed(f.Wait(0)) || !isClosed(f.Wait(1)) {
			t.Error("Wait waits although a frame is pending")
		}
		var waits []<-chan struct{}
		for seq := range uint64(50) {
			waits = append(waits, f.Wait(2+seq))
		}
		for _, ch := range waits {
			if isClosed(ch) {
				t.Fatal("Wait does not wait although nothing is pending")
			}
		}
		if err, ended := f.Ended(); ended || err != nil {
			t.Errorf("Ended of an open window = %v, %t", err, ended)
		}
		f.Close(errTest)
		f.Close(nil) // the first one counts
		for _, ch := range waits {
			if !isClosed(ch) {
				t.Fatal("Close has not woken a reader")
			}
		}
		if err, ended := f.Ended(); err != errTest || !ended {
			t.Errorf("Ended = %v, %t; want %v, true", err, ended, errTest)
		}
		if seq, err := f.Append(start, []byte("x")); err != window.ErrEnded || seq != 2 {
			t.Errorf("Append to an ended window = %d, %v; want ErrEnded", seq, err)
		}
		if h := readFrames(t, f); h.frames != 1 {
			t.Errorf("%d frames can be read after the end, want 1", h.frames)
		}
		f.Expire(start.Add(time.Hour))
		if h := readFrames(t, f); h.frames != 0 {
			t.Errorf("%d frames that are too old can be read after the end", h.frames)
		}
	})
}

func TestFramesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := window.NewFrames(window.FramesConfig{})
		for range 3 {
			_, next := f.Bounds()
			var waits []<-chan struct{}
			for range 100 {
				waits = append(waits, f.Wait(next))
			}
			add(t, f, start, 100)
			synctest.Wait()
			for _, ch := range waits {
				if !isClosed(ch) {
					t.Fatal("a reader was not woken")
				}
			}
		}
	})
}

// With readers of all kinds, writers, retention and the end at the same time: each reader
// sees every frame whole, in order, or counts it as gone, and never more than the bounds.
func TestFramesConcurrently(t *testing.T) {
	for name, cfg := range map[string]window.FramesConfig{
		"by count": {MaxFrames: 50},
		"one":      {MaxFrames: 1},
		"two":      {MaxFrames: 2},
		"by bytes": {MaxBytes: 5000},
		"by age":   {MaxAge: 40}, // ns: see at
	} {
		t.Run(name, func(t *testing.T) {
			const writers, each, readers = 3, 10_000, 4
			f := window.NewFrames(cfg)
			maxFrames, maxBytes := uint64(10_000), 16<<20
			if cfg.MaxFrames > 0 {
				maxFrames = uint64(cfg.MaxFrames)
			}
			if cfg.MaxBytes > 0 {
				maxBytes = cfg.MaxBytes
			}
			var clock atomic.Int64
			at := func() time.Time { return start.Add(time.Duration(clock.Add(1))) }
			var writing, reading sync.WaitGroup
			var seqs [writers][]uint64
			for w := range writers {
				writing.Go(func() {
					rng := rand.New(rand.NewPCG(5, uint64(w)))
					id := []byte{byte(w)}
					for n := range each {
						body := binary.BigEndian.AppendUint32(nil, uint32(n))
						body = append(body, make([]byte, rng.IntN(60))...)
						head := append(slices.Clone(id), byte(len(body)))
						seq, err := f.Append(at(), head, body)
						if err != nil {
							t.Error(err)
						}
						seqs[w] = append(seqs[w], seq)
						if n%100 == 0 {
							f.Expire(at())
							runtime.Gosched()
						}
					}
				})
			}
			for r := range readers {
				reading.Go(func() {
					rng := rand.New(rand.NewPCG(6, uint64(r)))
					var seen, gone uint64
					next := [writers]int{}
					for seq := uint64(1); ; {
						_, ended := f.Ended()
						b, lo, hi := f.Read(seq)
						if lo < seq || hi < lo || hi-lo > maxFrames || len(b) > maxBytes {
							t.Errorf("Read(%d) = %d bytes, [%d, %d)", seq, len(b), lo, hi)
							return
						}
						if lo > seq && lo == hi && cfg.MaxFrames > 1 { // by count it is never empty
							t.Errorf("Read(%d) has nothing pending at %d, but the window is never empty", seq, lo)
							return
						}
						gone += lo - seq
						for range hi - lo {
							w, n := b[0], int(b[1])
							number := int(binary.BigEndian.Uint32(b[2:]))
							if number < next[w] || bytes.Count(b[6:2+n], []byte{0}) != n-4 {
								t.Errorf("frame %d of writer %d is torn, or came after %d", number, w, next[w]-1)
								return
							}
							next[w] = number + 1
							b = b[2+n:]
							seen++
						}
						if len(b) > 0 {
							t.Errorf("%d bytes follow the frames [%d, %d)", len(b), lo, hi)
							return
						}
						seq = hi
						if lo == hi {
							if ended {
								if seen+gone != writers*each {
									t.Errorf("a reader saw %d and missed %d of %d", seen, gone, writers*each)
								}
								return
							}
							<-f.Wait(seq)
						}
						if rng.IntN(8) == 0 {
							runtime.Gosched()
						}
					}
				})
			}
			reading.Go(func() { // a reader of everything else
				var lastFirst, lastNext uint64
				for {
					_, ended := f.Ended()
					first, next := f.Bounds()
					if first < lastFirst || next < lastNext || first > next || next-first > maxFrames {
						t.Errorf("Bounds = %d, %d; before they were %d, %d", first, next, lastFirst, lastNext)
						return
					}
					lastFirst, lastNext = first, next
					if b, _, ok := f.Frame(first); ok && len(b) != 2+int(b[1]) {
						t.Errorf("Frame(%d) has %d bytes, want %d", first, len(b), 2+int(b[1]))
					}
					if seq := f.Seek(start.Add(time.Duration(clock.Load()))); seq < first {
						t.Errorf("Seek = %d, below %d", seq, first)
					}
					if ended {
						return
					}
					runtime.Gosched()
				}
			})
			writing.Wait()
			f.Close(nil)
			reading.Wait()
			var all []uint64
			for _, s := range seqs {
				if !slices.IsSorted(s) {
					t.Error("the frames of one writer are not in its order")
				}
				all = append(all, s...)
			}
			slices.Sort(all)
			for i, seq := range all {
				if seq != uint64(i)+1 {
					t.Fatalf("the numbers have a hole or a double at %d", seq)
				}
			}
		})
	}
}

// heap returns the bytes that are in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFramesMemoryIsBounded(t *testing.T) {
	const maxBytes, maxFrames = 1 << 20, 5000
	rng := rand.New(rand.NewPCG(7, 8))
	turn := 0
	for name, tt := range map[string]struct {
		frames int
		size   func() int
	}{
		"small":              {2_000_000, func() int { return 100 }},
		"tiny":               {300_000, func() int { return 20 }},
		"just over half":     {4_000, func() int { return 33 << 10 }},
		"any":                {4_000, func() int { return 20 + rng.IntN(100<<10) }},
		"small and too much": {4_000, func() int { turn = 1 - turn; return 20 + turn*(64<<10) }},
	} {
		t.Run(name, func(t *testing.T) {
			buf := make([]byte, 200<<10)
			before := heap()
			f := window.NewFrames(window.FramesConfig{MaxFrames: maxFrames, MaxBytes: maxBytes})
			for range tt.frames {
				if _, err := f.Append(start, buf[:tt.size()]); err != nil {
					t.Fatal(err)
				}
			}
			after := heap()
			// MaxBytes, a segment, 32 bytes for each frame that is kept or shares a segment
			// with one; and something for the directory and the test.
			const most = maxBytes + 64<<10 + 32*(maxFrames+4096) + 64<<10
			if used := int64(after) - int64(before); used > most {
				t.Errorf("the window takes %d bytes, want at most %d", used, most)
			}
			f.Expire(start.Add(2 * time.Hour))
			if used := int64(heap()) - int64(before); used > 64<<10 {
				t.Errorf("when everything has expired it takes %d bytes", used)
			}
			runtime.KeepAlive(f)
		})
	}
}

func TestFramesReadAllocs(t *testing.T) {
	f := window.NewFrames(window.FramesConfig{})
	for range 10_000 {
		add(t, f, start, 100)
	}
	first, next := f.Bounds()
	seq := first
	if n := testing.AllocsPerRun(1000, func() {
		f.Read(seq)
		f.Frame(seq)
		f.Time(seq)
		f.Seek(start)
		f.Bounds()
		if seq += 7; seq >= next {
			seq = first
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times", n)
	}
}
