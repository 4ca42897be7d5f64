package window

import (
	"errors"
	"sync"
	"sync/atomic"
)

// ErrEnded is returned by [Window.Append] and [Frames.Append] after Close.
var ErrEnded = errors.New("window: append: the window has ended")

// inline is the greatest number of waiting readers that the writer wakes itself: waking
// so few is less work than starting a goroutine for it.
const inline = 8

// A signal wakes the readers of a window, and remembers how the window has ended. Both
// kinds of window have one. Readers take no lock; the writer's methods say so if the
// caller has to hold the window's mutex.
//
// No wake-up is lost, for this reason: a reader takes the current call, counts itself
// in, and then looks at the window once more; the writer changes the window and then
// looks at the count of the current call. Go's atomics have one total order, so one of
// the two sees the other, or the call was already replaced and is about to be closed.
type signal struct {
	current atomic.Pointer[call]
	ending  atomic.Pointer[ending]

	asked atomic.Int32 // calls that the waker has been asked to close; it runs while there are any
	waker sync.WaitGroup
}

// A call is a one-shot broadcast channel. The current call is replaced before it is
// closed.
type call struct {
	ch      chan struct{}
	waiting atomic.Int32 // readers that took ch; not counted much beyond inline
	asked   bool         // the waker has been asked to close ch; guarded by the window's mutex
}

type ending struct{ err error }

func newCall() *call { return &call{ch: make(chan struct{})} }

// init must be called before all else.
func (s *signal) init() { s.current.Store(newCall()) }

// join returns a channel that is closed at the next wake or end. The caller must then
// look at the window once more: what came before join closes nothing.
func (s *signal) join() <-chan struct{} {
	c := s.current.Load()
	if c.waiting.Load() <= inline { // a greater count makes no difference: spare the shared cache line
		c.waiting.Add(1)
	}
	return c.ch
}

// closed is what Wait returns when there is nothing to wait for.
var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

// wake wakes the waiting readers, if there are any. The caller holds the window's mutex
// and has not ended s.
//
// Closing a channel that 100,000 goroutines wait on takes tens of milliseconds, so the
// writer leaves it to a goroutine, the waker, if there are more than a few. The waker
// ends by itself. It starts under the mutex, so that none starts after end. What is
// appended before the waker gets to work needs no call of its own.
func (s *signal) wake() {
	c := s.current.Load()
	n := c.waiting.Load()
	switch {
	case n == 0 || c.asked:
	case n <= inline:
		s.answer()
	default:
		c.asked = true
		if s.asked.Add(1) == 1 {
			s.waker.Go(func() {
				for more := true; more; more = s.asked.Add(-1) > 0 {
					s.answer()
				}
			})
		}
	}
}

// answer closes the current call. The waker calls it for a call that it was asked to
// close, and the writer for any other, so that no call is closed twice.
func (s *signal) answer() { close(s.current.Swap(newCall()).ch) }

// end ends s with err and wakes the waiting readers. Only the first end counts. The
// caller holds the window's mutex, and calls s.waker.Wait after it has unlocked it.
func (s *signal) end(err error) {
	if s.ending.CompareAndSwap(nil, &ending{err}) {
		s.wake()
	}
}

// ended reports whether s has ended, and with what error.
func (s *signal) ended() (err error, ended bool) {
	if e := s.ending.Load(); e != nil {
		return e.err, true
	}
	return nil, false
}
