// Package window is an append-only list of segments with cursors: what one writer
// side appends, any number of readers see, each at its own pace, and none of them
// can hold back the writer or another reader.
//
// The elements are numbered from zero. A cursor is such a number, a plain uint64
// that the reader keeps: subscribing is [Window.End], leaving is forgetting the
// number. [Window.Read] gives everything that is pending at a cursor in one
// segment as one slice; a cursor that is older than what is kept learns from the
// same call how much it has missed. Use T = byte for frames of bytes (a frame
// never straddles two segments), any other T for values.
//
// A segment is never rewritten. Retention drops the oldest segment as a whole and
// the garbage collector frees it once the last slice of it is gone, so that a slow
// reader pins the one segment its slice points into and never a chain of them:
// segments do not link to each other.
package window

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrEnded is returned by [Window.Append] once the window has ended.
var ErrEnded = errors.New("window: append: the window has ended")

// Config sets the bounds of a [Window]. The zero Config works.
type Config struct {
	// Keep is how many of the newest elements are kept at least. More are kept only
	// to the next segment's boundary: up to Keep plus one segment, or plus one frame
	// when frames are larger than a segment. Defaults to 1024.
	Keep int
	// Segment is how many elements a segment holds. The first segments are smaller
	// and double until they reach it, so that a quiet window is a small one.
	// Defaults to a quarter of Keep, at most 65,536.
	Segment int
}

// A Window is an append-only list of segments. Its methods may be called by any
// number of goroutines at once. Use [New].
//
// What readers touch without a lock, and why that is safe:
//
//   - index points to an immutable directory of segments. The writer replaces it
//     when a segment is added or dropped.
//   - segment.end is stored after the elements below it were written, and no
//     element below it is ever written again. A reader looks only below an end it
//     has loaded, so writes and reads never meet in one element.
//   - wake is the channel waiting readers wait on, replaced before it is closed.
//   - armed says that somebody may be waiting. A reader takes the channel, sets
//     armed, and then looks again; the writer stores the element and then looks at
//     armed. Go's atomics have one total order, so at least one of the two sees the
//     other: no wake-up is lost.
//   - ended is stored after the last element.
type Window[T any] struct {
	keep, segment int

	index atomic.Pointer[index[T]]
	ended atomic.Pointer[ending]
	wake  atomic.Pointer[chan struct{}]
	armed atomic.Bool

	requests atomic.Int64 // wake-ups asked for and not yet given
	waker    sync.WaitGroup

	mu sync.Mutex // serialises Append, Trim and Close
}

// index is an immutable directory: the segments, oldest first, without holes.
type index[T any] struct {
	first    uint64 // position of the oldest element kept; the end when there is none
	segments []*segment[T]
}

// A segment holds the elements [base, end).
type segment[T any] struct {
	base uint64
	end  atomic.Uint64
	buf  []T // full length from the start; only elements below end are ever read
}

type ending struct{ err error }

// New returns an empty window.
func New[T any](cfg Config) *Window[T] {
	keep := cfg.Keep
	if keep <= 0 {
		keep = 1024
	}
	segment := cfg.Segment
	if segment <= 0 {
		segment = max(min(keep/4, 64<<10), 1)
	}
	w := &Window[T]{keep: keep, segment: segment}
	w.index.Store(&index[T]{})
	w.wake.Store(new(make(chan struct{})))
	return w
}

// Append adds frame behind everything appended before and returns the position of
// its first element. The elements of one frame are next to each other in one
// segment, and readers see all of them or none; a frame larger than a segment gets
// a segment of its own. The frame is copied.
//
// Append never waits for a reader, and the time it takes does not depend on how
// many are waiting: a goroutine of the window wakes them. It fails with [ErrEnded]
// after [Window.Close].
func (w *Window[T]) Append(frame ...T) (pos uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended.Load() != nil {
		return 0, ErrEnded
	}
	ix := w.index.Load()
	if n := len(ix.segments); n > 0 {
		last := ix.segments[n-1]
		pos = last.end.Load()
		if used := int(pos - last.base); len(last.buf)-used >= len(frame) {
			copy(last.buf[used:], frame)
			last.end.Store(pos + uint64(len(frame)))
			if n > 1 && last.end.Load()-ix.segments[1].base >= uint64(w.keep) {
				w.drop(ix, 1)
			}
			w.notify()
			return pos, nil
		}
	} else {
		pos = ix.first
	}
	w.index.Store(w.grow(ix, pos, frame))
	w.notify()
	return pos, nil
}

