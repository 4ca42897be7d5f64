package hub

import (
	"errors"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// errNoCause replaces a nil error.
var errNoCause = errors.New("hub: the topic failed without an error")

// enter registers a call of the log's Append. It returns false when the topic takes no
// more events.
func (f *Feed) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != nil {
		return false
	}
	f.appending++
	return true
}

// leave ends what enter began. pos is zero if nothing was stored. A duplicate has a
// position too: its event is in the log, and the end waits until it is in the window.
func (f *Feed) leave(pos eventlog.Pos) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appending--
	f.acked = max(f.acked, pos.Seq)
	if f.own == 0 {
		f.own = pos.Seq
	}
	f.settle()
}

// end makes the topic take no more events, and ends it with err, nil for completion,
// once the events of all earlier calls of Append are in the window. Only the first end
// counts.
func (f *Feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = &ending{err}
	}
	f.settle()
}

// endNow ends the topic with err even if events are still being stored. An end that
// waits for them is replaced: subscribers would think that they have everything.
func (f *Feed) endNow(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended.Load() == nil {
		f.asked = &ending{err}
		f.conclude()
	}
}

// settle ends the topic if that was asked for and no event is on its way into the
// window. The caller holds mu.
func (f *Feed) settle() {
	if f.asked == nil || f.appending > 0 || f.ended.Load() != nil {
		return
	}
	e := f.current.Load()
	if e == nil {
		return
	}
	if _, next := e.frames.Bounds(); next > f.acked {
		f.conclude()
	}
}

func (f *Feed) conclude() {
	f.ended.Store(f.asked)
	f.finish()
	if e := f.current.Load(); e != nil {
		e.frames.Wake() // so that waiting readers need not select on life too
	}
}
