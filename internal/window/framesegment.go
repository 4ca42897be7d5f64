package window

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// A frameDirectory lists the segments, oldest first, each beginning with the frame
// behind the last one of the segment before. It is never changed.
type frameDirectory struct {
	next     uint64 // number of the next frame, when there are no segments
	segments []*frameSegment
}

// A frameSegment holds the frames [base, next), one behind the other in buf.
type frameSegment struct {
	base  uint64
	next  atomic.Uint64
	marks atomic.Pointer[[]mark] // a mark for each frame, and room; replaced by a copy to grow
	buf   []byte                 // of full length from the start; readers look below the last mark's end only
}

// A mark says where a frame ends, and its time.
type mark struct {
	at  int64 // nanoseconds since 1970
	end int   // in buf; the frame begins where the one before it ends
}

// newFrameSegment returns an empty segment for the frames from base on, about as many
// as expected.
func newFrameSegment(base uint64, size, expected int) *frameSegment {
	s := &frameSegment{base: base, buf: make([]byte, size)}
	s.marks.Store(new(make([]mark, max(1, min(expected, size/minFrame)))))
	s.next.Store(base)
	return s
}

// append adds a frame of size bytes, for which there is room. The caller holds
// Frames.mu.
func (s *frameSegment) append(at int64, size int, parts [][]byte) {
	next := s.next.Load()
	n := s.frames()
	marks := *s.marks.Load()
	if n == len(marks) {
		marks = s.grow()
	}
	end := s.used()
	marks[n] = mark{at: at, end: end + size}
	for _, p := range parts {
		end += copy(s.buf[end:], p)
	}
	s.next.Store(next + 1)
}

// grow makes room for twice as many marks.
func (s *frameSegment) grow() []mark {
	marks := slices.Concat(*s.marks.Load(), make([]mark, s.frames()))
	s.marks.Store(&marks)
	return marks
}

// used returns where the last frame ends, for the writer.
func (s *frameSegment) used() int {
	n := s.next.Load()
	if n == s.base {
		return 0
	}
	return s.mark(n - 1).end
}

// frames returns how many there are, for the writer.
func (s *frameSegment) frames() int { return int(s.next.Load() - s.base) }

// room returns how many bytes are left, for the writer.
func (s *frameSegment) room() int { return len(s.buf) - s.used() }

// mark returns the mark of frame seq, which must lie below a next that the caller has
// loaded.
func (s *frameSegment) mark(seq uint64) mark { return (*s.marks.Load())[seq-s.base] }

// span returns where in buf the frames [from, to) are; to must not be above a next
// that the caller has loaded.
func (s *frameSegment) span(from, to uint64) (start, end int) {
	marks := *s.marks.Load()
	if from > s.base {
		start = marks[from-s.base-1].end
	}
	return start, marks[to-s.base-1].end
}

func (s *frameSegment) slice(from, to uint64) []byte {
	start, end := s.span(from, to)
	return s.buf[start:end:end]
}

func (d *frameDirectory) last() *frameSegment {
	if n := len(d.segments); n > 0 {
		return d.segments[n-1]
	}
	return nil
}

func (d *frameDirectory) end() uint64 {
	if s := d.last(); s != nil {
		return s.next.Load()
	}
	return d.next
}

// find returns the segment with frame seq, which must not be below the first one. If
// seq is yet to come, that is the last segment, or nil when there are none.
func (d *frameDirectory) find(seq uint64) *frameSegment {
	s := d.last()
	if s == nil || seq >= s.base {
		return s
	}
	i, found := slices.BinarySearchFunc(d.segments, seq, func(s *frameSegment, seq uint64) int {
		return cmp.Compare(s.base, seq)
	})
	if !found {
		i-- // seq lies inside the segment before
	}
	return d.segments[i]
}
