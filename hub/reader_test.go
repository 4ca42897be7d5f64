package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/internal/window"
)

// spotAtEnd returns the spot at the end of the topic.
func spotAtEnd(t testing.TB, topic *Topic[string]) reading.Spot {
	t.Helper()
	c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _ = c.Next(ctx)
	s, ok := reading.Hub.Spot(c)
	if !ok {
		t.Fatal("a cursor that has caught up has no spot")
	}
	return s
}

func newReader(topic *Topic[string], p Policy) reading.Reader {
	return reading.Hub.Reader(topic.Feed(), int(p))
}

func TestSpotOfCursor(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 5})
		put(t, topic, "a", "b")
		waitIdle()
		feed := topic.Feed()
		some := feed.Subscribe(Live(), PolicyToOldest, Named("a"))
		next(t, some)
		if _, ok := reading.Hub.Spot(some); ok {
			t.Error("a cursor with a filter has a spot")
		}
		lost := feed.Subscribe(After("nonsense"), PolicyToOldest, Filter{})
		if _, ok := reading.Hub.Spot(lost); ok {
			t.Error("a cursor with a gap to tell has a spot")
		}
		s := spotAtEnd(t, topic)
		c := feed.Subscribe(Live(), PolicyToOldest, Filter{})
		next(t, c)
		if s.At != 3 || s.Pos() != c.Position() {
			t.Errorf("the spot is at %d, position %v; want 3, %v", s.At, s.Pos(), c.Position())
		}
		topic.Complete()
		waitIdle()
		if _, ok := reading.Hub.Spot(c); ok {
			t.Error("a cursor at the topic's end has a spot")
		}
	})
}

// Readers get what cursors at the same positions would, whatever the topic drops
// meanwhile. Only a position that was never in the present window ends them.
func TestReaderReadsAsCursor(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("FLUXWIRE_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal("FLUXWIRE_SEED: ", err)
		}
		seed = n
	}
	var seen struct{ batches, gaps, cuts, moves int }
	for run := range uint64(ledgerRuns(t, 10)) {
		for _, policy := range []Policy{PolicyToOldest, PolicyToLatest, PolicyCut} {
			engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
				rng := rand.New(rand.NewPCG(seed, run))
				defer func() {
					if t.Failed() {
						t.Logf("FLUXWIRE_SEED=%d, run %d", seed, run)
					}
				}()
				topic := open(Config{Events: 1 + rng.IntN(30), Bytes: 4000, Logger: slog.New(slog.DiscardHandler)})
				put(t, topic, "zero")
				waitIdle()
				feed, r := topic.Feed(), newReader(topic, policy)
				spots := make([]reading.Spot, 1+rng.IntN(5))
				for i := range spots {
					spots[i] = spotAtEnd(t, topic)
				}
				for range 200 {
					if rng.IntN(3) == 0 {
						for range rng.IntN(10) {
							put(t, topic, strings.Repeat("x\n", rng.IntN(200)))
						}
						if log, ok := feed.log.(*fakeLog); ok && rng.IntN(10) == 0 {
							log.recreate()
							put(t, topic, "new")
						}
						waitIdle()
					}
					i := rng.IntN(len(spots))
					s, before := spots[i], feed.Stats()
					got := r.Read(s)
					after := feed.Stats()
					spots[i] = got.Next
					if end := before.Next; r.Newest() != end {
						t.Fatalf("Newest() = %d, want %d", r.Newest(), end)
					}

					e := feed.current.Load()
					if s.Life != e.incarnation || s.At < e.from {
						if !got.Ended || !errors.Is(got.Err, ErrCut) {
							t.Fatalf("%+v at a position of another window; want ErrCut", got)
						}
						seen.moves++
					} else {
						model := Cursor{feed: feed, closed: true, policy: policy, spot: spot{epoch: e, at: s.At, stamp: s.Stamp}, caughtUp: true}
						want, wantErr := model.Poll()
						if got.Err != wantErr || got.Ended != (wantErr != nil) ||
							string(got.Frames) != string(want.Frames) || got.Count != want.Count || !reflect.DeepEqual(got.Gap, want.Gap) {
							t.Fatalf("pending at %v: %d events, gap %v, %v; a cursor has %d, %v, %v",
								s, got.Count, got.Gap, got.Err, want.Count, want.Gap, wantErr)
						}
						if wantErr == nil && got.Next != model.shared() {
							t.Fatalf("the next spot is %v, of a cursor %v", got.Next, model.shared())
						}
						if more := got.Next.At < after.Next; wantErr == nil && got.More != more {
							t.Fatalf("More = %t at %d of %d", got.More, got.Next.At, after.Next)
						}
					}
					if got.Ended != (after.Cuts > before.Cuts) {
						t.Fatalf("ended: %t, but %d cuts became %d", got.Ended, before.Cuts, after.Cuts)
					}
					switch {
					case got.Ended:
						seen.cuts++
						spots[i] = spotAtEnd(t, topic) // it comes back
					case got.Gap != nil:
						seen.gaps++
						if after.Gaps <= before.Gaps || after.Missed < before.Missed+*got.Gap.Missed {
							t.Fatalf("a gap of %d: Gaps %d became %d, Missed %d became %d",
								*got.Gap.Missed, before.Gaps, after.Gaps, before.Missed, after.Missed)
						}
					case got.Count > 0:
						seen.batches++
					}
				}
			})
		}
	}
	if seen.batches == 0 || seen.gaps == 0 || seen.cuts == 0 || seen.moves == 0 {
		t.Errorf("%+v: not all of it has been tried", seen)
	}
}

