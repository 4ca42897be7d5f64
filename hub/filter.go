package hub

import (
	"bytes"
	"runtime/debug"

	"github.com/fluxwire-go/fluxwire/streams"
)

// A Filter chooses the events that a subscriber gets. The zero Filter chooses all. A
// Filter may be shared by any number of cursors.
type Filter struct {
	names map[string]struct{}
	keep  func(event string, data []byte) bool
}

// Named chooses the events with one of the names. As in a browser, "message" is the
// name of those that have none, and so is "". Without names it chooses nothing.
func Named(names ...string) Filter {
	f := Filter{names: make(map[string]struct{}, len(names))}
	for _, name := range names {
		f.names[plainName(name)] = struct{}{}
	}
	return f
}

// Where chooses the events for which keep returns true. It is called with the name,
// which is "" for an event without one or named "message", and with the data, lines
// joined by LF, which it must neither change nor keep. It is called by the cursor's
// reader, once for each event; cursors that share the Filter call it concurrently. A
// panic in it ends the cursor with a [*streams.PanicError].
func Where(keep func(event string, data []byte) bool) Filter { return Filter{keep: keep} }

func plainName(name string) string {
	if name == "message" {
		return ""
	}
	return name
}

func (f *Filter) everything() bool { return f.names == nil && f.keep == nil }

// match tells whether the filter chooses the event of frame. scratch is for data that
// has to be put together.
func (f *Filter) match(frame []byte, scratch *[]byte) bool {
	var name []byte
	data, parts := []byte(nil), 0
	for len(frame) > 1 { // the blank line is the last
		line, rest, _ := bytes.Cut(frame, lf)
		frame = rest
		if value, ok := bytes.CutPrefix(line, eventField); ok {
			name = value
		} else if value, ok := bytes.CutPrefix(line, dataField); ok {
			if f.keep == nil {
				break // the name comes before the data
			}
			switch parts {
			case 0:
				data = value
			case 1:
				data = append(append((*scratch)[:0], data...), '\n')
				data = append(data, value...)
			default:
				data = append(append(data, '\n'), value...)
			}
			parts++
		}
	}
	if parts > 1 && cap(data) <= maxScratch {
		*scratch = data
	}
	if string(name) == "message" {
		name = nil
	}
	if f.keep == nil {
		_, ok := f.names[string(name)]
		return ok
	}
	return f.keep(string(name), data)
}

var (
	lf         = []byte("\n")
	blank      = []byte("\n\n")
	eventField = []byte("event: ")
	dataField  = []byte("data: ")
)

// maxScratch is the largest buffer that is kept from one event to the next.
const maxScratch = 64 << 10

// choose returns those of the frames, n of them from number first on, that the filter
// chooses, how many they are, and the numbers of the first and the last of them. What
// it returns is a piece of frames if they lie next to each other there, and a copy if
// not.
func (f *Filter) choose(frames []byte, first uint64, scratch *[]byte) (chosen []byte, from, to uint64, n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	start, copied := 0, false // the chosen frames are frames[start:start+len(chosen)] until they are copied
	for at, seq := 0, first; at < len(frames); seq++ {
		end := at + bytes.Index(frames[at:], blank) + len(blank)
		if f.match(frames[at:end], scratch) {
			switch {
			case n == 0:
				start, from = at, seq
				chosen = frames[at:end:end]
			case !copied && start+len(chosen) == at:
				chosen = frames[start:end:end]
			default: // a piece of frames has no room, so that append copies it
				chosen = append(chosen, frames[at:end]...)
				copied = true
			}
			to = seq
			n++
		}
		at = end
	}
	return chosen, from, to, n, nil
}
