package eventlog

import (
	"math/rand/v2"
	"sync/atomic"
)

// A clock would be enough for one log that is restarted, but not for the memory logs of
// two nodes that start in the same millisecond. So the first stamp of a process is
// random, and each further one is a step away: an odd step returns to a value only
// after all others.
var stamps = func() *atomic.Uint32 {
	n := new(atomic.Uint32)
	n.Store(rand.Uint32())
	return n
}()

const stampStep = 0x9e3779b9

// newStamp returns a stamp that is not 0 and that no other call has returned, as long
// as there are fewer than four billion.
func newStamp() uint32 {
	for {
		if s := stamps.Add(stampStep); s != 0 {
			return s
		}
	}
}
