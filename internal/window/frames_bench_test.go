package window_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

// BenchmarkFramesAppend appends frames of 115 bytes, in two parts, that nobody waits for.
func BenchmarkFramesAppend(b *testing.B) {
	f := window.NewFrames(window.FramesConfig{})
	id, block := numbered(1, 15), numbered(2, 100)
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = f.Append(at, id, block)
	}
}

// BenchmarkFramesRead reads what is pending at a number: at the newest frame, where
// most subscribers are, and anywhere in a full window.
func BenchmarkFramesRead(b *testing.B) {
	f := window.NewFrames(window.FramesConfig{})
	for range 20_000 {
		add(b, f, start, 1000)
	}
	first, next := f.Bounds()
	for _, behind := range []uint64{1, next - first} {
		b.Run(fmt.Sprint("up to ", behind, " behind"), func(b *testing.B) {
			b.ReportAllocs()
			seq := next - behind
			for b.Loop() {
				if data, lo, hi := f.Read(seq); lo != seq || hi == lo || len(data) == 0 {
					b.Fatal("nothing to read")
				}
				if seq += 97; seq >= next {
					seq = next - behind
				}
			}
		})
	}
}
