package hub

import (
	"errors"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// An ending is how a topic has ended. Endings in this package have these words:
//
//   - a topic, a cursor and a window end, once and for good. The end of a topic is pending
//     until all events that were appended before it are in the window;
//   - the goroutine that fills the window stops;
//   - a log or a window drops its oldest events;
//   - a cursor is cut, which ends it, by [PolicyCut] only.
//
// Whatever else happens to a cursor does not end it: it begins again, after a gap.
type ending struct{ err error }

// errNoCause replaces a nil error.
var errNoCause = errors.New("hub: the topic failed without an error")

// beginAppend registers a call of the log's Append. It returns false when the topic
// takes no more events.
func (f *Feed) beginAppend() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pendingEnd != nil {
		return false
	}
	f.appending++
	return true
}

// endAppend ends what beginAppend began. pos is zero if nothing was stored. A duplicate has a
// position too: its event is in the log, and the end waits until it is in the window.
func (f *Feed) endAppend(pos eventlog.Pos) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appending--
	f.lastAppended = max(f.lastAppended, pos.Seq)
	if f.firstAppended == 0 {
		f.firstAppended = pos.Seq
	}
	f.endIfDue()
}

// end makes the topic take no more events, and ends it with err, nil for completion,
// once the events of all earlier calls of Append are in the window. Only the first end
// counts.
func (f *Feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pendingEnd == nil {
		f.pendingEnd = &ending{err}
	}
	f.endIfDue()
}

// endNow ends the topic with err even if events are still being stored. An end that
// waits for them is replaced: subscribers would think that they have everything.
func (f *Feed) endNow(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended.Load() == nil {
		f.pendingEnd = &ending{err}
		f.setEnded()
	}
}

// endIfDue ends the topic if that was asked for and no event is on its way into the
// window. The caller holds mu.
func (f *Feed) endIfDue() {
	if f.pendingEnd == nil || f.appending > 0 || f.ended.Load() != nil {
		return
	}
	e := f.current.Load()
	if e == nil {
		return
	}
	if _, next := e.frames.Bounds(); next > f.lastAppended {
		f.setEnded()
	}
}

// setEnded ends the topic. The caller holds mu.
func (f *Feed) setEnded() {
	f.ended.Store(f.pendingEnd)
	f.cancelRunning()
	if e := f.current.Load(); e != nil {
		e.frames.Wake() // so that waiting readers need not select on running too
	}
}