func TestReaderEnd(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		end  func(*Topic[string])
		want error
	}{
		{(*Topic[string]).Complete, nil},
		{func(tp *Topic[string]) { tp.Fail(broken) }, broken},
		{func(tp *Topic[string]) { tp.Close() }, ErrClosed},
	} {
		engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
			topic := open(Config{})
			put(t, topic, "zero")
			waitIdle()
			s, r := spotAtEnd(t, topic), newReader(topic, PolicyToOldest)
			if got := r.Read(s); !reflect.DeepEqual(got, reading.Pending{Next: s}) {
				t.Fatalf("%+v before anything has come; want nothing pending", got)
			}
			put(t, topic, "one")
			waitIdle()
			tt.end(topic)
			got := r.Read(s)
			if got.Count != 1 || !got.More || got.Ended {
				t.Fatalf("%+v; want one event before the end, and more", got)
			}
			s = got.Next
			if got := r.Read(s); !reflect.DeepEqual(got, reading.Pending{Next: s, Ended: true, Err: tt.want}) {
				t.Errorf("%+v; want the end, with %v", got, tt.want)
			}
		})
	}
	t.Run("a log that is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			topic := open(t, Config{})
			put(t, topic, "zero")
			s, r := spotAtEnd(t, topic), newReader(topic, PolicyToOldest)
			topic.Feed().log.Close()
			if got := r.Read(s); !got.Ended || !errors.Is(got.Err, eventlog.ErrClosed) {
				t.Errorf("%+v; want eventlog.ErrClosed at the end", got)
			}
		})
	})
}

// A tail that begins again behind the last event of the window has another window, in
// which the positions are the same.
func TestSpotOutlivesWindow(t *testing.T) {
	synctest.Test(t, testSpotOutlivesWindow)
}

func testSpotOutlivesWindow(t *testing.T) {
	topic := open(t, Config{})
	put(t, topic, "zero")
	s, r := spotAtEnd(t, topic), newReader(topic, PolicyToOldest)
	feed := topic.Feed()
	old := feed.current.Load()
	begin := func(first uint64, incarnation uint32) *epoch {
		e := newEpoch(window.FramesConfig{First: first, MaxFrames: 10})
		_, _ = e.stamps.Append(7)
		_, _ = e.stamps.Append(8)
		e.incarnation = incarnation
		return e
	}
	for _, tt := range []struct {
		name    string
		current *epoch
		want    error
	}{
		{"the same incarnation", begin(2, 0), nil},
		{"behind a hole", begin(3, 0), ErrCut},
		{"another incarnation", begin(2, 1), ErrCut},
	} {
		if _, err := tt.current.frames.Append(time.Now(), []byte("id: x\ndata: y\n\n")); err != nil {
			t.Fatal(err)
		}
		feed.current.Store(tt.current)
		got := r.Read(s)
		if got.Err != tt.want || tt.want == nil && got.Count != 1 {
			t.Errorf("%s: %+v; want %v", tt.name, got, tt.want)
		}
	}
	feed.current.Store(old)
}

