package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

func TestPolicies(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		for _, tt := range []struct {
			policy Policy
			want   string
		}{
			{PolicyToOldest, "1, slow 1-4 missed 3, 5, 6, 7, EOF"},
			{PolicyToLatest, "1, slow 1-6 missed 5, 7, EOF"},
			{PolicyCut, "1, " + ErrCut.Error()},
		} {
			topic := open(Config{Events: 3})
			c := topic.Feed().Subscribe(Live(), tt.policy, Filter{})
			waitIdle()
			put(t, topic, "1")
			waitIdle()
			b, err := next(t, c)
			if err != nil {
				t.Fatal(err)
			}
			for i := 2; i <= 7; i++ {
				putNumbers(t, topic, i, i)
				waitIdle()
			}
			topic.Complete()
			check(t, tt.policy.String(), strings.Join(shortOf(t, b), "")+", "+read(t, c), tt.want)
			if tt.policy != PolicyCut {
				check(t, "read once more", read(t, c), "EOF")
				continue
			}
			check(t, "read once more", read(t, c), ErrCut.Error())
			if s := topic.Stats(); s.Cuts != 1 || s.Gaps != 0 {
				t.Errorf("Stats: %d cuts and %d gaps", s.Cuts, s.Gaps)
			}
			again := topic.Feed().Subscribe(After(c.Position().String()), PolicyCut, Filter{})
			check(t, "after the cut", read(t, again), "retention 1-4 missed 3, 5, 6, 7, EOF")
		}
	})
}

// A cursor never sees half an event, a hole or a double, whenever it begins and
// whatever is appended meanwhile.
func TestReplayThenLive(t *testing.T) {
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprint("hidden ", hide), func(t *testing.T) {
			const writers, each, readers = 4, 500, 16
			cfg := Config{Events: 10_000, Bytes: 16 << 20}
			if hide {
				m, err := eventlog.NewMemory(eventlog.MemoryConfig{})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				cfg.Log, cfg.Events = hidden{m}, 64 // older events come in pages
			}
			topic := open(t, cfg)
			put(t, topic, "-1", "-1", "-1")
			var cuts atomic.Uint64
			var writing, reading sync.WaitGroup
			for w := range writers {
				writing.Go(func() {
					for i := range each {
						put(t, topic, fmt.Sprint(w, " ", i, strings.Repeat(".", i%300)))
					}
				})
			}
			for r := range readers {
				start := Earliest()
				if r%4 == 1 {
					start = After("3")
				} else if r%4 == 2 {
					start = Latest(10)
				}
				reading.Go(func() {
					c := topic.Feed().Subscribe(start, PolicyCut, Filter{})
					from, last := uint64(0), uint64(0)
					var done [writers]int
					for last < 3+writers*each {
						b, err := c.Next(t.Context())
						if err == ErrCut && hide {
							cuts.Add(1)
							c = topic.Feed().Subscribe(After(c.Position().String()), PolicyCut, Filter{})
							continue
						}
						if err != nil || b.Gap != nil {
							t.Errorf("Next = %+v, %v", b.Gap, err)
							return
						}
						for _, ev := range decode(t, b.Frames) {
							pos, err := eventlog.ParsePos(ev.ID)
							if err != nil || from > 0 && pos.Seq != last+1 {
								t.Errorf("event %s (%v) came after %d", ev.ID, err, last)
								return
							}
							if last = pos.Seq; from == 0 {
								from = last
							}
							var w, i int
							fmt.Sscan(string(bytes.TrimRight(ev.Data, ".")), &w, &i)
							if w < 0 {
								continue
							}
							if i < done[w] || from == 1 && i != done[w] {
								t.Errorf("event %d of writer %d came after %d others", i, w, done[w])
							}
							done[w] = i + 1
						}
					}
					if r%4 == 0 && from != 1 || r%4 == 1 && from != 4 {
						t.Errorf("reader %d began with %d", r, from)
					}
				})
			}
			writing.Wait()
			reading.Wait()
			t.Log(cuts.Load(), "cursors were cut and came back")
		})
	}
}

// A batch that a reader holds does not change, even when all events of the window have
// been replaced twice. The next batch is one gap.
func TestBatchIsNotRewritten(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Events: 200, Bytes: 1 << 20})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		waitIdle()
		put(t, topic, "held "+strings.Repeat("x", 4000), "held "+strings.Repeat("y", 4000))
		waitIdle()
		b := must(next(t, c))
		copied := bytes.Clone(b.Frames)
		for c.Position().Seq < 2 {
			must(next(t, c))
		}
		last := c.Position().Seq
		for range 400 {
			put(t, topic, strings.Repeat("z", 4000))
			synctest.Wait() // the tail keeps up
		}
		waitIdle()
		if !bytes.Equal(b.Frames, copied) {
			t.Error("the bytes have changed")
		}
		first := topic.Stats().First
		gap, err := next(t, c)
		if err != nil || gap.Gap == nil || *gap.Gap.Missed != first-last-1 || gap.Gap.Reason != sse.GapSlow {
			t.Fatalf("after %v, with the oldest at %d: %+v, %v", last, first, gap.Gap, err)
		}
		for c.Position().Seq < 402 {
			if b, err = next(t, c); err != nil || b.Gap != nil {
				t.Fatalf("%+v, %v: one gap was enough", b.Gap, err)
			}
		}
	})
}

