package hub

import (
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/internal/reading"
)

func TestStatsSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{})
		want := func(what string, n int) {
			t.Helper()
			if got := topic.Stats().Subscribers; got != n {
				t.Errorf("%s: %d subscribers, want %d", what, got, n)
			}
		}
		want("at first", 0)
		a := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		b := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})
		want("after two calls of Subscribe", 2)
		a.Close()
		a.Close()
		want("after one is closed twice", 1)
		r := reading.Hub.Reader(topic.Feed(), int(PolicyToOldest))
		r.Join()
		want("after Join", 2)
		topic.Complete()
		want("before anybody has read the end", 2)
		read(t, b)
		want("after one has read the end", 1)
		b.Close()
		want("after that one is closed", 1)
		r.Leave()
		want("after Leave", 0)
		late := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})
		read(t, late)
		want("after one has come and read the end", 0)
	})
}
