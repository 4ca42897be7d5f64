package eventlog_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// TestMessageIDs checks that what is remembered is bounded in number and in time, beside
// a model.
func TestMessageIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, max := range []int{1, 2, 15, 16, 17, 100} {
			const window = time.Minute
			m := newMemory(t, eventlog.MemoryConfig{MessageIDs: max, MessageIDWindow: window})
			type used struct {
				id  string
				seq uint64
				at  time.Time
			}
			var model []used
			for n := range 40 * max {
				id := fmt.Sprint((n * n) % (3 * max)) // some come again soon, some late
				now := time.Now()
				for len(model) > 0 && now.Sub(model[0].at) > window {
					model = model[1:]
				}
				var want uint64
				for _, u := range model {
					if u.id == id {
						want = u.seq
					}
				}
				pos, dup, err := m.Append(t.Context(), eventlog.Record{Block: []byte("data: x\n\n"), MessageID: id})
				if err != nil || dup != (want != 0) || dup && pos.Seq != want {
					t.Fatalf("%d message ids: Append %d, %s = %v, %t, %v; want the number %d (0 for a new one)", max, n, id, pos, dup, err, want)
				}
				if !dup {
					if model = append(model, used{id, pos.Seq, now}); len(model) > max {
						model = model[1:]
					}
				}
				time.Sleep(window / time.Duration(1+n%(2*max)))
			}
		}
	})
}
