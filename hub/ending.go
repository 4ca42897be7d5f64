package hub

import (
	"errors"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// errNoCause stands in for a nil error.
var errNoCause = errors.New("hub: the topic failed, and nobody said why")

// enter registers a call of the log's Append, and returns false when the topic takes
// no more.
func (f *Feed) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != nil {
		return false
	}
	f.appending++
	return true
}

// leave ends what enter began. pos is zero if nothing was stored. A duplicate counts
// too: then its event is in the log, and who waits for the end waits for it.
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

// end takes no more events and ends the topic with err, nil for completion, once the
// events that Append has taken before have got into the window. Only the first end
// counts.
func (f *Feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = &ending{err}
	}
	f.settle()
}

// endNow ends the topic with err even if events are still under way. An end that is
// waiting for them does not count then: subscribers would take it for the whole.
func (f *Feed) endNow(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended.Load() == nil {
		f.asked = &ending{err}
		f.conclude()
	}
}

// settle ends the topic if that was asked for and is due. The caller holds mu.
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
		e.frames.Wake() // a select over one channel less, for each of very many readers
	}
}
