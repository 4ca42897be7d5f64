package main

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/event"
)

// A recorder is a slow system that records when events were published, and the times in
// them.
type recorder struct {
	http.Handler
	slow  time.Duration
	began time.Time
	came  []time.Duration
	sent  []time.Duration
}

func (r *recorder) Publish(_ context.Context, _ uint64, data []byte) error {
	_, sent, _ := event.Parse(data)
	r.came = append(r.came, time.Since(r.began))
	r.sent = append(r.sent, time.Unix(0, sent).Sub(r.began))
	time.Sleep(r.slow)
	return nil
}

func (*recorder) Shutdown(context.Context) error { return nil }
func (*recorder) Counts() map[string]uint64      { return nil }

func TestScheduleIsKept(t *testing.T) {
	ms := func(all ...int) (d []time.Duration) {
		for _, n := range all {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	for _, tt := range []struct {
		name       string
		n          int
		rate       float64
		burst      int
		slow       time.Duration
		came, sent []time.Duration
	}{
		{"at once", 3, 0, 1, 0, ms(0, 0, 0), ms(0, 0, 0)},
		{"evenly", 3, 100, 1, 0, ms(0, 10, 20), ms(0, 10, 20)},
		{"in bursts", 5, 100, 2, 0, ms(0, 0, 20, 20, 40), ms(0, 0, 20, 20, 40)},
		{"late, and the events say when they were due", 3, 100, 1, 15 * time.Millisecond, ms(0, 15, 30), ms(0, 10, 20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{slow: tt.slow, began: time.Now()}
				p := &publisher{sys: r}
				if err := p.many(t.Context(), tt.n, tt.rate, tt.burst, 100); err != nil {
					t.Fatal(err)
				}
				for i := range tt.came {
					if len(r.came) != tt.n || r.came[i] != tt.came[i] || r.sent[i] != tt.sent[i] {
						t.Fatalf("came %v and say %v, want %v and %v", r.came, r.sent, tt.came, tt.sent)
					}
				}
				if p.last.Load() != uint64(tt.n) {
					t.Errorf("last = %d, want %d", p.last.Load(), tt.n)
				}
			})
		})
	}
}
