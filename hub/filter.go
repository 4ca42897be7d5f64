package hub

import (
	"runtime/debug"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A Filter chooses the events that a subscriber gets. The zero Filter chooses all. A
// Filter may be shared by any number of cursors.
type Filter struct {
	names map[string]struct{}
	keep  func(event string, data []byte) bool
}

// Named chooses the events with one of the names. As in a browser, an event without a
// name has the name "message"; "" means the same. Without names it chooses no event.
func Named(names ...string) Filter {
	f := Filter{names: make(map[string]struct{}, len(names))}
	for _, name := range names {
		f.names[show.EventName(name)] = struct{}{}
	}
	return f
}

// Where chooses the events for which keep returns true. It is called with the name,
// which is "" for an event without one or named "message", and with the data, lines
// joined by LF, which it must neither change nor keep. It is called once for each event,
// by the goroutine that reads the cursor; cursors that share the Filter call it
// concurrently. A panic in it ends the cursor with a [*streams.PanicError].
func Where(keep func(event string, data []byte) bool) Filter {
	if keep == nil {
		panic("hub: Where: nil function: it would choose every event")
	}
	return Filter{keep: keep}
}

func (f *Filter) everything() bool { return f.names == nil && f.keep == nil }

// match reports whether the filter chooses the event of frame.
func (f *Filter) match(frame []byte, keep *scratch) bool {
	if f.keep == nil {
		_, ok := f.names[show.EventName(string(sse.FrameName(frame)))]
		return ok
	}
	name, data, buf := sse.ParseFrame(frame, keep.data)
	if keep.data = buf; cap(buf) > maxScratch {
		keep.data = nil
	}
	if string(name) != keep.name {
		keep.name = string(name)
	}
	if keep.name == "message" {
		return f.keep("", data)
	}
	return f.keep(keep.name, data)
}

// A scratch is what a cursor keeps for its filter from one event to the next.
type scratch struct {
	name string // of the last event, most often of the next one too
	data []byte // buffer for data of several lines
}

// maxScratch is the size of the largest buffer that is kept from one event to the next.
const maxScratch = 64 << 10

// choose returns the frames that the filter chooses, how many they are, and the numbers
// of the first and the last of them; frames begins with event number first. The result
// is a piece of frames if the chosen ones lie next to each other there, else a copy.
func (f *Filter) choose(frames []byte, first uint64, keep *scratch) (chosen []byte, from, to uint64, n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	start, copied := 0, false // the chosen frames are frames[start:start+len(chosen)] until they are copied
	for offset, seq := 0, first; offset < len(frames); seq++ {
		end := sse.FrameEnd(frames, offset)
		if f.match(frames[offset:end], keep) {
			switch {
			case n == 0:
				start, from = offset, seq
				chosen = frames[offset:end:end]
			case !copied && start+len(chosen) == offset:
				chosen = frames[start:end:end]
			default: // a piece of frames has no room, so that append copies it
				chosen = append(chosen, frames[offset:end]...)
				copied = true
			}
			to = seq
			n++
		}
		offset = end
	}
	return chosen, from, to, n, nil
}
