package window

import (
	"sort"
	"time"
)

// Read returns the frames from number seq on, up to the end of one segment: b is the
// whole frames [first, next), one behind the other. The reader continues at next.
//
//   - first > seq: the reader has fallen out of the window, and the frames [seq, first)
//     are gone. If seq is below FramesConfig.First, they have never been.
//   - next == first: nothing is pending at first; see [Frames.Wait] and [Frames.Ended].
//
// b must not be changed. It stays valid, and keeps its segment in memory, for as long
// as the caller holds it. A reader ahead of the end gets nothing until the window has
// got there. Read never waits, takes no lock and allocates nothing.
func (f *Frames) Read(seq uint64) (b []byte, first, next uint64) {
	s, first, next := f.pending(seq)
	if s == nil {
		return nil, first, first
	}
	return s.slice(first, next), first, next
}

// pending returns the segment with the oldest frame at or behind seq that is readable,
// and the readable frames [first, next) in it. s is nil if there are none.
func (f *Frames) pending(seq uint64) (s *frameSegment, first, next uint64) {
	for {
		before := f.first.Load()
		d := f.directory.Load()
		s := d.find(max(seq, f.first.Load())) // loaded after d: so it is not below d
		if s != nil {
			next = s.next.Load()
		}
		// Loaded after next: so [first, next) keeps the bounds.
		after := f.first.Load()
		first = max(seq, after)
		if s != nil && first < next {
			return s, first, next
		}
		// Nothing was pending at the moment when next was loaded, unless the frames
		// were dropped meanwhile: then there may be others.
		if before == after {
			return nil, first, first
		}
	}
}

// Frame returns frame seq alone, and its time. It is false for a frame that is gone or
// yet to come. What [Frames.Read] says of b holds here too.
func (f *Frames) Frame(seq uint64) (b []byte, at time.Time, ok bool) {
	s, first, _ := f.pending(seq)
	if s == nil || first != seq {
		return nil, time.Time{}, false
	}
	return s.slice(seq, seq+1), time.Unix(0, s.mark(seq).at), true
}

// Time returns the time of frame seq. It is false for a frame that is gone or yet to
// come.
func (f *Frames) Time(seq uint64) (at time.Time, ok bool) {
	s, first, _ := f.pending(seq)
	if s == nil || first != seq {
		return time.Time{}, false
	}
	return time.Unix(0, s.mark(seq).at), true
}

// Seek returns the number of the first readable frame whose time is t or later: where a
// reader begins that wants everything since then. If there is no such frame, it is the
// number of the next one.
func (f *Frames) Seek(t time.Time) (seq uint64) {
	first, next := f.Bounds()
	return first + uint64(sort.Search(int(next-first), func(i int) bool {
		at, ok := f.Time(first + uint64(i))
		return ok && !at.Before(t) // a frame that was dropped meanwhile was older
	}))
}

// Bounds returns the number of the oldest readable frame and the one that the next
// frame will get. They are equal when nothing is kept.
func (f *Frames) Bounds() (first, next uint64) {
	for {
		first = f.first.Load()
		next = f.directory.Load().end()
		if f.first.Load() == first {
			return first, next
		}
	}
}

// Wait returns a channel that is closed when there is something to read at number
// seq, or the window has ended. It may be closed for less than that, so the reader looks
// again. All who wait share the channel. Abandoning it needs no cleanup.
func (f *Frames) Wait(seq uint64) <-chan struct{} {
	ch := f.signal.join()
	if _, ended := f.signal.ended(); ended || f.directory.Load().end() > seq {
		return closed
	}
	return ch
}

// Wake wakes all who wait, although there is nothing new in the window. They look
// again, and see what the caller did before Wake.
func (f *Frames) Wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ended := f.signal.ended(); !ended { // once ended, nobody waits
		f.signal.wake()
	}
}

// Ended reports whether the window has ended, and with what error. What was appended
// before may still be pending: to be sure to get all of it, call Ended before Read.
func (f *Frames) Ended() (err error, ended bool) { return f.signal.ended() }
