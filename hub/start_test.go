package hub

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func TestStart(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 5})
		put(t, topic, "1", "2", "3", "4")
		waitIdle()
		noon := time.Now()
		last := put(t, topic, "5", "6", "7") // 3 to 7 are kept
		waitIdle()
		feed := topic.Feed()
		var readers sync.WaitGroup
		for _, tt := range []struct {
			name   string
			start  Start
			policy Policy
			want   string
		}{
			{"live", Live(), PolicyToOldest, "8, EOF"},
			{"zero is live", Start{}, PolicyToOldest, "8, EOF"},
			{"no id is live", After(""), PolicyToOldest, "8, EOF"},
			{"earliest", Earliest(), PolicyToOldest, "3, 4, 5, 6, 7, 8, EOF"},
			{"earliest with policy latest", Earliest(), PolicyToLatest, "3, 4, 5, 6, 7, 8, EOF"},
			{"latest one", Latest(1), PolicyToOldest, "7, 8, EOF"},
			{"latest five", Latest(5), PolicyToOldest, "3, 4, 5, 6, 7, 8, EOF"},
			{"more than there are", Latest(math.MaxInt), PolicyToOldest, "3, 4, 5, 6, 7, 8, EOF"},
			{"latest zero is live", Latest(0), PolicyToOldest, "8, EOF"},
			{"latest of a negative number is live", Latest(-1), PolicyToOldest, "8, EOF"},
			{"since", Since(noon), PolicyToOldest, "5, 6, 7, 8, EOF"},
			{"since before all", Since(noon.Add(-time.Hour)), PolicyToOldest, "3, 4, 5, 6, 7, 8, EOF"},
			{"since after all", Since(noon.Add(time.Hour)), PolicyToOldest, "8, EOF"},
			{"after the last", After(last.String()), PolicyToOldest, "8, EOF"},
			{"after one inside", After("5"), PolicyToOldest, "6, 7, 8, EOF"},
			{"after the one before the oldest", After("2"), PolicyToOldest, "3, 4, 5, 6, 7, 8, EOF"},
			{"before the first", After("0"), PolicyToOldest, "retention 0-2 missed 2, 3, 4, 5, 6, 7, 8, EOF"},

			{"retention", After("1"), PolicyToOldest, "retention 1-2 missed 1, 3, 4, 5, 6, 7, 8, EOF"},
			{"retention to latest", After("1"), PolicyToLatest, "retention 1-6 missed 5, 7, 8, EOF"},
			{"retention with policy cut begins at the oldest", After("1"), PolicyCut, "retention 1-2 missed 1, 3, 4, 5, 6, 7, 8, EOF"},
			{"malformed", After("seven"), PolicyToOldest, "malformed - missed ?, 3, 4, 5, 6, 7, 8, EOF"},
			{"malformed with a forged field", After("7\nevent: x"), PolicyToOldest, "malformed - missed ?, 3, 4, 5, 6, 7, 8, EOF"},
			{"malformed and long", After(strings.Repeat("7", 1<<20)), PolicyCut, "malformed - missed ?, 3, 4, 5, 6, 7, 8, EOF"},
			{"malformed to latest", After("-1"), PolicyToLatest, "malformed - missed ?, 7, 8, EOF"},
			{"future", After("9"), PolicyToOldest, "future 9- missed ?, 3, 4, 5, 6, 7, 8, EOF"},
			{"far future", After("18446744073709551615"), PolicyToLatest, "future 18446744073709551615- missed ?, 7, 8, EOF"},
			{"another incarnation", After("5.zzzz1"), PolicyToOldest, "restart 5- missed ?, 3, 4, 5, 6, 7, 8, EOF"},
			{"another incarnation, to latest", After("5.zzzz1"), PolicyToLatest, "restart 5- missed ?, 7, 8, EOF"},
		} {
			c := feed.Subscribe(tt.start, tt.policy, Filter{})
			readers.Go(func() { check(t, tt.name, read(t, c), tt.want) })
		}
		waitIdle()
		put(t, topic, "8")
		topic.Complete()
		readers.Wait()
	})
}

