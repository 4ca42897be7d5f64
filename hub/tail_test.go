package hub

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// numbers writes the numbers from a to b as read does.
func numbers(a, b int) string {
	var out []string
	for i := a; i <= b; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return strings.Join(out, ", ")
}

func putNumbers(t testing.TB, topic *Topic[string], a, b int) {
	t.Helper()
	for i := a; i <= b; i++ {
		put(t, topic, fmt.Sprint(i))
	}
}

// The log keeps more than the window: older events come from the log, then the others
// from the window, without a hole or a double.
func TestReplayFromTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 1)
		topic := open(t, Config{Log: log, Events: 10})
		putNumbers(t, topic, 1, 300)
		waitIdle()
		half := time.Now()
		time.Sleep(time.Second)
		putNumbers(t, topic, 301, 600)
		log.purge(500) // the log keeps 101 to 600, the window 591 to 600
		waitIdle()
		if first := topic.Stats().First; first != 591 {
			t.Fatalf("the window begins at %d", first)
		}
		for _, tt := range []struct {
			name  string
			start Start
			want  string
		}{
			{"earliest", Earliest(), numbers(101, 610)},
			{"latest", Latest(200), numbers(401, 610)},
			{"latest in the window", Latest(5), numbers(596, 610)},
			{"more than the log keeps", Latest(2000), numbers(101, 610)},
			{"since", Since(half), numbers(301, 610)},
			{"since before all", Since(half.Add(-time.Hour)), numbers(101, 610)},
			{"after", After("150"), numbers(151, 610)},
			{"after the one before the oldest", After("100"), numbers(101, 610)},
			{"after one that is gone", After("50"), "retention 50-100 missed 50, " + numbers(101, 610)},
			{"another incarnation, outside the window", After("150.zzzz1"), "restart 150- missed ?, " + numbers(101, 610)},
			{"another incarnation, ahead", After("5000.zzzz1"), "restart 5000- missed ?, " + numbers(101, 610)},
			{"ahead", After("5000"), "future 5000- missed ?, " + numbers(101, 610)},
		} {
			c := topic.Feed().Subscribe(tt.start, PolicyToOldest, Filter{})
			if !c.Replaying() {
				t.Errorf("%s: Replaying is false, and the cursor has not caught up", tt.name)
			}
			filtered := topic.Feed().Subscribe(tt.start, PolicyToOldest, Where(func(_ string, data []byte) bool { return strings.HasSuffix(string(data), "7") }))
			defer func() {
				check(t, tt.name, read(t, c), tt.want)
				if c.Replaying() {
					t.Errorf("%s: the cursor has caught up, and still needs the log", tt.name)
				}
				var sevens []string
				for s := range strings.SplitSeq(tt.want, ", ") {
					if strings.HasSuffix(s, "7") || strings.Contains(s, "-") {
						sevens = append(sevens, s)
					}
				}
				check(t, tt.name+", filtered", read(t, filtered), strings.Join(sevens, ", "))
				if filtered.Position().Seq != 610 {
					t.Errorf("%s: the filtered cursor stands at %v", tt.name, filtered.Position())
				}
			}()
		}
		putNumbers(t, topic, 601, 610)
		waitIdle()
	})
}

// Many cursors that replay read the log only a few at a time.
func TestReplayReadsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(2000, 1)
		topic := open(t, Config{Log: log, Events: 10})
		putNumbers(t, topic, 1, 500)
		waitIdle()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				check(t, "a replay", read(t, topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})), numbers(1, 500))
			})
		}
		wg.Wait()
		if log.mostReading != pagesAtOnce {
			t.Errorf("%d pages were read at once, want %d", log.mostReading, pagesAtOnce)
		}
	})
}

// A cursor that replays and is overtaken by the log's retention is told how much it
// has missed.
func TestReplayOvertakenByRetention(t *testing.T) {
	for _, tt := range []struct {
		policy Policy
		want   string
	}{
		{PolicyToOldest, numbers(1, 64) + ", retention 64-200 missed 136, " + numbers(201, 300)},
		{PolicyToLatest, numbers(1, 64) + ", retention 64-299 missed 235, 300"},
		{PolicyCut, numbers(1, 64) + ", retention 64-200 missed 136, " + numbers(201, 300)},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := newFakeLog(1000, 1)
			topic := open(t, Config{Log: log, Events: 10})
			putNumbers(t, topic, 1, 300)
			waitIdle()
			c := topic.Feed().Subscribe(Earliest(), tt.policy, Filter{})
			page := strings.Join(shortOf(t, must(next(t, c))), ", ")
			log.purge(100)
			check(t, tt.policy.String(), page+", "+read(t, c), tt.want)
			again := topic.Feed().Subscribe(After("64"), tt.policy, Filter{})
			want := "retention 64-200 missed 136, " + numbers(201, 300)
			if tt.policy == PolicyToLatest {
				want = "retention 64-299 missed 235, 300"
			}
			check(t, tt.policy.String()+", resumed", read(t, again), want)
		})
	}
}

