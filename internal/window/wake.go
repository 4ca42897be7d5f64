package window

import "sync/atomic"

// inline is how many waiting readers are few enough for the writer to wake them
// itself: less work than starting a goroutine for it.
const inline = 8

// A call is a channel that readers wait on and that is closed to wake them all. It
// serves once; the window's current call is replaced before it is closed.
type call struct {
	ch      chan struct{}
	waiting atomic.Int32 // readers who took ch; counted up to a little over inline
	asked   bool         // the waker has been asked to close ch; guarded by Window.mu
}

func newCall() *call { return &call{ch: make(chan struct{})} }

// Wait returns a channel that is closed when there is something to read at pos, or
// the window has ended. It may be closed for less than that: the reader looks
// again. The channel is shared by all who wait, and who gives up waiting has
// nothing to undo.
func (w *Window[T]) Wait(pos uint64) <-chan struct{} {
	c := w.call.Load()
	if c.waiting.Load() <= inline { // beyond that the count does not matter: spare the shared cache line
		c.waiting.Add(1)
	}
	if w.End() > pos || w.ended.Load() != nil {
		return closed
	}
	return c.ch
}

var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

// Wake wakes all who wait, although there is nothing new. They look again, and what
// was done before it is done for them.
func (w *Window[T]) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended.Load() == nil { // else nobody waits, and Close has joined the waker
		w.wake()
	}
}

// wake has the waiting readers woken, if there are any. The caller holds mu.
//
// Closing a channel that 100,000 goroutines wait on takes tens of milliseconds, so
// the writer leaves it to a goroutine if there are more than a few. That goroutine
// ends by itself, and starts under mu, so that Close can be sure that none comes
// after it. Values that are appended before it gets to work need no call of their
// own.
func (w *Window[T]) wake() {
	c := w.call.Load()
	n := c.waiting.Load()
	switch {
	case n == 0 || c.asked:
	case n <= inline:
		w.answer()
	default:
		c.asked = true
		if w.asked.Add(1) == 1 {
			w.waker.Go(func() {
				for more := true; more; more = w.asked.Add(-1) > 0 {
					w.answer()
				}
			})
		}
	}
}

// answer closes the current call. It is called by the waker for a call it was asked
// to close, and by the writer for any other, so that never both do it.
func (w *Window[T]) answer() { close(w.call.Swap(newCall()).ch) }
