package usage

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestNow(t *testing.T) {
	debug.FreeOSMemory() // memory that an earlier test has freed would be used again
	before, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 32<<20)
	for i := range block {
		block[i] = byte(i)
	}
	after, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(block)
	for _, c := range []struct {
		name   string
		grew   bool
		detail []uint64
	}{
		{"CPU", after.CPU > before.CPU, []uint64{uint64(before.CPU), uint64(after.CPU)}},
		{"RSS", after.RSS >= before.RSS+24<<20, []uint64{before.RSS, after.RSS}},
		{"PeakRSS", after.PeakRSS >= before.RSS+24<<20, []uint64{before.PeakRSS, after.PeakRSS}},
		{"HeapAlloc", after.HeapAlloc >= before.HeapAlloc+24<<20, []uint64{before.HeapAlloc, after.HeapAlloc}},
		{"Sys", after.Sys > 0, []uint64{after.Sys}},
		{"Goroutines", after.Goroutines > 0, []uint64{uint64(after.Goroutines)}},
	} {
		if !c.grew {
			t.Errorf("%s does not show 32 MiB being written: %v", c.name, c.detail)
		}
	}
}
