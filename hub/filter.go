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

// match tells whether the filter chooses the event of frame.
func (f *Filter) match(frame []byte, keep *scratch) bool {
	var name, data []byte
	lines := 0
	for len(frame) > len(lf) { // the blank line is the last
		var line []byte
		line, frame, _ = bytes.Cut(frame, lf)
		if value, ok := bytes.CutPrefix(line, eventField); ok {
			name = bytes.TrimPrefix(value, space)
			continue
		}
		value, ok := bytes.CutPrefix(line, dataField)
		if !ok {
			continue
		}
		if f.keep == nil {
			break // the name comes before the data
		}
		value = bytes.TrimPrefix(value, space)
		switch lines++; lines {
		case 1:
			data = value
		case 2: // no longer a piece of frame
			data = append(append(keep.data[:0], data...), '\n')
			data = append(data, value...)
		default:
			data = append(append(data, '\n'), value...)
		}
	}
	if lines > 1 && cap(data) <= maxScratch {
		keep.data = data
	}
	if string(name) == "message" {
		name = nil
	}
	if f.keep == nil {
		_, ok := f.names[string(name)]
		return ok
	}
	if string(name) != keep.name {
		keep.name = string(name)
	}
	return f.keep(keep.name, data)
}

// A scratch is what a cursor keeps for its filter from one event to the next.
type scratch struct {
	name string // the last one: most often the next one too
	data []byte // for data of several lines
}

var (
	lf         = []byte("\n")
	blank      = []byte("\n\n")
	space      = []byte(" ")
	eventField = []byte("event:")
	dataField  = []byte("data:")
)

// maxScratch is the largest buffer that is kept from one event to the next.
const maxScratch = 64 << 10

// choose returns those of the frames, n of them from number first on, that the filter
// chooses, how many they are, and the numbers of the first and the last of them. What
// it returns is a piece of frames if they lie next to each other there, and a copy if
// not.
func (f *Filter) choose(frames []byte, first uint64, keep *scratch) (chosen []byte, from, to uint64, n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	start, copied := 0, false // the chosen frames are frames[start:start+len(chosen)] until they are copied
	for at, seq := 0, first; at < len(frames); seq++ {
		end := at + bytes.Index(frames[at:], blank) + len(blank)
		if f.match(frames[at:end], keep) {
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
