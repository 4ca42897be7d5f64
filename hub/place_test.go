package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
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
)

// caughtUp returns a place at the end of the topic.
func caughtUp(t testing.TB, topic *Topic[string]) Place {
	t.Helper()
	c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _ = c.Next(ctx)
	p, ok := c.Place()
	if !ok {
		t.Fatal("a cursor that has caught up has no place")
	}
	return p
}

func TestOnlyACursorThatHasCaughtUpHasAPlace(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 5})
		put(t, topic, "a", "b")
		settle()
		feed := topic.Feed()
		some := feed.Subscribe(Live(), PolicyToOldest, Named("a"))
		next(t, some)
		if _, ok := some.Place(); ok {
			t.Error("a cursor with a filter has a place")
		}
		lost := feed.Subscribe(After("nonsense"), PolicyToOldest, Filter{})
		if _, ok := lost.Place(); ok {
			t.Error("a cursor with a gap to tell has a place")
		}
		p := caughtUp(t, topic)
		if p.Next() != 3 || !p.Whole() {
			t.Errorf("the place is at %d, whole: %t; want 3, true", p.Next(), p.Whole())
		}
		c := feed.Subscribe(Live(), PolicyToOldest, Filter{})
		next(t, c)
		topic.Complete()
		settle()
		if _, ok := c.Place(); ok {
			t.Error("a cursor at the topic's end has a place")
		}
	})
}

// What is taken is found again from every byte to every other one.
func TestAPlaceGoesOnAtEveryByte(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		put(t, topic, "zero")
		settle()
		begin := caughtUp(t, topic)
		put(t, topic, "a", "b=one\n\ntwo\n", "", "name=last")
		settle()
		w := topic.Feed().Walk(PolicyToOldest)
		all, last, err := w.Pending(&begin)
		if err != nil || !last || all.Count != 4 {
			t.Fatalf("%d events, last: %t, %v; want 4, true, nil", all.Count, last, err)
		}
		frames := string(all.Frames)
		var ends []int // of the events
		for i := range frames {
			if strings.HasSuffix(frames[:i+1], "\n\n") {
				ends = append(ends, i+1)
			}
		}
		wholeIn := func(n int) (events int) {
			for _, end := range ends {
				if end <= n {
					events++
				}
			}
			return events
		}
		for i := range len(frames) + 1 {
			for j := i; j <= len(frames); j++ {
				p, taken := begin, 0
				for _, n := range []int{i, j} {
					w.Refresh()
					b, _, err := w.Pending(&p)
					if err != nil {
						t.Fatal(err)
					}
					if b.Count == 0 {
						if taken != len(frames) {
							t.Fatalf("nothing is pending at byte %d of %d", taken, len(frames))
						}
						continue
					}
					if rest := string(p.Rest(b)); rest != frames[taken:] {
						t.Fatalf("at byte %d: rest %q, want %q", taken, rest, frames[taken:])
					}
					if rest := string(p.RestOfEvent(b)); rest != frames[taken:ends[wholeIn(taken)]] {
						t.Fatalf("at byte %d: rest of the event %q, want %q", taken, rest, frames[taken:ends[wholeIn(taken)]])
					}
					if got, want := p.Take(b, n-taken), wholeIn(n)-wholeIn(taken); got != want {
						t.Fatalf("from byte %d to %d: %d events, want %d", taken, n, got, want)
					}
					taken = n
					events := wholeIn(n)
					if p.Next() != begin.Next()+uint64(events) || p.Whole() != (n == 0 || events > 0 && ends[events-1] == n) {
						t.Fatalf("after byte %d: at %d, whole: %t", n, p.Next(), p.Whole())
					}
					if events > 0 {
						from := 0
						if events > 1 {
							from = ends[events-2]
						}
						if want := framePos([]byte(frames[from:])); p.pos() != want {
							t.Fatalf("after byte %d: position %v, want %v", n, p.pos(), want)
						}
					}
				}
			}
		}
	})
}

