package hub

import "fmt"

// A finding says what a window has at a position.
type finding int

const (
	foundNothing   finding = iota // nothing yet
	foundFrames                   // frames [first, next)
	foundDropped                  // the position has left the window, which begins at first
	foundNextEpoch                // the window is read to its end, and epoch.next follows
	foundEnd                      // the topic is read to its end
)

// A found is what [Feed.pending] has found.
type found struct {
	finding
	frames      []byte
	first, next uint64
	end         error // with foundEnd; nil is completion
	// last reports that an end, or another window, comes after the frames of this one.
	last bool
}

// pending returns what there is at event at in the window of e.
func (f *Feed) pending(e *epoch, at uint64) found {
	// In this order: if there is an end and then Read finds nothing, nothing is left,
	// because nothing is stored after the end.
	end := f.ended.Load()
	f.look()
	windowErr, windowEnded := e.frames.Ended()
	f.look()
	var got found
	got.frames, got.first, got.next = e.frames.Read(at)
	f.look()
	got.last = end != nil || windowEnded
	switch {
	case got.first > at:
		got.finding = foundDropped
	case got.next > got.first:
		got.finding = foundFrames
	case windowEnded && e.next != nil:
		got.finding = foundNextEpoch
	case end != nil:
		got.finding, got.end = foundEnd, end.err
	case windowEnded:
		got.finding, got.end = foundEnd, fmt.Errorf("hub: topic %q: %w", f.name, windowErr)
	}
	return got
}

// look is called after each look at the topic in pending.
func (f *Feed) look() {
	if f.looked != nil {
		f.looked()
	}
}
