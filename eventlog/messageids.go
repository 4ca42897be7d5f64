package eventlog

import (
	"strings"
	"time"
)

// messageIDs remembers the newest message ids: at most max of them, each for at most
// window after its event was stored.
type messageIDs struct {
	max    int
	window time.Duration
	seqs   map[string]uint64
	queue  []usedID // a ring of len(seqs) ids from head on, oldest first
	head   int
}

type usedID struct {
	id string
	at time.Time
}

// find returns the number of the event that was stored with id.
func (m *messageIDs) find(id string, now time.Time) (seq uint64, ok bool) {
	if len(m.seqs) == 0 {
		return 0, false
	}
	m.expire(now)
	if id == "" {
		return 0, false
	}
	seq, ok = m.seqs[id]
	return seq, ok
}

// add remembers id, which find has just not found.
func (m *messageIDs) add(id string, seq uint64, now time.Time) {
	if id == "" {
		return
	}
	n := len(m.seqs)
	switch {
	case n == m.max:
		m.drop()
		n--
	case n == len(m.queue): // full, but allowed to grow
		queue := make([]usedID, min(m.max, max(16, 2*n)))
		copy(queue[copy(queue, m.queue[m.head:]):], m.queue[:m.head])
		m.queue, m.head = queue, 0
	}
	if m.seqs == nil {
		m.seqs = make(map[string]uint64)
	}
	id = strings.Clone(id) // it may be a piece of something large
	m.seqs[id] = seq
	m.queue[(m.head+n)%len(m.queue)] = usedID{id, now}
}

// expire forgets the ids that are older than the window.
func (m *messageIDs) expire(now time.Time) {
	for len(m.seqs) > 0 && now.Sub(m.queue[m.head].at) > m.window {
		m.drop()
	}
}

// drop forgets the oldest id.
func (m *messageIDs) drop() {
	delete(m.seqs, m.queue[m.head].id)
	m.queue[m.head] = usedID{}
	m.head = (m.head + 1) % len(m.queue)
}
