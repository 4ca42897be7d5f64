// Package window has append-only lists of segments: any number of readers see what is
// appended, each at its own pace, and no reader can hold back the writer or another
// reader. [Window] has elements of any type, [Frames] has numbered frames of
// bytes.
//
// A reader keeps nothing but the number of the next element it wants, a plain uint64:
// subscribing is loading the number that the next element will get, and leaving is
// forgetting it. Read returns everything in one segment from that number on as one
// slice; a reader whose next element is no longer kept learns from the same call how
// many it has missed.
//
// A segment is never rewritten. Retention drops the oldest segment as a whole, and the
// garbage collector frees it once the last slice of it is gone. A slow reader pins the
// one segment that its slice points into and never a chain of them, because segments do
// not link to each other.
package window

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// Config sets the bounds of a [Window]. The zero Config works.
type Config struct {
	// Keep is how many of the newest elements are kept at least. Older ones are kept
	// only if they share a segment with one of these: fewer than Keep plus one segment
	// in all. Defaults to 1024.
	Keep int
	// Segment is how many elements a segment holds. The first segments are smaller
	// and double until they reach it, so that a window with few elements is small. Defaults to
	// a quarter of Keep, at most 65,536.
	Segment int
}

// A Window is an append-only list of elements, numbered from zero. Its methods may be
// called by any number of goroutines at once. Use [New].
//
// Readers take no lock. What they touch, and why that is safe:
//
//   - directory points to an immutable list of segments, which the writer replaces
//     when it adds or drops one.
//   - segment.end is stored after the elements below it were written, and no element
//     below it is ever written again. A reader looks only below an end it has
//     loaded, so writes and reads never meet in one element.
//   - The signal ends after the last element was stored.
type Window[T any] struct {
	keep, segment int

	directory atomic.Pointer[directory[T]]
	signal    signal

	mu sync.Mutex // serializes Append and Close
}

// A directory lists the segments, oldest first, each beginning where the one before
// it ends. It is never changed.
type directory[T any] struct {
	first    uint64 // number of the oldest element kept; the end if none is kept
	segments []*segment[T]
}

// A segment holds the elements [base, end).
type segment[T any] struct {
	base uint64
	end  atomic.Uint64
	buf  []T // of full length from the start; readers look below end only
}

// New returns an empty window.
func New[T any](cfg Config) *Window[T] {
	w := &Window[T]{keep: cfg.Keep, segment: cfg.Segment}
	if w.keep <= 0 {
		w.keep = 1024
	}
	if w.segment <= 0 {
		w.segment = max(1, min(w.keep/4, 64<<10))
	}
	w.directory.Store(&directory[T]{})
	w.signal.init()
	return w
}

// Append adds v as the last element and returns its number.
//
// Append never waits for a reader, and the time it takes does not depend on how many
// are waiting: if there are more than a few, a goroutine of the window wakes them.
// It fails with [ErrEnded] after [Window.Close].
func (w *Window[T]) Append(v T) (seq uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.directory.Load()
	if _, ended := w.signal.ended(); ended {
		return d.end(), ErrEnded
	}
	s := d.last()
	if s == nil || s.full() {
		d, s = w.extend(d)
	}
	seq = s.end.Load()
	s.buf[seq-s.base] = v
	s.end.Store(seq + 1)
	w.signal.wake()

	expired := 0
	for expired+1 < len(d.segments) && d.end()-d.segments[expired+1].base >= uint64(w.keep) {
		expired++
	}
	w.drop(d, expired)
	return seq, nil
}

// extend adds an empty segment.
func (w *Window[T]) extend(d *directory[T]) (*directory[T], *segment[T]) {
	size := w.segment / 16
	if last := d.last(); last != nil {
		size = 2 * len(last.buf)
	}
	s := &segment[T]{base: d.end(), buf: make([]T, max(1, min(size, w.segment)))}
	s.end.Store(s.base)
	segments := append(slices.Clip(d.segments), s) // clipped: copied, since readers have the old list
	d = &directory[T]{first: segments[0].base, segments: segments}
	w.directory.Store(d)
	return d, s
}

// drop publishes d without its n oldest segments.
func (w *Window[T]) drop(d *directory[T], n int) {
	if n == 0 {
		return
	}
	next := &directory[T]{
		first:    d.segments[n-1].end.Load(),
		segments: slices.Clone(d.segments[n:]), // a shorter slice would pin the dropped segments
	}
	w.directory.Store(next)
}

// Close ends the window: Append fails from now on, waiting readers are woken, and
// [Window.Ended] returns err. What is kept stays readable. Only the first call counts.
//
// Close returns when the goroutine that wakes readers has ended. It waits for no
// reader.
func (w *Window[T]) Close(err error) {
	w.mu.Lock()
	w.signal.end(err)
	w.mu.Unlock()
	w.signal.waker.Wait()
}

// Ended reports whether the window has ended, and with what error. What was appended
// before may still be pending.
func (w *Window[T]) Ended() (err error, ended bool) { return w.signal.ended() }

// Wait returns a channel that is closed when there is something to read at seq, or the
// window has ended. It may be closed for less than that, so the reader looks again. All
// who wait share the channel. Abandoning it needs no cleanup.
func (w *Window[T]) Wait(seq uint64) <-chan struct{} {
	ch := w.signal.join()
	if _, ended := w.signal.ended(); ended || w.End() > seq {
		return closed
	}
	return ch
}

// End returns the number of the element that will be appended next: where a reader
// begins that wants everything from now on.
func (w *Window[T]) End() uint64 { return w.directory.Load().end() }

// Read returns the elements from number seq on, up to the end of one segment, and the
// number at of the first of them. The reader continues at at + len(items). Read never
// waits.
//
//   - at > seq: the reader has fallen out of the window and missed at-seq elements.
//   - no items: nothing is pending at at; see [Window.Wait] and [Window.Ended].
//
// The items must not be changed. They stay valid, and keep their segment in memory,
// for as long as the caller holds them. A reader ahead of the end gets nothing until
// the window has got there.
func (w *Window[T]) Read(seq uint64) (items []T, at uint64) {
	d := w.directory.Load()
	at = max(seq, d.first)
	s := d.last()
	if s == nil {
		return nil, at
	}
	if at < s.base {
		s = d.find(at)
	}
	end := s.end.Load()
	if at >= end {
		return nil, at
	}
	return s.buf[at-s.base : end-s.base : end-s.base], at
}

func (d *directory[T]) last() *segment[T] {
	if n := len(d.segments); n > 0 {
		return d.segments[n-1]
	}
	return nil
}

func (d *directory[T]) end() uint64 {
	if s := d.last(); s != nil {
		return s.end.Load()
	}
	return d.first
}

// find returns the segment with element seq, which must be kept.
func (d *directory[T]) find(seq uint64) *segment[T] {
	i, found := slices.BinarySearchFunc(d.segments, seq, func(s *segment[T], seq uint64) int {
		return cmp.Compare(s.base, seq)
	})
	if !found {
		i-- // seq lies inside the segment before
	}
	return d.segments[i]
}

// full reports whether s has no room for another element.
func (s *segment[T]) full() bool { return s.end.Load()-s.base == uint64(len(s.buf)) }
