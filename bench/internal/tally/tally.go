// Package tally keeps the books of a reader: what one connection should have
// received and has not, has twice, or in the wrong order.
package tally

import "slices"

// A Tally checks the numbers of the events that one client receives, over all its
// connections. Numbers rise by one from event to event. The zero Tally takes the
// first number as it comes.
type Tally struct {
	next   uint64 // the number expected; 0 is any
	holes  []span // numbers that were passed over without a word
	told   uint64 // missing events announced by gaps since the last event
	openly bool   // a gap of unknown size since the last event
	counts Counts
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

// Counts is what a Tally has found.
type Counts struct {
	Events     uint64 `json:"events"`     // received, each time they were
	Lost       uint64 `json:"lost"`       // never received, and nobody said so
	Twice      uint64 `json:"twice"`      // received again
	Misordered uint64 `json:"misordered"` // received after an event that is newer
	Gaps       uint64 `json:"gaps"`       // gaps that the server told of
	Told       uint64 `json:"told"`       // events never received that a gap told of
	WrongGaps  uint64 `json:"wrong_gaps"` // gaps that told of more than was missing
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.Events += d.Events
	c.Lost += d.Lost
	c.Twice += d.Twice
	c.Misordered += d.Misordered
	c.Gaps += d.Gaps
	c.Told += d.Told
	c.WrongGaps += d.WrongGaps
}

// Expect says that the next event to come is number next. It is for the beginning.
func (t *Tally) Expect(next uint64) { t.next = next }

// Next is the number of the next event expected, 0 if any will do.
func (t *Tally) Next() uint64 { return t.next }

// Event takes the number of an event received, and returns how many events right
// before it a gap has told missing.
func (t *Tally) Event(seq uint64) (told uint64) {
	t.counts.Events++
	if t.next != 0 && seq < t.next {
		if t.fill(seq) {
			t.counts.Misordered++
		} else {
			t.counts.Twice++
		}
		return 0
	}
	if t.next == 0 {
		t.next = seq
	}
	missing := seq - t.next
	switch {
	case t.openly:
		told = missing
	default:
		told = min(missing, t.told)
		if t.told > missing {
			t.counts.WrongGaps++
		}
	}
	t.counts.Told += told
	if silent := missing - told; silent > 0 {
		t.holes = append(t.holes, span{t.next, t.next + silent - 1})
	}
	t.next, t.told, t.openly = seq+1, 0, false
	return told
}

// Gap takes what the server tells of missing events: how many, or nil where it
// does not know.
func (t *Tally) Gap(missed *uint64) {
	t.counts.Gaps++
	if missed == nil {
		t.openly = true
		return
	}
	t.told += *missed
}

// Counts returns what has been found by now, if last is the number of the last event
// there was. A last of 0 is not known: then nothing is missing at the end.
func (t *Tally) Counts(last uint64) Counts {
	c := t.counts
	for _, h := range t.holes {
		c.Lost += h.last - h.first + 1
	}
	if t.next != 0 && last >= t.next {
		c.Lost += last - t.next + 1
	}
	return c
}

// fill takes seq out of the holes, and reports whether it was in one.
func (t *Tally) fill(seq uint64) bool {
	for i, h := range t.holes {
		if seq < h.first || seq > h.last {
			continue
		}
		var parts []span
		if h.first < seq {
			parts = append(parts, span{h.first, seq - 1})
		}
		if seq < h.last {
			parts = append(parts, span{seq + 1, h.last})
		}
		t.holes = slices.Replace(t.holes, i, i+1, parts...)
		return true
	}
	return false
}

// Skip says that the client comes back without saying where it left off: what it
// has missed since is nobody's fault, and the next event may be any.
func (t *Tally) Skip() { t.next, t.told, t.openly = 0, 0, false }
