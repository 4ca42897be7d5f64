package window_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

// BenchmarkAppend measures an Append while readers wait for the element:
// ns/append is Append alone, ns/op lasts until all have seen the element.
func BenchmarkAppend(b *testing.B) {
	for _, readers := range []int{0, 1, 1_000, 100_000} {
		b.Run(fmt.Sprint(readers, " waiting"), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			w := window.New[uint64](window.Config{})
			var all, round sync.WaitGroup
			parked := make(chan struct{})
			for range readers {
				all.Go(func() {
					for pos := uint64(0); ; {
						wait := w.Wait(pos)
						if pos == 0 {
							parked <- struct{}{}
						}
						select {
						case <-wait:
						case <-ctx.Done():
							return
						}
						items, at := w.Read(pos)
						pos = at + uint64(len(items))
						for range items {
							round.Done()
						}
					}
				})
				<-parked
			}
			b.ReportAllocs()
			b.ResetTimer()
			var appending time.Duration
			for b.Loop() {
				round.Add(readers)
				start := time.Now()
				_, _ = w.Append(1)
				appending += time.Since(start)
				round.Wait()
			}
			b.ReportMetric(float64(appending.Nanoseconds())/float64(b.N), "ns/append")
			cancel()
			all.Wait()
		})
	}
}

// BenchmarkRead reads one element at a time at the end of the window.
func BenchmarkRead(b *testing.B) {
	w := window.New[uint64](window.Config{})
	_, _ = w.Append(1)
	pos := w.End() - 1
	b.ReportAllocs()
	for b.Loop() {
		if items, _ := w.Read(pos); len(items) != 1 {
			b.Fatal("nothing to read")
		}
	}
}
