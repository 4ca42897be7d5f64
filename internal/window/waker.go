package window

// notify has the waiting readers woken, if there may be any. The caller holds mu,
// so that Close can be sure that no waker starts after it.
//
// Closing a channel that 100,000 goroutines wait on takes tens of milliseconds;
// that is why the writer only asks for it. Requests that come while the waker is
// at work are served by one more turn.
func (w *Window[T]) notify() {
	if w.armed.Load() && w.armed.Swap(false) && w.requests.Add(1) == 1 {
		w.waker.Go(w.wakeAll)
	}
}

// wakeAll serves the requests for a wake-up until there are none.
//
// It counts the requests before it takes the channel: a reader whose request is
// counted took the channel before it asked, so its channel is this one or one that
// was closed earlier.
func (w *Window[T]) wakeAll() {
	for {
		n := w.requests.Load()
		old := w.wake.Swap(new(make(chan struct{})))
		close(*old)
		if w.requests.Add(-n) == 0 {
			return
		}
	}
}
