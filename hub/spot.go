package hub

import (
	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A spot is a position between two events.
type spot struct {
	epoch *epoch
	at    uint64 // number of the next event wanted
	stamp uint32 // of the event before it; 0 means unknown
}

// pos is the position of a spot whose epoch is known.
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
