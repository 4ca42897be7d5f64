package hub

import (
	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/window"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An epoch is a window over the log without a hole: frame n is event n. A topic over
// a Memory has one, the memory's own. Over any other log a new one begins when the tail
// can continue only after a hole, or in another incarnation of the log.
type epoch struct {
	frames *window.Frames
	// The window is usable once the next number reaches full: then all that was in the
	// log when the epoch began is in the window.
	full uint64
	// from is the number of the first frame that the window could have had.
	from uint64
	// incarnation counts the incarnations of the log that the topic has seen.
	incarnation uint32
	// complete says that the log keeps nothing that is not in the window.
	complete bool
	// stamp is the stamp of all events, or 0 if each has its own. Then stamps has them,
	// beginning with the event before the first frame, and at least as many as there are
	// frames plus one, so that a gap can name the position before the window.
	stamp  uint32
	stamps *window.Window[uint32]
	base   uint64 // number of the event whose stamp is the first one in stamps

	// The next epoch, once frames has ended; both are set before that.
	next    *epoch
	foreign bool // next is another incarnation of the log, with other events under the same numbers
}

// newEpoch returns an empty epoch for a log whose events each have a stamp.
func newEpoch(cfg window.FramesConfig) *epoch {
	return &epoch{
		frames: window.NewFrames(cfg),
		from:   cfg.First,
		stamps: window.New[uint32](window.Config{Keep: cfg.MaxFrames + 1}),
		base:   cfg.First - 1,
	}
}

// stampOf returns the stamp of event seq, or 0 if it is not known.
func (e *epoch) stampOf(seq uint64) uint32 {
	if e.stamp != 0 {
		return e.stamp
	}
	if seq < e.base {
		return 0
	}
	stamps, at := e.stamps.Read(seq - e.base)
	if at != seq-e.base || len(stamps) == 0 {
		return 0
	}
	return stamps[0]
}

// lastStamp is stampOf for the last of some frames, which may have been dropped by now.
func (e *epoch) lastStamp(seq uint64, frames []byte) uint32 {
	if stamp := e.stampOf(seq); stamp != 0 {
		return stamp
	}
	return framePos(sse.LastFrame(frames)).Stamp
}

// batch makes a batch of the frames [first, next).
func (e *epoch) batch(frames []byte, first, next uint64) Batch {
	b := Batch{
		Frames: frames,
		First:  eventlog.Pos{Seq: first, Stamp: e.stamp},
		Last:   eventlog.Pos{Seq: next - 1, Stamp: e.stamp},
		Count:  int(next - first),
	}
	if e.stamp == 0 {
		b.First.Stamp = framePos(frames).Stamp
		b.Last.Stamp = e.lastStamp(next-1, frames)
	}
	return b
}

// framePos reads the position in a frame's id line.
func framePos(frame []byte) eventlog.Pos {
	id, _, _ := sse.CutIDLine(frame)
	pos, _ := eventlog.ParsePos(string(id)) // the topic or the log has written it
	return pos
}

// appendFrame appends the frame of an event to dst.
func appendFrame(dst []byte, ev eventlog.Event) []byte {
	return append(appendIDLine(dst, ev.Pos), ev.Block...)
}

func appendIDLine(dst []byte, pos eventlog.Pos) []byte {
	dst, _ = sse.AppendIDLine(dst, pos.AppendText) // which never fails
	return dst
}
