package window

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFrameTooLarge is matched by the error of [Frames.Append] for a frame that the
// window has no room for even when it is empty.
var ErrFrameTooLarge = errors.New("window: append: the frame is larger than the window")

const (
	maxSegment   = 64 << 10 // bytes in a segment
	firstSegment = 4 << 10  // bytes in the first one: a window with few frames is small
	minFrame     = 16       // a segment has room for one frame per so many bytes
)

// FramesConfig sets the bounds of a [Frames]. The zero FramesConfig works.
type FramesConfig struct {
	// MaxFrames is how many frames are readable at most. Defaults to 10,000.
	MaxFrames int
	// MaxBytes is how many bytes of frames are readable at most. Memory is bounded
	// too: the buffers take at most MaxBytes and one segment (a sixteenth of
	// MaxBytes, but at least 1 KiB and at most 64 KiB); beside them a frame takes 16
	// to 32 bytes. Where large and small frames leave segments half empty, fewer
	// bytes than MaxBytes are kept, but not much under half of it. Defaults to 16 MiB.
	MaxBytes int
	// MaxAge is how old a frame gets, as of the last Append or Expire. Defaults to one
	// hour.
	MaxAge time.Duration
	// First is the number of the first frame. Defaults to 1.
	First uint64
}

// Frames is a window of numbered frames of bytes: each [Frames.Append] adds one frame
// with the next number, and readers get everything that is pending as one slice of
// whole frames. A reader keeps nothing but the number of the next frame it wants.
//
// Like a [Window], it is a list of segments that are never rewritten: a reader may
// hold a slice for as long as it likes and its bytes stay what they are, whatever
// happens to the window meanwhile. No frame straddles two segments, and a large one
// has a segment of its own. Its methods may be called by any number of goroutines at
// once. Use [NewFrames].
//
// Readers take no lock. What they touch, and why that is safe:
//
//   - directory points to an immutable list of segments, which the writer replaces
//     when it adds or drops one.
//   - segment.next is stored after the bytes and the mark of the frames below it were
//     written, and those are never written again. segment.marks is stored before
//     that. A reader that loads next before marks sees a mark for each frame below next.
//   - first only rises, and it rises before the frame is published that needs the
//     room, and before the directory loses a segment. A reader that loads directory,
//     then first, sees a first that is in the directory or behind it; a reader that
//     loads next, then first, sees no more frames and bytes than the bounds allow.
//   - The signal is given after segment.next was stored, so a reader that it wakes, or
//     that finds it ended, finds the frame.
type Frames struct {
	maxFrames uint64
	maxBytes  int
	maxAge    time.Duration
	segment   int
	base      uint64 // number of the first frame ever

	directory atomic.Pointer[frameDirectory]
	first     atomic.Uint64
	signal    signal

	mu     sync.Mutex // serializes Append, Expire, Wake and Close
	size   int        // bytes of the next segment
	newest int64      // time of the newest frame
	bytes  int        // in the readable frames
	dead   int        // segments at the head of the directory without readable frames
	memory int        // bytes of the buffers of all other segments
}

// NewFrames returns an empty window.
func NewFrames(cfg FramesConfig) *Frames {
	f := &Frames{
		maxFrames: 10_000,
		maxBytes:  16 << 20,
		maxAge:    time.Hour,
		base:      cmp.Or(cfg.First, 1),
	}
	if cfg.MaxFrames > 0 {
		f.maxFrames = uint64(cfg.MaxFrames)
	}
	if cfg.MaxBytes > 0 {
		f.maxBytes = cfg.MaxBytes
	}
	if cfg.MaxAge > 0 {
		f.maxAge = cfg.MaxAge
	}
	f.signal.init()
	f.segment = max(1<<10, min(f.maxBytes/16, maxSegment))
	f.size = min(f.segment, firstSegment)
	f.first.Store(f.base)
	f.directory.Store(&frameDirectory{next: f.base})
	return f
}