// Places that read by one Walk, in parts of any size, get what cursors at the same
// spots would, whatever the topic drops meanwhile; but that half an event which is
// dropped, and a change of the window, end them.
func TestPlacesReadAsCursorsDo(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("FLUXWIRE_TEST_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal("FLUXWIRE_TEST_SEED: ", err)
		}
		seed = n
	}
	var seen struct{ batches, gaps, cuts, halves, moves int }
	for run := range uint64(ledgerRuns(t, 10)) {
		for _, policy := range []Policy{PolicyToOldest, PolicyToLatest, PolicyCut} {
			engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
				rng := rand.New(rand.NewPCG(seed, run))
				defer func() {
					if t.Failed() {
						t.Logf("FLUXWIRE_TEST_SEED=%d, run %d", seed, run)
					}
				}()
				topic := open(Config{Events: 1 + rng.IntN(30), Bytes: 4000, Logger: slog.New(slog.DiscardHandler)})
				put(t, topic, "zero")
				settle()
				feed := topic.Feed()
				w := feed.Walk(policy)
				type reader struct {
					Place
					half string // what has been taken of the event at the place
				}
				readers := make([]reader, 1+rng.IntN(5))
				for i := range readers {
					readers[i].Place = caughtUp(t, topic)
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
						settle()
						w.Refresh()
					}
					r := &readers[rng.IntN(len(readers))]
					first, _ := r.epoch.frames.Bounds()
					dropped, moved := first > r.at, r.epoch.next != nil
					remembered := w.epoch == r.epoch && w.at == r.at
					before := r.Place
					model := Cursor{feed: feed, closed: true, policy: policy, spot: r.spot, caught: true}
					cuts := feed.Stats().Cuts
					b, _, err := w.Pending(&r.Place)
					if err != nil {
						b = new(Batch)
					}
					switch {
					case !r.Whole() && dropped && !remembered:
						if !errors.Is(err, ErrCut) {
							t.Fatalf("half an event is dropped: %v, want ErrCut", err)
						}
						seen.halves++
					case !r.Whole():
						if err != nil || !strings.HasPrefix(string(b.Frames), r.half) || len(b.Frames) <= len(r.half) {
							t.Fatalf("half an event: %q, %v; want what begins with %q", b.Frames, err, r.half)
						}
					case dropped && remembered && b.Count > 0:
						// A part of the window that the walk holds on to: still what it was.
						if framePos(b.Frames).Seq != r.at {
							t.Fatalf("%d was remembered for %d", framePos(b.Frames).Seq, r.at)
						}
					default:
						want, wantErr := model.Poll()
						if moved && (wantErr != nil || model.epoch != before.epoch) {
							if !errors.Is(err, ErrCut) {
								t.Fatalf("the window has been left: %v, want ErrCut", err)
							}
							seen.moves++
							break
						}
						if !errors.Is(err, wantErr) || err == nil && (string(b.Frames) != string(want.Frames) || b.Count != want.Count || !reflect.DeepEqual(b.Gap, want.Gap)) {
							t.Fatalf("pending at %d: %d events, gap %v, %v; a cursor has %d, %v, %v", before.at, b.Count, b.Gap, err, want.Count, want.Gap, wantErr)
						}
						if b.Gap != nil {
							if r.spot != model.spot {
								t.Fatalf("after a gap at %v, a cursor at %v", r.spot, model.spot)
							}
							seen.gaps++
						}
					}
					if err != nil {
						if feed.Stats().Cuts == cuts {
							t.Fatal("a cut is not counted")
						}
						seen.cuts++
						*r = reader{Place: caughtUp(t, topic)} // it comes back
						continue
					}
					if b.Gap != nil || b.Count == 0 {
						continue
					}
					seen.batches++
					n := rng.IntN(len(r.Rest(b)) + 1)
					taken := r.half + string(r.Rest(b)[:n])
					r.Take(b, n)
					r.half = taken[strings.LastIndex("\n\n"+taken, "\n\n"):]
					if r.Whole() != (r.half == "") {
						t.Fatalf("whole: %t, with %q of an event", r.Whole(), r.half)
					}
				}
			})
		}
	}
	if seen.gaps == 0 || seen.cuts == 0 || seen.halves == 0 || seen.moves == 0 {
		t.Errorf("%+v: not all of it has been tried", seen)
	}
}