// A tail that is overtaken begins again; cursors get from the log what the log still has,
// and a gap for the rest.
func TestTailOvertakenByRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 1)
		topic := open(t, Config{Log: log, Events: 100, Logger: discard()})
		waitIdle()
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		behind := topic.Feed().Subscribe(Live(), PolicyCut, Filter{})
		putNumbers(t, topic, 1, 100)
		waitIdle()
		check(t, "before", read(t, c), numbers(1, 100))
		stored := func(from, to int, delay time.Duration) {
			log.mu.Lock()
			defer log.mu.Unlock()
			for i := from; i <= to; i++ {
				log.store(eventlog.Record{Block: fmt.Appendf(nil, "data: %d\n\n", i)})
			}
			log.delay = delay
		}
		stored(101, 101, 1000*time.Hour)
		waitIdle() // the tail is about to deliver the next event
		stored(102, 600, 1)
		log.purge(300) // 301 to 600
		time.Sleep(2000 * time.Hour)
		if s := topic.Stats(); s.TailRestarts == 0 || s.First != 501 {
			t.Fatalf("the tail was not overtaken: %+v", s)
		}
		got := read(t, c)
		n := 100
		if strings.HasPrefix(got, "101, ") { // got there first
			n = 101
			got = strings.TrimPrefix(got, "101, ")
		}
		rest := fmt.Sprintf("retention %d-300 missed %d, %s", n, 300-n, numbers(301, 600))
		check(t, "a subscriber", got, rest)
		check(t, "one behind", read(t, behind), numbers(1, n)+", "+rest)
	})
}

// The log is created again while the topic runs: one gap, and then all of its events.
func TestLogIsCreatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 1)
		topic := open(t, Config{Log: log, Logger: discard()})
		oldest := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		latest := topic.Feed().Subscribe(Live(), PolicyToLatest, Filter{})
		cut := topic.Feed().Subscribe(Live(), PolicyCut, Filter{})
		asleep := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{}) // since before the window was filled
		waitIdle()
		behind := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		putNumbers(t, topic, 1, 5)
		waitIdle()
		for _, c := range []*Cursor{oldest, latest, cut} {
			check(t, "before", read(t, c), "1, 2, 3, 4, 5")
		}
		log.recreate()
		putNumbers(t, topic, 1, 3)
		waitIdle()
		check(t, "oldest", read(t, oldest), "restart 5- missed ?, 1, 2, 3")
		check(t, "latest", read(t, latest), "restart 5- missed ?, 3")
		check(t, "cut", read(t, cut), ErrCut.Error())
		check(t, "resumed", read(t, topic.Feed().Subscribe(After(cut.Position().String()), PolicyCut, Filter{})), "restart 5- missed ?, 1, 2, 3")
		check(t, "behind", read(t, behind), "1, 2, 3, 4, 5, restart 5- missed ?, 1, 2, 3")
		check(t, "asleep", read(t, asleep), "restart - missed ?, 1, 2, 3")
		put(t, topic, "4")
		topic.Complete()
		check(t, "on", read(t, oldest), "4, EOF")
	})
}

// An event that does not fit into the window is read from the log.
func TestEventLargerThanWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 1)
		small := open(t, Config{Log: log, Bytes: 1000, Logger: discard()})
		large := open(t, Config{Log: log, Logger: discard()}) // another node, with another config
		waitIdle()
		c := small.Feed().Subscribe(Live(), PolicyCut, Filter{})
		whale := strings.Repeat("w", 5000)
		put(t, large, "1", "2", whale, "3", "4")
		waitIdle()
		check(t, "a subscriber", read(t, c), "1, 2, "+whale+", 3, 4")
		put(t, large, whale, "5")
		waitIdle()
		check(t, "a subscriber", read(t, c), whale+", 5")
	})
}

// The store is unavailable when the topic is made, and when a subscriber comes.
func TestLogUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 1)
		writer := open(t, Config{Log: log, Logger: discard()})
		putNumbers(t, writer, 1, 100)
		log.faults = 1 // half of all calls, and Bounds always
		log.mu.Lock()
		log.faults = 1e9
		log.mu.Unlock()
		topic := open(t, Config{Log: log, Events: 10, Logger: discard()})
		c := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})
		check(t, "while it is away", read(t, c), "")
		log.mu.Lock()
		log.faults = 0
		log.mu.Unlock()
		time.Sleep(time.Minute)
		check(t, "when it is back", read(t, c), numbers(1, 100))
		topic.Close()
		check(t, "at the end", read(t, c), ErrClosed.Error())

		log.mu.Lock()
		log.faults = 1e9
		log.mu.Unlock()
		topic = open(t, Config{Log: log, Events: 10, Logger: discard()})
		c = topic.Feed().Subscribe(After("5"), PolicyToOldest, Filter{})
		got := make(chan string)
		go func() { got <- read(t, c) }()
		time.Sleep(time.Second)
		topic.Close()
		check(t, "closed while it is away", <-got, ErrClosed.Error())
	})
}