// Append adds one frame made of parts, which are copied, and returns its number.
// Numbers have no holes, and a reader sees all of a frame or nothing of it.
//
// at is the frame's time. A frame with an earlier time than the one before it gets the
// time of that one. Frames that are too old at that
// time, or in the way of the bounds, are dropped first.
//
// Append never waits for a reader, however many there are. It fails with
// [ErrFrameTooLarge] if the frame is larger than MaxBytes, and with [ErrEnded] after
// [Frames.Close]; then nothing has changed.
func (f *Frames) Append(at time.Time, parts ...[]byte) (seq uint64, err error) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.directory.Load()
	seq = d.end()
	if _, ended := f.signal.ended(); ended {
		return seq, ErrEnded
	}
	if size > f.maxBytes {
		return seq, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, size, f.maxBytes)
	}
	f.newest = max(f.newest, at.UnixNano())

	s, grow, expected := d.last(), 0, 1
	if s == nil || s.room() < size || s.frames() >= f.segment/minFrame {
		grow = f.size
		if s != nil {
			expected = s.frames()
		}
		if 2*size > grow { // a large frame: exactly its own segment
			grow, expected = size, 1
		}
	}
	first := f.first.Load()
	for first < seq && (seq-first >= f.maxFrames ||
		f.bytes+size > f.maxBytes ||
		f.memory+grow > f.maxBytes+f.segment ||
		f.tooOld(d, first, f.newest)) {
		first = f.shift(d, first)
	}
	f.first.Store(first)
	switch {
	case grow > 0:
		s = newFrameSegment(seq, grow, expected)
		d = f.publish(d, s)
		f.size = min(2*f.size, f.segment)
	case f.dead == len(d.segments): // the last segment lost its frames, but is not full yet
		f.dead--
		f.memory += len(s.buf)
	}
	s.append(f.newest, size, parts)
	f.bytes += size
	f.signal.wake()
	if f.dead > 0 {
		f.publish(d, nil)
	}
	return seq, nil
}

// Expire drops the frames that are older than MaxAge at the time now. It need not be
// called while frames are appended: Append does the same.
func (f *Frames) Expire(now time.Time) {
	first, next := f.Bounds()
	if at, ok := f.Time(first); first == next || ok && now.Sub(at) <= f.maxAge {
		return // the usual case, without the lock
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.directory.Load()
	first, next = f.first.Load(), d.end()
	for first < next && f.tooOld(d, first, now.UnixNano()) {
		first = f.shift(d, first)
	}
	f.first.Store(first)
	if f.dead > 0 {
		f.publish(d, nil)
	}
	if first == next {
		f.size = min(f.segment, firstSegment) // a window with few frames is small again
	}
}

// Close ends the window: Append fails from now on, waiting readers are woken, and
// [Frames.Ended] returns err. What is kept stays readable, and Expire still drops it.
// Only the first call counts.
//
// Close returns when the goroutine that wakes readers has ended. It waits for no
// reader.
func (f *Frames) Close(err error) {
	f.mu.Lock()
	f.signal.end(err)
	f.mu.Unlock()
	f.signal.waker.Wait()
}

// tooOld reports whether frame first, the oldest, is too old at the time now.
func (f *Frames) tooOld(d *frameDirectory, first uint64, now int64) bool {
	return now-d.segments[f.dead].mark(first).at > int64(f.maxAge)
}

// shift drops frame first, the oldest, from the counts and returns the number of the
// next one. The caller holds mu and stores that number in f.first.
func (f *Frames) shift(d *frameDirectory, first uint64) uint64 {
	s := d.segments[f.dead]
	start, end := s.span(first, first+1)
	f.bytes -= end - start
	if first++; first == s.next.Load() {
		f.dead++
		f.memory -= len(s.buf)
	}
	return first
}

// publish replaces d by a directory without the dead segments and with s, if that is
// not nil, at its end.
func (f *Frames) publish(d *frameDirectory, s *frameSegment) *frameDirectory {
	live := d.segments[f.dead:]
	// Always copied: readers have the old list, and a shorter one of the same array
	// would pin the dead segments.
	next := &frameDirectory{next: d.end(), segments: make([]*frameSegment, len(live), len(live)+1)}
	copy(next.segments, live)
	if s != nil {
		next.segments = append(next.segments, s)
		f.memory += len(s.buf)
	}
	f.dead = 0
	f.directory.Store(next)
	return next
}