func TestReaderDoesNotAllocate(t *testing.T) {
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprint("hidden ", hide), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				topic := openMaybeHidden(t, hide)
				put(t, topic, "zero")
				waitIdle()
				s, r := spotAtEnd(t, topic), newReader(topic, PolicyToOldest)
				put(t, topic, "one")
				waitIdle()
				var got reading.Pending
				if n := testing.AllocsPerRun(100, func() { got = r.Read(s) }); n > 0 || got.Count != 1 {
					t.Errorf("%v allocations to read %d events, want none to read 1", n, got.Count)
				}
				s = got.Next
				if n := testing.AllocsPerRun(100, func() { got = r.Read(s) }); n > 0 || got.Count != 0 {
					t.Errorf("%v allocations to read %d events, want none to read 0", n, got.Count)
				}
			})
		})
	}
}

// Watch calls after everything that is new, and not much more often.
func TestWatchReader(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		put(t, topic, "zero")
		waitIdle()
		feed, r := topic.Feed(), newReader(topic, PolicyToOldest)
		var calls atomic.Int32
		told := make(chan struct{}, 1)
		seen := uint64(0) // events that a reader that goes by the calls has seen
		var work sync.WaitGroup
		work.Go(func() {
			r.Watch(context.Background(), func() {
				calls.Add(1)
				select {
				case told <- struct{}{}:
				default:
				}
			})
			close(told)
		})
		s := spotAtEnd(t, topic)
		ended, end := false, error(nil)
		work.Go(func() {
			for range told {
				for !ended {
					got := r.Read(s)
					if errors.Is(got.Err, ErrCut) { // another incarnation of the log
						s = reading.Spot{At: 1, Life: feed.current.Load().incarnation}
						continue
					}
					ended, end, s = got.Ended, got.Err, got.Next
					seen += uint64(got.Count)
					if got.Count == 0 {
						break
					}
				}
			}
		})
		appended := uint64(0)
		for i := range 50 {
			put(t, topic, fmt.Sprint(i))
			appended++
			if i%3 == 0 {
				waitIdle()
				if seen != appended {
					t.Fatalf("%d events seen, want %d", seen, appended)
				}
			}
		}
		if log, ok := feed.log.(*fakeLog); ok {
			waitIdle()
			log.recreate()
			put(t, topic, "new")
			appended++
			waitIdle()
			time.Sleep(time.Minute)
			synctest.Wait()
			if seen != appended {
				t.Fatalf("%d events seen, want %d with that of the new log", seen, appended)
			}
		}
		waitIdle()
		idle := calls.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls.Load() != idle || idle > int32(appended)+5 {
			t.Errorf("%d calls for %d events, and %d in an idle hour", idle, appended, calls.Load()-idle)
		}
		put(t, topic, "last")
		waitIdle() // so that the end comes by itself
		topic.Complete()
		work.Wait()
		if seen != appended+1 || !ended || end != nil {
			t.Errorf("%d events, ended %t with %v; want %d and completion", seen, ended, end, appended+1)
		}
	})
}

func TestWatchReaderContext(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		put(t, topic, "zero")
		waitIdle()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { newReader(topic, PolicyToOldest).Watch(ctx, func() {}); close(done) }()
		synctest.Wait()
		cancel()
		<-done
	})
}

func TestWatchReaderClosedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{})
		put(t, topic, "zero")
		calls := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { newReader(topic, PolicyToOldest).Watch(ctx, func() { calls++ }); close(done) }()
		synctest.Wait()
		topic.Feed().log.Close()
		time.Sleep(time.Hour)
		cancel()
		<-done
		if calls < 2 || calls > 3 {
			t.Errorf("%d calls, want one at first and one or two for the end of the log", calls)
		}
	})
}
