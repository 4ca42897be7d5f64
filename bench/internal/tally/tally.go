// Package tally counts which events a client has not received, has received twice, or
// has received in the wrong order.
package tally

import "slices"

// A Tally checks the numbers of the events that one client receives, over all its
// connections. Numbers rise by one from event to event. The zero Tally accepts
// any first number.
type Tally struct {
	next   uint64 // the number expected; 0 is any
	holes  []span // numbers that are missing and were not announced
	told   uint64 // missing events announced by gaps since the last event
	openly bool   // a gap of unknown size since the last event
	counts Counts
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

// Counts is what a Tally has found.
type Counts struct {
	Events     uint64 `json:"events"`     // received, repeats included
	Lost       uint64 `json:"lost"`       // never received, and not announced by a gap
	Twice      uint64 `json:"twice"`      // received again
	Misordered uint64 `json:"misordered"` // received after a newer event
	Gaps       uint64 `json:"gaps"`       // gaps that the server announced
	Told       uint64 `json:"told"`       // events never received that a gap announced
	WrongGaps  uint64 `json:"wrong_gaps"` // gaps that announced more than was missing
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

// Expect sets the number of the next event to next. Call it before the first event.
func (t *Tally) Expect(next uint64) { t.next = next }

// Next is the number of the next event expected, 0 if any will do.
func (t *Tally) Next() uint64 { return t.next }

// Event records the number of a received event. It returns how many events right before
// it a gap has announced as missing.
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

// Gap records a gap that the server announces: how many events are missing, or nil if
// it does not know.
func (t *Tally) Gap(missed *uint64) {
	t.counts.Gaps++
	if missed == nil {
		t.openly = true
		return
	}
	t.told += *missed
}

// Counts returns the counts so far. last is the number of the last event that was
// published, or 0 if it is not known: then none is missing at the end.
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

// fill removes seq from the holes, and reports whether it was in one.
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

// Skip notes that the client reconnects without an id: events that it misses meanwhile
// do not count as lost, and the next event may have any number.
func (t *Tally) Skip() { t.next, t.told, t.openly = 0, 0, false }
