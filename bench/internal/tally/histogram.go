package tally

import (
	"math/bits"
	"time"
)

const (
	fineBits = 6 // 64 steps for each power of two: 1.6 % wide at most
	fine     = 1 << fineBits
)

// A Histogram counts durations, to 1.6 %. The zero Histogram is empty.
type Histogram struct {
	counts [(64 - fineBits + 1) * fine]uint64
	total  uint64
}

// Add counts d; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.total++
}

// Reset empties h.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count is how many durations were added.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns the duration that the part q of all durations do not exceed, rounded
// up to the end of its step, or 0 if h is empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(h.total))+1, h.total)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(upper(i))
		}
	}
	panic("tally: more durations than there are")
}

func bucket(v uint64) int {
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return shift<<fineBits + int(v>>shift)
}

// upper is the largest value of bucket i.
func upper(i int) uint64 {
	if i < 2*fine {
		return uint64(i)
	}
	shift := i>>fineBits - 1
	return (uint64(i)-uint64(shift)<<fineBits+1)<<shift - 1
}
