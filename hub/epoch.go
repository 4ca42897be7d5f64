package hub

import (
	"bytes"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/window"
)

// An epoch is a window over the log without a hole: frame n is event n. A topic over
// a Memory has one, the memory's own. Over any other log there is another one when
// the tail can go on only with a hole, or with another life of the log.
type epoch struct {
	frames *window.Frames
	// live is the number of the first event that was not there when the topic began to
	// follow the log.
	live uint64
	// complete says that the log keeps nothing that is not in the window.
	complete bool
	// stamp is the stamp of all events, or 0 if each has its own.
	stamp uint32

	// What comes after, once frames has ended; both are set before that.
	next    *epoch
	foreign bool // next is another life of the log: numbers begin anew
}

// stampOf returns the stamp of event seq, or 0 if it is not known.
func (e *epoch) stampOf(seq uint64) uint32 {
	if e.stamp != 0 {
		return e.stamp
	}
	frame, _, ok := e.frames.Frame(seq)
	if !ok {
		return 0
	}
	return framePos(frame).Stamp
}

// lastStamp is stampOf for the last one of some frames, which may have left the window.
func (e *epoch) lastStamp(seq uint64, frames []byte) uint32 {
	if stamp := e.stampOf(seq); stamp != 0 {
		return stamp
	}
	last := bytes.LastIndex(frames[:len(frames)-len(blank)], blank)
	if last < 0 {
		last = -len(blank)
	}
	return framePos(frames[last+len(blank):]).Stamp
}

// framePos reads the position in a frame's first line.
func framePos(frame []byte) eventlog.Pos {
	line, _, _ := bytes.Cut(frame, lf)
	id, _ := bytes.CutPrefix(line, idField)
	pos, _ := eventlog.ParsePos(string(id)) // the topic or the log has written it
	return pos
}

// appendFrame appends the frame of an event to dst.
func appendFrame(dst []byte, ev eventlog.Event) []byte {
	dst = appendIDLine(dst, ev.Pos)
	return append(dst, ev.Block...)
}

func appendIDLine(dst []byte, pos eventlog.Pos) []byte {
	dst = append(dst, idField...)
	dst, _ = pos.AppendText(dst)
	return append(dst, '\n')
}

var idField = []byte("id: ")
