package eventlog_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// The key window is bounded in count and in time: a model remembers what it should
// hold.
func TestKeyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, max := range []int{1, 2, 15, 16, 17, 100} {
			const window = time.Minute
			m := newMemory(t, eventlog.MemoryConfig{Keys: max, KeyWindow: window})
			type used struct {
				key string
				seq uint64
				at  time.Time
			}
			var model []used
			for n := range 40 * max {
				key := fmt.Sprint((n * n) % (3 * max)) // some come again soon, some late
				now := time.Now()
				for len(model) > 0 && now.Sub(model[0].at) > window {
					model = model[1:]
				}
				var want uint64
				for _, u := range model {
					if u.key == key {
						want = u.seq
					}
				}
				pos, dup, err := m.Append(t.Context(), eventlog.Record{Block: []byte("data: x\n\n"), Key: key})
				if err != nil || dup != (want != 0) || dup && pos.Seq != want {
					t.Fatalf("%d keys: Append %d, key %s = %v, %t, %v; want the number %d (0 for a new one)", max, n, key, pos, dup, err, want)
				}
				if !dup {
					if model = append(model, used{key, pos.Seq, now}); len(model) > max {
						model = model[1:]
					}
				}
				time.Sleep(window / time.Duration(1+n%(2*max)))
			}
		}
	})
}
