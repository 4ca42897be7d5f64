package carry

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// pacing runs test in virtual time with a pacer of a topic. The bubble fails if a
// goroutine of the pacer is left.
func pacing(t *testing.T, pace time.Duration, test func(p *Pacer, topic *hub.Topic[string])) {
	synctest.Test(t, func(t *testing.T) {
		topic, err := hub.New[string](hub.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer topic.Close()
		p := NewPacer(reading.Hub.Reader(topic.Feed(), int(hub.PolicyToOldest)), time.Now(), pace)
		test(p, topic)
	})
}

func publish(t *testing.T, topic *hub.Topic[string]) {
	t.Helper()
	if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: "x"}); err != nil {
		t.Fatal(err)
	}
}

// turns returns when the pacer has turns until stop is closed.
func (p *Pacer) turns(stop <-chan struct{}) (at []time.Duration) {
	p.join()
	defer p.leave()
	for {
		turn := p.turn()
		select {
		case <-turn:
			at = append(at, time.Duration(p.now()))
		case <-stop:
			return at
		}
	}
}

func TestPacer(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name   string
		pace   time.Duration
		events []time.Duration
		want   []time.Duration
	}{
		{"the first event after a pause is for now", 2 * ms, []time.Duration{10 * ms, 20 * ms}, []time.Duration{10 * ms, 20 * ms}},
		{"an event within the pace waits for its end", 2 * ms, []time.Duration{10 * ms, 11 * ms}, []time.Duration{10 * ms, 12 * ms}},
		{"events within the pace have one turn", 2 * ms, []time.Duration{10 * ms, 10*ms + 1, 11 * ms, 11*ms + 1, 30 * ms}, []time.Duration{10 * ms, 12 * ms, 30 * ms}},
		{"without a pace each event has a turn", 0, []time.Duration{10 * ms, 10*ms + 1, 10*ms + 2}, []time.Duration{10 * ms, 10*ms + 1, 10*ms + 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pacing(t, tt.pace, func(p *Pacer, topic *hub.Topic[string]) {
				stop := make(chan struct{})
				var got [2][]time.Duration
				var waiting sync.WaitGroup
				for i := range got {
					waiting.Go(func() { got[i] = p.turns(stop) })
				}
				synctest.Wait()
				for _, at := range tt.events {
					time.Sleep(at - time.Duration(p.now()))
					publish(t, topic)
				}
				time.Sleep(time.Second)
				close(stop)
				waiting.Wait()
				for i := range got {
					// The first join wakes those that have looked before.
					at := slices.DeleteFunc(got[i], func(at time.Duration) bool { return at == 0 })
					if !slices.Equal(at, tt.want) {
						t.Errorf("stream %d was woken at %v, want %v", i, got[i], tt.want)
					}
				}
			})
		})
	}
}

func TestPacerWakesAtTheEnd(t *testing.T) {
	pacing(t, 2*time.Millisecond, func(p *Pacer, topic *hub.Topic[string]) {
		p.join()
		defer p.leave()
		synctest.Wait()
		turn := p.turn()
		topic.Complete()
		synctest.Wait()
		select {
		case <-turn:
		default:
			t.Error("a stream that waits is not woken at the end of the topic")
		}
	})
}

// What comes between a stream's look and its join wakes it, whether or not the pacer runs.
func TestPacerMissesNothing(t *testing.T) {
	for _, running := range []bool{false, true} {
		pacing(t, 2*time.Millisecond, func(p *Pacer, topic *hub.Topic[string]) {
			if running {
				p.join()
				defer p.leave()
				synctest.Wait()
			}
			turn := p.turn()
			publish(t, topic)
			p.join()
			defer p.leave()
			time.Sleep(time.Second)
			select {
			case <-turn:
			default:
				t.Errorf("running %t: an event before the join wakes nobody", running)
			}
		})
	}
}

// The pacer stops with its last stream, and runs again for the next one.
func TestPacerStopsAndStarts(t *testing.T) {
	pacing(t, 2*time.Millisecond, func(p *Pacer, topic *hub.Topic[string]) {
		for range 3 {
			p.join()
			p.join()
			p.leave()
			turn := p.turn()
			publish(t, topic)
			time.Sleep(time.Second)
			select {
			case <-turn:
			default:
				t.Error("one stream has left, and the other one is not woken")
			}
			p.leave()
		}
	})
}