// After resuming at the id of a gap, the gap is not told again.
func TestGapIsToldOnce(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 3})
		put(t, topic, "1", "2", "3", "4", "5")
		waitIdle()
		for _, id := range []string{"1", "x", "77", "4.zzzz1"} {
			for _, policy := range []Policy{PolicyToOldest, PolicyToLatest} {
				c := topic.Feed().Subscribe(After(id), policy, Filter{})
				if pos := c.Position(); number(pos.String()) != number(id) && id != "x" || id == "x" && pos.Seq != 0 {
					t.Errorf("After(%s): the position before the gap is told is %v", id, pos)
				}
				b, err := next(t, c)
				if err != nil || b.Gap == nil {
					t.Fatalf("After(%s): %v, %v", id, b, err)
				}
				if pos := c.Position(); pos.String() != b.Gap.ID && (pos != eventlog.Pos{} || strings.Contains(b.Gap.ID, ".")) {
					t.Errorf("After(%s): the position is %v, the gap's id %s", id, c.Position(), b.Gap.ID)
				}
				want := "3, 4, 5"
				if policy == PolicyToLatest {
					want = "5"
				}
				check(t, "behind the gap of "+id, read(t, c), want)
				again := topic.Feed().Subscribe(After(b.Gap.ID), policy, Filter{})
				check(t, "resumed at the gap of "+id, read(t, again), want)
			}
		}
		if s := topic.Stats(); s.Gaps != 8 || s.Missed != 1+3 {
			t.Errorf("Stats: %d gaps, %d missed; want 8, 4", s.Gaps, s.Missed)
		}
	})
}

// A restarted process keeps its events in another Memory.
func TestGapRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := open(t, Config{})
		id := put(t, before, "1", "2", "3").String()
		empty := before.Feed().Subscribe(Latest(3), PolicyToOldest, Filter{})
		start := empty.Position().String() // 0 with a stamp: before the first event
		before.Close()

		after := open(t, Config{})
		put(t, after, "a", "b", "c", "d")
		check(t, "in the next incarnation", read(t, after.Feed().Subscribe(After(id), PolicyToOldest, Filter{})), "restart 3- missed ?, a, b, c, d")
		check(t, "from the start of the incarnation before", read(t, after.Feed().Subscribe(After(start), PolicyToOldest, Filter{})), "restart 0- missed ?, a, b, c, d")
		here := after.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{}).Position().String()
		check(t, "from the start of this incarnation", read(t, after.Feed().Subscribe(After(here), PolicyToOldest, Filter{})), "a, b, c, d")
	})
}

// Live begins at the call of Subscribe, also before the window is filled.
func TestLiveBeforeWindowIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(100, 1)
		first := open(t, Config{Log: log})
		put(t, first, "1", "2", "3")
		first.Close()

		topic := open(t, Config{Log: log})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		if !c.Replaying() {
			t.Error("there is a window already")
		}
		if b, err := c.Poll(); err != nil || !b.Empty() {
			t.Errorf("Poll = %v, %v", b, err)
		}
		latest := topic.Feed().Subscribe(Latest(2), PolicyToOldest, Filter{})
		waitIdle()
		put(t, topic, "4")
		topic.Complete()
		check(t, "live", read(t, c), "4, EOF")
		check(t, "latest, as of then", read(t, latest), "2, 3, 4, EOF")
	})
}

// A topic over an empty log has a position to resume at, if the log has a stamp for its
// beginning.
func TestPositionOfEmptyLog(t *testing.T) {
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprint("hidden ", hide), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				topic := openMaybeHidden(t, hide)
				waitIdle()
				b, err := topic.Feed().log.Bounds(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
				check(t, "before anything is appended", read(t, c), "")
				if pos := c.Position(); pos != b.Last || pos.Stamp == 0 {
					t.Fatalf("Position = %v, want %v, with a stamp", pos, b.Last)
				}
				put(t, topic, "1", "2")
				waitIdle()
				check(t, "resumed", read(t, topic.Feed().Subscribe(After(b.Last.String()), PolicyToOldest, Filter{})), "1, 2")
			})
		})
	}
}
