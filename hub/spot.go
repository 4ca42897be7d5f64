package hub

import (
	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A spot is where a reader is between two events, as the window knows it. Where in this
// package has these words:
//
//   - pos, a [eventlog.Pos], is a position: the last event that the reader has had;
//   - at is the number of the event that the reader wants next, and so pos.Seq+1;
//   - first and next are the bounds of what a window or a batch holds, of which next is
//     the number of the event that follows;
//   - a [Start] says where a cursor begins, before that is known as a number.
type spot struct {
	epoch *epoch
	at    uint64
	stamp uint32 // of the event before at; 0 means unknown
}

// pos returns the position of s. The epoch of s must be known.
func (s *spot) pos() eventlog.Pos { return eventlog.Pos{Seq: s.at - 1, Stamp: s.stamp} }

// skip moves s to event first, or further if the policy says so, and returns the gap.
func (s *spot) skip(first uint64, policy Policy, reason sse.GapReason) *sse.Gap {
	if policy == PolicyToLatest {
		_, next := s.epoch.frames.Bounds()
		first = max(first, next-1)
	}
	from, missed := s.pos(), first-s.at
	s.at, s.stamp = first, s.epoch.stampOf(first-1)
	id := s.pos().String()
	return &sse.Gap{Reason: reason, From: from.String(), To: id, Missed: &missed, ID: id}
}