// Ten of 1,000 cursors never read. All others get each event at the instant at which it
// is published, Append takes no time, and memory stays within the bounds.
func TestStuckReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cursors, events, kept = 1000, 200, 50
		topic := open(t, Config{Events: kept, Bytes: 100 << 10})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wg sync.WaitGroup
		var stuck []*Cursor
		counts := make([]int, cursors)
		for i := range cursors {
			c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
			if i%100 == 0 {
				stuck = append(stuck, c)
				continue
			}
			wg.Go(func() {
				for {
					b, err := c.Next(ctx)
					if err == io.EOF {
						return
					}
					if err != nil || b.Gap != nil {
						t.Errorf("Next = %+v, %v", b.Gap, err)
						return
					}
					counts[i] += b.Count
					stamp := time.Now().Format(time.RFC3339Nano)
					if !bytes.Contains(b.Frames, []byte("data: "+stamp)) {
						t.Errorf("at %s there came %q", stamp, b.Frames)
						return
					}
				}
			})
		}
		for range events {
			synctest.Wait()
			before := time.Now()
			put(t, topic, before.Format(time.RFC3339Nano)+" "+strings.Repeat("x", 1000))
			if d := time.Since(before); d != 0 {
				t.Fatalf("Append took %v", d)
			}
			first, end := topic.Feed().current.Load().frames.Bounds()
			if end-first > kept {
				t.Fatalf("%d events are kept", end-first)
			}
			time.Sleep(time.Millisecond)
		}
		topic.Complete()
		wg.Wait()
		for i, n := range counts {
			if want := events; i%100 != 0 && n != want {
				t.Errorf("cursor %d got %d events, want %d", i, n, want)
			}
		}
		for _, c := range stuck {
			b, err := c.Next(ctx)
			if err != nil || b.Gap == nil || *b.Gap.Missed != events-kept {
				t.Errorf("a stuck cursor woke up to %+v, %v", b.Gap, err)
			}
		}
		if s := topic.Stats(); s.Gaps != cursors/100 || s.Missed != cursors/100*(events-kept) {
			t.Errorf("Stats: %d gaps, %d missed", s.Gaps, s.Missed)
		}
	})
}

// 10 MB go through a topic of 256 KiB while cursors hold batches: what is reachable stays
// within the bounds, plus one segment for each batch that is held.
func TestMemoryBounded(t *testing.T) {
	topic := open(t, Config{Bytes: 256 << 10})
	for range 1000 {
		topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
	}
	for range 10_000 {
		put(t, topic, strings.Repeat("x", 1000))
		size, c := 0, topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})
		if topic.Stats().Next%500 != 0 {
			continue
		}
		for {
			b, err := c.Poll()
			if err != nil {
				t.Fatal(err)
			}
			if size += len(b.Frames); b.Empty() {
				break
			}
		}
		if size > 256<<10 {
			t.Fatalf("%d bytes are kept", size)
		}
	}
}

func TestNextContext(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		reason := errors.New("the client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(reason) })
		start := time.Now()
		if b, err := c.Next(ctx); err != reason || !b.Empty() {
			t.Errorf("Next = %v, %v", b, err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("Next took %v", d)
		}
		put(t, topic, "1")
		if b, err := c.Next(ctx); err != reason || !b.Empty() {
			t.Errorf("Next with a cancelled context = %v, %v", b, err)
		}
		check(t, "with another context", read(t, c), "1")
	})
}

// A goroutine that polls several cursors can wait with one of them for all.
func TestPollAndWait(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		waitIdle()
		bell := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		if c.Replaying() {
			t.Error("a live cursor needs the log")
		}
		if b, err := c.Poll(); err != nil || !b.Empty() {
			t.Errorf("Poll = %v, %v; nothing is pending", b, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := bell.Wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("Wait = %v; nothing has come", err)
		}
		for _, data := range []string{"1", "2"} {
			go put(t, topic, data)
			if err := bell.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			bell.Poll()
			b, err := c.Poll()
			if err != nil {
				t.Fatal(err)
			}
			check(t, "Poll", strings.Join(shortOf(t, b), ", "), data)
		}
		time.AfterFunc(time.Minute, topic.Complete)
		if err := bell.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if b, err := c.Poll(); err != io.EOF || !b.Empty() {
				t.Errorf("Poll = %v, %v; want io.EOF", b, err)
			}
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Errorf("Wait at the end = %v", err)
		}
	})
}

// A large backlog comes in large batches, each of whole events.
func TestBatchesAreSegments(t *testing.T) {
	topic := open(t, Config{})
	for range 9_999 {
		put(t, topic, "x="+strings.Repeat("x", 100))
	}
	large := strings.Repeat("y", 500<<10)
	put(t, topic, large)
	topic.Complete()
	c := topic.Feed().Subscribe(Earliest(), PolicyToOldest, Filter{})
	batches, events := 0, 0
	for {
		b, err := c.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if cap(b.Frames) != len(b.Frames) {
			t.Error("a batch can be appended to")
		}
		batches++
		events += len(shortOf(t, b))
	}
	if events != 10_000 || batches > 40 {
		t.Errorf("%d events in %d batches", events, batches)
	}
}

func TestPositionStamps(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		pos := put(t, topic, "1", "2")
		// At once, when the window may not have the event yet: the id is not a future one.
		c := topic.Feed().Subscribe(After(pos.String()), PolicyToOldest, Filter{})
		if c.Position() != pos {
			t.Errorf("Position = %v, want %v", c.Position(), pos)
		}
		put(t, topic, "3")
		check(t, "after an append", read(t, c), "3")
	})
}
