package tally

import (
	"math"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	for _, v := range []uint64{0, 1, 63, 64, 65, 127, 128, 129, 1000, 1 << 20, 1<<40 + 12345, math.MaxInt64} {
		i := bucket(v)
		if u := upper(i); v > u || float64(u-v) > float64(v)/fine {
			t.Errorf("%d is in bucket %d, which ends at %d", v, i, u)
		}
		if v > 0 && upper(bucket(v)-1) >= v {
			t.Errorf("%d belongs to a bucket below %d", v, i)
		}
	}
}

func TestQuantile(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500, 0.99: 990, 0.999: 1000, 1: 1000} {
		got := h.Quantile(q).Seconds() * 1000
		if d := got/float64(want) - 1; d < -0.001 || d > 0.02 {
			t.Errorf("Quantile(%v) = %vms, want about %dms", q, got, want)
		}
	}
}
