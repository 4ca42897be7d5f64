package streams_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// A channelHub is the simple alternative to a Subject: each subscriber has a channel,
// and the publisher sends to each of them. It loses no value, so the publisher waits
// for the slowest subscriber.
type channelHub struct {
	subscribers []chan int
}

func (h *channelHub) publish(v int) {
	for _, ch := range h.subscribers {
		ch <- v
	}
}

// BenchmarkFanOut publishes rounds of values and waits after each round until every
// subscriber has counted all its values: a lost value would block the benchmark.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 1_000, 10_000} {
		for _, round := range []int{1, 32} {
			name := fmt.Sprintf("%d subscribers, rounds of %d", subscribers, round)
			b.Run(name+"/subject", func(b *testing.B) {
				subject := streams.NewSubject[int]()
				fanOut(b, subscribers, round, func(v int) { _ = subject.Next(v) }, subject.Complete,
					func(ctx context.Context, count func(int)) {
						err := subject.Observable().Run(ctx, func(v int) bool { count(v); return true })
						if err != nil {
							b.Error(err)
						}
					},
					func() bool { return subject.Stats().Subscribers == subscribers })
			})
			b.Run(name+"/channels", func(b *testing.B) {
				var hub channelHub
				for range subscribers {
					hub.subscribers = append(hub.subscribers, make(chan int, 32))
				}
				var next atomic.Int64
				fanOut(b, subscribers, round, hub.publish,
					func() {
						for _, ch := range hub.subscribers {
							close(ch)
						}
					},
					func(ctx context.Context, count func(int)) {
						ch := hub.subscribers[next.Add(1)-1]
						for {
							select { // a subscriber that can be cancelled needs it
							case <-ctx.Done():
								return
							case v, ok := <-ch:
								if !ok {
									return
								}
								count(v)
							}
						}
					},
					func() bool { return next.Load() == int64(subscribers) })
			})
		}
	}
}

func fanOut(b *testing.B, subscribers, round int, publish func(int), end func(),
	subscribe func(ctx context.Context, count func(int)), ready func() bool) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var all, got sync.WaitGroup
	for range subscribers {
		all.Go(func() {
			ctx, cancel := context.WithCancel(ctx) // each subscriber has its own context
			defer cancel()
			pending := round
			subscribe(ctx, func(int) {
				if pending--; pending == 0 {
					pending = round
					got.Done()
				}
			})
		})
	}
	for !ready() {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		got.Add(subscribers)
		for v := range round {
			publish(v)
		}
		got.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers*round), "ns/delivery")
	end()
	all.Wait()
}
