// Package window is an append-only list of segments with cursors: what is appended,
// any number of readers see, each at its own pace, and none of them can hold back
// the writer or another reader.
//
// The elements are numbered from zero. A cursor is such a number, a plain uint64
// that the reader keeps: subscribing is [Window.End], leaving is forgetting the
// number. [Window.Read] gives everything that is pending at a cursor in one segment
// as one slice; a cursor older than what is kept learns from the same call how much
// it has missed. Use T = byte for frames of bytes (a frame never straddles two
// segments), any other T for values.
//
// A segment is never rewritten. Retention drops the oldest segment as a whole, and
// the garbage collector frees it once the last slice of it is gone. A slow reader
// pins the one segment its slice points into and never a chain of them: segments do
// not link to each other.
package window

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrEnded is returned by [Window.Append] after [Window.Close].
var ErrEnded = errors.New("window: append: the window has ended")

// Config sets the bounds of a [Window]. The zero Config works.
type Config struct {
	// Keep is how many of the newest elements are kept at least. Older ones are kept
	// only as far as they share a segment with them: fewer than Keep plus one segment
	// in all. Defaults to 1024.
	Keep int
	// Segment is how many elements a segment holds. The first segments are smaller
	// and double until they reach it, so that a quiet window is a small one. A frame
	// larger than that has a segment of its own. Defaults to a quarter of Keep, at
	// most 65,536.
	Segment int
}

// A Window is an append-only list of segments. Its methods may be called by any
// number of goroutines at once. Use [New].
//
// Readers take no lock. What they touch, and why that is safe:
//
//   - directory points to an immutable list of segments, which the writer replaces
//     when it adds or drops one.
//   - segment.end is stored after the elements below it were written, and no element
//     below it is ever written again. A reader looks only below an end it has
//     loaded, so writes and reads never meet in one element.
//   - ended is stored after the last element.
//   - call is what waiting readers wait on. A reader takes it, counts itself in, and
//     then looks for elements once more; the writer stores an element and then looks
//     at the count of the current call. Go's atomics have one total order, so one of
//     the two sees the other, or the call was already replaced and is being closed:
//     no wake-up is lost.
type Window[T any] struct {
	keep, segment int

	directory atomic.Pointer[directory[T]]
	ended     atomic.Pointer[ending]
	call      atomic.Pointer[call]

	asked atomic.Int32 // calls the waker has been asked to close; it runs while there are any
	waker sync.WaitGroup

	mu sync.Mutex // serialises Append, Trim and Close
}

// A directory lists the segments, oldest first, each beginning where the one before
// it ends. It is never changed.
type directory[T any] struct {
	first    uint64 // position of the oldest element kept; the end when there is none
	segments []*segment[T]
}

// A segment holds the elements [base, end).
type segment[T any] struct {
	base uint64
	end  atomic.Uint64
	buf  []T // of full length from the start; readers look below end only
}

type ending struct{ err error }

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
	w.call.Store(newCall())
	return w
}

// Append adds frame behind everything appended before and returns the position of
// its first element. The elements of one frame stay next to each other in one
// segment, and readers see all of them or none. The frame is copied.
//
// Append never waits for a reader, and the time it takes does not depend on how many
// are waiting: if there are more than a few, a goroutine of the window wakes them.
// It fails with [ErrEnded] after [Window.Close].
func (w *Window[T]) Append(frame ...T) (pos uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.directory.Load()
	if w.ended.Load() != nil {
		return d.end(), ErrEnded
	}
	if len(frame) == 0 {
		return d.end(), nil
	}
	s := d.last()
	if s == nil || s.room() < len(frame) {
		d, s = w.extend(d, len(frame))
	}
	pos = s.end.Load()
	copy(s.buf[pos-s.base:], frame)
	s.end.Store(pos + uint64(len(frame)))
	w.wake()

	expired := 0
	for expired+1 < len(d.segments) && d.end()-d.segments[expired+1].base >= uint64(w.keep) {
		expired++
	}
	w.drop(d, expired)
	return pos, nil
}

// extend adds an empty segment with room for n elements.
func (w *Window[T]) extend(d *directory[T], n int) (*directory[T], *segment[T]) {
	size := w.segment / 16
	if last := d.last(); last != nil {
		size = 2 * len(last.buf)
	}
	s := &segment[T]{base: d.end(), buf: make([]T, max(1, n, min(size, w.segment)))}
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

// Trim drops the segments that lie wholly before the position before. Elements
// before it that share a segment with later ones stay.
func (w *Window[T]) Trim(before uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.directory.Load()
	n := 0
	for n < len(d.segments) && d.segments[n].end.Load() <= before {
		n++
	}
	w.drop(d, n)
}

// Close ends the window: nothing is appended any more, waiting readers are woken,
// and [Window.Ended] tells err to all who ask from now on. What is kept stays
// readable. The first call counts, later ones change nothing.
//
// Close returns when the goroutine that wakes readers has ended. It waits for no
// reader.
func (w *Window[T]) Close(err error) {
	w.mu.Lock()
	if w.ended.CompareAndSwap(nil, &ending{err}) {
		w.wake()
	}
	w.mu.Unlock()
	w.waker.Wait()
}

// Ended reports whether the window has ended, and with what error. What was appended
// before may still be pending.
func (w *Window[T]) Ended() (err error, ended bool) {
	if e := w.ended.Load(); e != nil {
		return e.err, true
	}
	return nil, false
}

// Bounds returns the positions of the oldest element kept and of the one that will
// be appended next. They are equal when nothing is kept.
func (w *Window[T]) Bounds() (first, end uint64) {
	d := w.directory.Load()
	return d.first, d.end()
}

// End returns the position of the element that will be appended next: the cursor of
// a reader who wants everything from now on.
func (w *Window[T]) End() uint64 { return w.directory.Load().end() }

// Read returns what is pending at the cursor pos, up to the end of one segment, and
// the position at of its first element. The next cursor is at + len(items). Read
// never waits.
//
//   - at > pos: the cursor has fallen out of the window and missed at-pos elements.
//   - no items: nothing is pending at at; see [Window.Wait] and [Window.Ended].
//
// The items must not be changed. They stay valid, and keep their segment in memory,
// for as long as the caller holds them. A cursor past the end reads nothing until
// the window has got there.
func (w *Window[T]) Read(pos uint64) (items []T, at uint64) {
	d := w.directory.Load()
	at = max(pos, d.first)
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

// find returns the segment with the element at pos, which must be kept.
func (d *directory[T]) find(pos uint64) *segment[T] {
	i, found := slices.BinarySearchFunc(d.segments, pos, func(s *segment[T], pos uint64) int {
		return cmp.Compare(s.base, pos)
	})
	if !found {
		i-- // pos lies inside the segment before
	}
	return d.segments[i]
}

// room returns how many elements s has room for.
func (s *segment[T]) room() int { return len(s.buf) - int(s.end.Load()-s.base) }
