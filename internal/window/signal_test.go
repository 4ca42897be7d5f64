package window_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, readers := range []int{1, 8, 9, 10, 1000} { // woken by the writer, and by the waker
			w := window.New[uint64](window.Config{})
			fill(t, w, 3)
			if !isClosed(w.Wait(2)) {
				t.Error("Wait(2) waits although an element is pending")
			}
			var waits []<-chan struct{}
			for range readers {
				waits = append(waits, w.Wait(3))
			}
			synctest.Wait()
			for _, ch := range waits {
				if isClosed(ch) {
					t.Error("Wait(3) does not wait although nothing is pending")
				}
			}
			fill(t, w, 4)
			synctest.Wait()
			for _, ch := range waits {
				if !isClosed(ch) {
					t.Fatalf("with %d readers, one was not woken by Append", readers)
				}
			}
			waits = nil
			for range readers {
				waits = append(waits, w.Wait(4))
			}
			w.Close(nil) // which waits for the waker: no synctest.Wait here
			for _, ch := range append(waits, w.Wait(4), w.Wait(100)) {
				if !isClosed(ch) {
					t.Fatalf("with %d readers, one waits although the window has ended", readers)
				}
			}
		}
	})
}

// follow reads w from now on until it ends or ctx is cancelled, like a subscriber,
// and returns how many elements it saw and missed.
func follow(t *testing.T, ctx context.Context, w *window.Window[uint64], busy func()) (from, seen, missed uint64) {
	from = w.End()
	for pos := from; ; {
		items, at := w.Read(pos)
		missed += at - pos
		for i, v := range items {
			if v != at+uint64(i) {
				t.Errorf("there is %d at %d", v, at+uint64(i))
			}
		}
		seen += uint64(len(items))
		pos = at + uint64(len(items))
		if len(items) > 0 {
			busy()
			continue
		}
		if _, ended := w.Ended(); ended && pos == w.End() {
			return from, seen, missed
		}
		select {
		case <-w.Wait(pos):
		case <-ctx.Done():
			return from, seen, missed
		}
	}
}

// Readers that come and go and read at any speed see every element under its number or
// count it as missed, and no reader is left waiting.
func TestManyReaders(t *testing.T) {
	for _, readers := range []int{1, 4, 100} {
		t.Run(fmt.Sprint(readers, " readers"), func(t *testing.T) {
			const elements = 30_000
			w := window.New[uint64](window.Config{Keep: 256, Segment: 32})
			var wg sync.WaitGroup
			var lost atomic.Uint64
			for r := range readers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(r)))
					for {
						ctx, cancel := context.WithCancel(t.Context())
						leave := rng.IntN(100)
						from, seen, missed := follow(t, ctx, w, func() {
							for range rng.IntN(1 << (r % 8)) {
								runtime.Gosched()
							}
							if leave--; leave == 0 {
								cancel()
							}
						})
						lost.Add(missed)
						left := ctx.Err() != nil
						cancel()
						if end := w.End(); !left {
							if from+seen+missed != end {
								t.Errorf("a reader from %d saw %d and missed %d of %d", from, seen, missed, end)
							}
							return
						}
					}
				})
			}
			for v := range uint64(elements) {
				if _, err := w.Append(v); err != nil {
					t.Error(err)
				}
				if v%64 == 0 {
					runtime.Gosched()
				}
			}
			w.Close(nil)
			wg.Wait()
			t.Logf("%d of %d elements were missed", lost.Load(), elements*readers)
		})
	}
}

// Every reader waits for every element: with one wake-up lost this would not end.
func TestWakeUpsAreNotLost(t *testing.T) {
	for _, readers := range []int{1, 2, 8, 9, 32} {
		rounds := 20_000 / readers
		w := window.New[uint64](window.Config{Keep: 8})
		var wg, round sync.WaitGroup
		for range readers {
			wg.Go(func() {
				for pos := uint64(0); pos < uint64(rounds); {
					items, at := w.Read(pos)
					if len(items) == 0 {
						<-w.Wait(pos)
						continue
					}
					pos = at + uint64(len(items))
					for range items {
						round.Done()
					}
				}
			})
		}
		for v := range uint64(rounds) {
			round.Add(readers)
			if _, err := w.Append(v); err != nil {
				t.Fatal(err)
			}
			round.Wait()
		}
		wg.Wait()
		w.Close(nil)
	}
}

// Many writers, many readers: everybody sees the same order, and each writer's
// elements in the order it wrote them.
func TestManyWriters(t *testing.T) {
	const writers, each, readers = 4, 5000, 8
	type element struct{ writer, n int }
	w := window.New[element](window.Config{Keep: writers * each})
	var reading, writing sync.WaitGroup
	sums := make([]uint64, readers)
	for r := range readers {
		reading.Go(func() {
			var next [writers]int
			for pos := uint64(0); ; {
				items, at := w.Read(pos)
				for i, e := range items {
					if e.n != next[e.writer] {
						t.Errorf("writer %d: element %d came instead of %d", e.writer, e.n, next[e.writer])
					}
					next[e.writer]++
					sums[r] = sums[r]*31 + uint64(e.writer)*(at+uint64(i))
				}
				pos = at + uint64(len(items))
				if pos == writers*each {
					return
				}
				<-w.Wait(pos)
			}
		})
	}
	for id := range writers {
		writing.Go(func() {
			for n := range each {
				if pos, err := w.Append(element{id, n}); err != nil || pos >= writers*each {
					t.Errorf("Append = %d, %v", pos, err)
				}
			}
		})
	}
	writing.Wait()
	reading.Wait()
	for _, sum := range sums {
		if sum != sums[0] {
			t.Error("two readers saw different orders")
		}
	}
	w.Close(nil)
}

// The waker has ended when Close returns. In a window that is never closed it ends by
// itself.
func TestWakerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble fails if a goroutine is left
		w := window.New[uint64](window.Config{})
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			go func() { _, _, _ = follow(t, ctx, w, func() {}) }()
		}
		synctest.Wait()
		start := time.Now()
		fill(t, w, 1000)
		if d := time.Since(start); d != 0 {
			t.Errorf("1000 Appends to 100 readers took %v of virtual time", d)
		}
		time.Sleep(2 * time.Second)
	})
}

// Closing from many goroutines, while elements are appended and readers wait.
func TestCloseRacesWithAppend(t *testing.T) {
	for range 200 {
		w := window.New[uint64](window.Config{Keep: 16})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _, _ = follow(t, t.Context(), w, func() {}) })
		}
		wg.Go(func() {
			for v := uint64(0); ; v++ {
				if _, err := w.Append(v); err != nil {
					return
				}
			}
		})
		for range 3 {
			wg.Go(func() {
				runtime.Gosched()
				w.Close(nil)
				if _, ended := w.Ended(); !ended {
					t.Error("Close returned before the window had ended")
				}
			})
		}
		wg.Wait()
	}
}
