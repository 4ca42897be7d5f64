package eventlog

import (
	"strings"
	"time"
)

// keys remembers the newest idempotency keys: at most max of them, none longer than
// window after its event was stored.
type keys struct {
	max    int
	window time.Duration
	seqs   map[string]uint64
	queue  []usedKey // a ring of len(seqs) keys from head on, oldest first
	head   int
}

type usedKey struct {
	key string
	at  time.Time
}

// find returns the number of the event that was stored with key.
func (k *keys) find(key string, now time.Time) (seq uint64, ok bool) {
	if len(k.seqs) == 0 {
		return 0, false
	}
	k.expire(now)
	if key == "" {
		return 0, false
	}
	seq, ok = k.seqs[key]
	return seq, ok
}

// add remembers key, which find has just not found.
func (k *keys) add(key string, seq uint64, now time.Time) {
	if key == "" {
		return
	}
	n := len(k.seqs)
	switch {
	case n == k.max:
		k.drop()
		n--
	case n == len(k.queue): // full, but allowed to grow
		queue := make([]usedKey, min(k.max, max(16, 2*n)))
		copy(queue[copy(queue, k.queue[k.head:]):], k.queue[:k.head])
		k.queue, k.head = queue, 0
	}
	if k.seqs == nil {
		k.seqs = make(map[string]uint64)
	}
	key = strings.Clone(key) // it may be a piece of something large
	k.seqs[key] = seq
	k.queue[(k.head+n)%len(k.queue)] = usedKey{key, now}
}

// expire forgets the keys that are older than the window.
func (k *keys) expire(now time.Time) {
	for len(k.seqs) > 0 && now.Sub(k.queue[k.head].at) > k.window {
		k.drop()
	}
}

// drop forgets the oldest key.
func (k *keys) drop() {
	delete(k.seqs, k.queue[k.head].key)
	k.queue[k.head] = usedKey{}
	k.head = (k.head + 1) % len(k.queue)
}
