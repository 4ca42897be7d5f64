package hub

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkDelivery measures the delivery of an event of 100 bytes to all subscribers of a
// topic, each with a goroutine of its own that copies the bytes: from before Append until
// the last one has them. It also measures the usual hub: a lock, a map, and a buffered
// channel for each subscriber.
func BenchmarkDelivery(b *testing.B) {
	ev := textEvent{Event: "tick", Data: strings.Repeat("x", 100)}
	for _, subscribers := range []int{1, 1_000, 100_000} {
		for _, inFlight := range []int{1, 32} {
			name := fmt.Sprintf("%d subscribers, %d in flight", subscribers, inFlight)
			b.Run("topic, "+name, func(b *testing.B) {
				topic := open(b, Config{})
				start := func(round *sync.WaitGroup, all *sync.WaitGroup, seen *atomic.Uint64) {
					c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
					all.Go(func() {
						buf := make([]byte, 8<<10)
						for {
							batch, err := c.Next(context.Background())
							if err == io.EOF {
								return
							}
							if err != nil || batch.Gap != nil {
								panic("a delivery is missing")
							}
							copy(buf, batch.Frames)
							seen.Add(uint64(batch.Count))
							round.Add(-batch.Count)
						}
					})
				}
				deliver(b, subscribers, inFlight, start, func() { topic.Append(b.Context(), ev) }, topic.Complete)
			})
			b.Run("channels, "+name, func(b *testing.B) {
				h := &channelHub{subscribers: make(map[chan []byte]struct{})}
				start := func(round *sync.WaitGroup, all *sync.WaitGroup, seen *atomic.Uint64) {
					ch := h.subscribe(64)
					all.Go(func() {
						buf := make([]byte, 8<<10)
						for frame := range ch {
							copy(buf, frame)
							seen.Add(1)
							round.Done()
						}
					})
				}
				topic := open(b, Config{})
				enc := &encoder[string]{sse: topic.encoders.Get().(*encoder[string]).sse}
				deliver(b, subscribers, inFlight, start, func() {
					block, _ := topic.encode(enc, ev)
					h.publish(block)
				}, h.close)
			})
		}
	}
}

func deliver(b *testing.B, subscribers, inFlight int,
	start func(round, all *sync.WaitGroup, seen *atomic.Uint64), publish, end func()) {
	var round, all sync.WaitGroup
	var seen atomic.Uint64
	for range subscribers {
		start(&round, &all, &seen)
	}
	events := 0
	for b.Loop() {
		round.Add(subscribers * inFlight)
		for range inFlight {
			publish()
		}
		round.Wait() // a lost delivery hangs here
		events += inFlight
	}
	end()
	all.Wait()
	if want := uint64(events * subscribers); seen.Load() != want {
		b.Fatalf("%d deliveries, want %d", seen.Load(), want)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events*subscribers), "ns/delivery")
	b.ReportMetric(0, "ns/op")
}

// A channelHub is how most hubs are built.
type channelHub struct {
	mu          sync.Mutex
	subscribers map[chan []byte]struct{}
}

func (h *channelHub) subscribe(n int) chan []byte {
	ch := make(chan []byte, n)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subscribers[ch] = struct{}{}
	return ch
}

func (h *channelHub) publish(frame []byte) {
	frame = append([]byte(nil), frame...)
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subscribers {
		ch <- frame
	}
}

func (h *channelHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subscribers {
		close(ch)
	}
}

// BenchmarkAppend measures an Append that no subscriber waits for.
func BenchmarkAppend(b *testing.B) {
	topic := open(b, Config{})
	ev := textEvent{Event: "tick", Data: strings.Repeat("x", 100)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := topic.Append(b.Context(), ev); err != nil {
			b.Fatal(err)
		}
	}
}
