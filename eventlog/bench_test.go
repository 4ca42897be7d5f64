package eventlog_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

var block = []byte("data: " + strings.Repeat("x", 92) + "\n\n")

func BenchmarkAppend(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		b.Run(fmt.Sprintf("keyed %t", keyed), func(b *testing.B) {
			m := newMemory(b, eventlog.MemoryConfig{})
			ctx := b.Context()
			r := eventlog.Record{Block: block}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if keyed {
					r.MessageID = strconv.Itoa(n)
				}
				if _, _, err := m.Append(ctx, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTail lasts from an Append until all tails have seen the event.
func BenchmarkTail(b *testing.B) {
	for _, tails := range []int{1, 100} {
		b.Run(fmt.Sprint(tails, " tails"), func(b *testing.B) {
			m := newMemory(b, eventlog.MemoryConfig{})
			ctx, cancel := context.WithCancel(b.Context())
			var all, round sync.WaitGroup
			round.Add(tails)
			for range tails {
				all.Go(func() {
					for _, err := range m.Tail(ctx, eventlog.Pos{}) {
						if err != nil {
							return
						}
						round.Done()
					}
				})
			}
			r := eventlog.Record{Block: block}
			_, _, _ = m.Append(ctx, r) // wait until all are there
			round.Wait()
			b.ReportAllocs()
			for b.Loop() {
				round.Add(tails)
				_, _, _ = m.Append(ctx, r)
				round.Wait()
			}
			cancel()
			all.Wait()
		})
	}
}

// BenchmarkRead reads all of a full log in pages of 100.
func BenchmarkRead(b *testing.B) {
	m := newMemory(b, eventlog.MemoryConfig{})
	for range 10_000 {
		_, _, _ = m.Append(b.Context(), eventlog.Record{Block: block})
	}
	ctx := b.Context()
	events := 0
	b.ReportAllocs()
	for b.Loop() {
		for after := (eventlog.Pos{}); ; {
			page, err := m.Read(ctx, after, 100)
			if err != nil {
				b.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			events += len(page)
			after = page[len(page)-1].Pos
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
