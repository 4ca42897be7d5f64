package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/streams"
)

func TestFilter(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 20})
		put(t, topic, "gone=0") // it is purged
		put(t, topic, "a=1", "b=2", "3", "a=4", "a=5", "message=6", "b=7\n\n8", "c=9")
		for range 12 {
			put(t, topic, "x=-")
		}
		waitIdle()
		short := func(_ string, data []byte) bool { return len(data) == 1 && data[0] != '-' }
		for _, tt := range []struct {
			name   string
			filter Filter
			want   string
		}{
			{"a name", Named("a"), "1, 4, 5"},
			{"two names", Named("a", "c"), "1, 4, 5, 9"},
			{"no name", Named(""), "3, 6"},
			{"no name by its other name", Named("message"), "3, 6"},
			{"a name that does not occur", Named("d"), ""},
			{"no names at all", Named(), ""},
			{"by data", Where(short), "1, 2, 3, 4, 5, 6, 9"},
			{"by lines of data", Where(func(_ string, data []byte) bool { return string(data) == "7\n\n8" }), "7\n\n8"},
			{"by name", Where(func(name string, _ []byte) bool { return name == "" }), "3, 6"},
		} {
			c := topic.Feed().Subscribe(Latest(20), PolicyToOldest, tt.filter)
			check(t, tt.name, read(t, c), tt.want)
			if pos := c.Position(); pos.Seq != 21 {
				t.Errorf("%s: the cursor stands at %v, want 21: it would go stale", tt.name, pos)
			}
			check(t, tt.name+", resumed", read(t, topic.Feed().Subscribe(After(c.Position().String()), PolicyToOldest, tt.filter)), "")
		}
	})
}

// If the filter chooses all events of a batch, they are not copied; a part of them still
// comes in one batch.
func TestFilteredBatches(t *testing.T) {
	topic := open(t, Config{})
	for i := range 100 {
		put(t, topic, fmt.Sprint([]string{"a", "b"}[i%2], "=", i))
	}
	c := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Named("a", "b"))
	all, _ := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{}).Poll()
	if b, err := c.Poll(); err != nil || b.Count != 100 || &b.Frames[0] != &all.Frames[0] {
		t.Errorf("Poll = %d events, %v; a copy: %t", b.Count, err, &b.Frames[0] != &all.Frames[0])
	}
	half, err := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Named("a")).Poll()
	if err != nil || half.Count != 50 || half.First.Seq != 1 || half.Last.Seq != 99 {
		t.Errorf("Poll = %d events from %v to %v, %v", half.Count, half.First, half.Last, err)
	}
	shortOf(t, half)
	again, _ := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{}).Poll()
	if string(again.Frames) != string(all.Frames) {
		t.Error("filtering wrote into the window")
	}
}

// A gap counts all events of the topic, since it is not known which of them the filter
// would have chosen.
func TestFilterAndGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{Events: 3})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Named("a"))
		put(t, topic, "a=1", "b=2", "b=3", "b=4", "a=5")
		check(t, "behind", read(t, c), "slow 0-2 missed 2, 5")
	})
}

func TestFilterPanic(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		cause := errors.New("no such field")
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Where(func(_ string, data []byte) bool {
			if string(data) == "2" {
				panic(cause)
			}
			return true
		}))
		other := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		waitIdle()
		put(t, topic, "1")
		check(t, "before", strings.Join(shortOf(t, must(next(t, c))), ""), "1")
		put(t, topic, "2", "3")
		for range 2 {
			_, err := next(t, c)
			if e, ok := errors.AsType[*streams.PanicError](err); !ok || !errors.Is(err, cause) || !strings.Contains(string(e.Stack), "TestFilterPanic") {
				t.Errorf("Next = %v", err)
			}
		}
		check(t, "another cursor", read(t, other), "1, 2, 3")
	})
}

func must(b Batch, err error) Batch {
	if err != nil {
		panic(err)
	}
	return b
}

func TestWhere_nil(t *testing.T) {
	defer func() {
		if v := recover(); v != "hub: Where: nil function: it would choose every event" {
			t.Errorf("Where(nil) panics with %v", v)
		}
	}()
	Where(nil)
}