func TestAWalkTellsTheEnd(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		end  func(*Topic[string])
		want error
	}{
		{(*Topic[string]).Complete, io.EOF},
		{func(tp *Topic[string]) { tp.Fail(broken) }, broken},
		{func(tp *Topic[string]) { tp.Close() }, ErrClosed},
	} {
		engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
			topic := open(Config{})
			put(t, topic, "zero")
			settle()
			p, w := caughtUp(t, topic), topic.Feed().Walk(PolicyToOldest)
			if b, last, err := w.Pending(&p); !b.Empty() || !last || err != nil {
				t.Fatalf("%v, last: %t, %v before anything has come", b, last, err)
			}
			put(t, topic, "one")
			settle()
			if b, _, _ := w.Pending(&p); !b.Empty() {
				t.Error("what is remembered has changed without Refresh")
			}
			tt.end(topic)
			settle()
			w.Refresh()
			b, last, err := w.Pending(&p)
			if err != nil || b.Count != 1 || last {
				t.Fatalf("%d events, last: %t, %v; want one event before the end", b.Count, last, err)
			}
			p.Take(b, len(b.Frames))
			if _, _, err := w.Pending(&p); !errors.Is(err, tt.want) {
				t.Errorf("the end is %v, want %v", err, tt.want)
			}
		})
	}
}

// Refresh lets go of the window.
func TestAWalkHoldsNothingAfterRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{})
		put(t, topic, "zero")
		p, w := caughtUp(t, topic), topic.Feed().Walk(PolicyToOldest)
		put(t, topic, "one")
		if b, _, _ := w.Pending(&p); b.Count != 1 {
			t.Fatal("nothing is pending")
		}
		w.Refresh()
		if w.batch.Frames != nil || w.epoch != nil {
			t.Error("it does")
		}
	})
}

// Whoever watches is told of everything, and not much more often than there is
// something to tell.
func TestWatch(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		put(t, topic, "zero")
		settle()
		feed := topic.Feed()
		var calls atomic.Int32
		told := make(chan struct{}, 1)
		seen := uint64(0) // what a reader that goes by the calls has seen
		var work sync.WaitGroup
		work.Go(func() {
			feed.Watch(context.Background(), func() {
				calls.Add(1)
				select {
				case told <- struct{}{}:
				default:
				}
			})
			close(told)
		})
		p, w := caughtUp(t, topic), feed.Walk(PolicyToOldest)
		var end error
		work.Go(func() {
			for range told {
				for w.Refresh(); end == nil; {
					b, _, err := w.Pending(&p)
					switch {
					case errors.Is(err, ErrCut): // another life of the log
						p = Place{spot{epoch: feed.current.Load(), at: 1}}
						continue
					case err != nil:
						end = err
					}
					if err != nil || b.Empty() {
						break
					}
					seen += uint64(p.Take(b, len(b.Frames)))
				}
			}
		})
		appended := uint64(0)
		for i := range 50 {
			put(t, topic, fmt.Sprint(i))
			appended++
			if i%3 == 0 {
				settle()
				if seen != appended {
					t.Fatalf("%d events seen, want %d", seen, appended)
				}
			}
		}
		if log, ok := feed.log.(*fakeLog); ok {
			settle()
			log.recreate()
			put(t, topic, "new")
			appended++
			settle()
			time.Sleep(time.Minute)
			synctest.Wait()
			if seen != appended {
				t.Fatalf("%d events seen, want %d with that of the new log", seen, appended)
			}
		}
		settle()
		idle := calls.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls.Load() != idle || idle > int32(appended)+5 {
			t.Errorf("%d calls for %d events, and %d in an idle hour", idle, appended, calls.Load()-idle)
		}
		put(t, topic, "last")
		settle() // the end is told by itself
		topic.Complete()
		work.Wait()
		if seen != appended+1 || end != io.EOF {
			t.Errorf("%d events and %v at the end, want %d and EOF", seen, end, appended+1)
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		put(t, topic, "zero")
		settle()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { topic.Feed().Watch(ctx, func() {}); close(done) }()
		synctest.Wait()
		cancel()
		<-done
	})
	t.Run("a log that is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			topic := open(t, Config{})
			put(t, topic, "zero")
			feed := topic.Feed()
			calls := 0
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { feed.Watch(ctx, func() { calls++ }); close(done) }()
			synctest.Wait()
			feed.log.Close()
			time.Sleep(time.Hour)
			cancel()
			<-done
			if calls < 2 || calls > 3 {
				t.Errorf("%d calls, want one at first and one or two for the end of the log", calls)
			}
		})
	})
}