// grow returns ix with a new last segment that begins with frame, and without the
// segments that are no longer needed.
func (w *Window[T]) grow(ix *index[T], pos uint64, frame []T) *index[T] {
	size := max(w.segment/16, 1)
	if n := len(ix.segments); n > 0 {
		size = 2 * len(ix.segments[n-1].buf)
	}
	s := &segment[T]{base: pos, buf: make([]T, max(min(size, w.segment), len(frame)))}
	copy(s.buf, frame)
	s.end.Store(pos + uint64(len(frame)))

	old := ix.segments
	for len(old) > 0 {
		next := pos
		if len(old) > 1 {
			next = old[1].base
		}
		if s.end.Load()-next < uint64(w.keep) {
			break
		}
		old = old[1:]
	}
	segments := append(slices.Clone(old), s) // a copy: an index is never changed
	return &index[T]{first: segments[0].base, segments: segments}
}

// drop publishes ix without its first n segments.
func (w *Window[T]) drop(ix *index[T], n int) {
	first := ix.first
	if n < len(ix.segments) {
		first = ix.segments[n].base
	} else if n > 0 {
		first = ix.segments[n-1].end.Load()
	}
	w.index.Store(&index[T]{first: first, segments: slices.Clone(ix.segments[n:])})
}

// Trim drops the segments that lie wholly before position before. What is kept is
// kept by the segment: elements before that position may stay.
func (w *Window[T]) Trim(before uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ix := w.index.Load()
	n := 0
	for n < len(ix.segments) && ix.segments[n].end.Load() <= before {
		n++
	}
	if n > 0 {
		w.drop(ix, n)
	}
}

// Close ends the window: nothing is appended any more, waiting readers are woken,
// and [Window.Ended] tells err to everybody who comes later. What is kept stays
// readable. The first call counts, later ones change nothing.
//
// Close returns when the goroutine that wakes readers has ended. It waits for no
// reader.
func (w *Window[T]) Close(err error) {
	w.mu.Lock()
	if w.ended.Load() == nil {
		w.ended.Store(&ending{err})
		w.notify()
	}
	w.mu.Unlock()
	w.waker.Wait()
}

// Bounds returns the positions of the oldest element kept and of the one that will
// be appended next. They are equal when nothing is kept.
func (w *Window[T]) Bounds() (first, end uint64) {
	ix := w.index.Load()
	return ix.first, ix.end()
}

// End returns the position of the element that will be appended next: the cursor
// of a reader who wants everything from now on.
func (w *Window[T]) End() uint64 { return w.index.Load().end() }

func (ix *index[T]) end() uint64 {
	if n := len(ix.segments); n > 0 {
		return ix.segments[n-1].end.Load()
	}
	return ix.first
}

// Read returns what is pending at the cursor pos, up to the end of one segment, and
// the position at of its first element. It never waits.
//
//   - at > pos: the cursor fell out of the window and missed at-pos elements.
//   - no items: nothing is pending; see [Window.Wait] and [Window.Ended].
//
// The next cursor is at + len(items). The items must not be changed. They stay
// valid, and keep their segment in memory, for as long as the caller holds them.
// A cursor past the end reads nothing until the window has got there.
func (w *Window[T]) Read(pos uint64) (items []T, at uint64) {
	ix := w.index.Load()
	at = max(pos, ix.first)
	n := len(ix.segments)
	if n == 0 {
		return nil, at
	}
	s := ix.segments[n-1]
	if at < s.base {
		i, found := slices.BinarySearchFunc(ix.segments, at, func(s *segment[T], at uint64) int {
			return cmp.Compare(s.base, at)
		})
		if !found {
			i--
		}
		s = ix.segments[i]
	}
	end := s.end.Load()
	if at >= end {
		return nil, at
	}
	return s.buf[at-s.base : end-s.base : end-s.base], at
}

// Ended reports whether the window has ended, and with what error. Elements
// appended before the end may still be pending: a reader who is told that the
// window has ended calls Read once more before it leaves.
func (w *Window[T]) Ended() (err error, ended bool) {
	if e := w.ended.Load(); e != nil {
		return e.err, true
	}
	return nil, false
}

// Wait returns a channel that is closed when there is something to read at pos, or
// the window has ended. It may be closed for less than that: the reader looks
// again. The channel is shared by all who wait; nothing needs to be undone by a
// reader who gives up waiting.
func (w *Window[T]) Wait(pos uint64) <-chan struct{} {
	ch := *w.wake.Load() // before armed: see Window
	if !w.armed.Load() { // spares the shared cache line a store by every reader
		w.armed.Store(true)
	}
	if w.End() > pos || w.index.Load().first > pos || w.ended.Load() != nil {
		return closed
	}
	return ch
}

var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()
