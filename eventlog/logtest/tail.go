package logtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkTail(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 20, 50)
	seq := uint64(0)
	for ev, err := range log.Tail(t.Context(), eventlog.Pos{}) {
		if err != nil {
			t.Fatalf("the tail ended after %d events: %v", seq, err)
		}
		seq++
		expect(t, ev, seq)
		if seq == 60 {
			break
		}
		if seq >= 20 { // it is at the end: give it one event at a time
			fill(t, log, int(seq), int(seq)+1, 50)
		}
	}

	// A tail that waits while the events come.
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	got := make(chan eventlog.Event, 40)
	wg.Go(func() {
		defer close(got)
		for ev, err := range log.Tail(ctx, eventlog.Pos{Seq: 60}) {
			if err != nil {
				return
			}
			got <- ev
		}
	})
	for n := 60; n < 100; n++ {
		time.Sleep(time.Millisecond)
		fill(t, log, n, n+1, 50)
		expect(t, <-got, uint64(n)+1)
	}
}

func checkTailFromEverywhere(t testing.TB, e Engine) {
	const n = 50
	log := open(t, e, Limits{})
	fill(t, log, 0, n, 50)
	all := readAll(t, log, eventlog.Pos{}, n)
	if len(all) != n {
		t.Fatalf("%d events can be read, want %d", len(all), n)
	}
	for _, ev := range all[:n-1] {
		for _, after := range []eventlog.Pos{ev.Pos, {Seq: ev.Seq}} {
			events, err := collect(t.Context(), log, after, n-int(ev.Seq))
			if err != nil {
				t.Fatalf("the tail after %v ended: %v", after, err)
			}
			for i, got := range events {
				expect(t, got, ev.Seq+1+uint64(i))
			}
		}
	}
}

func checkTailAgain(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	tail := log.Tail(t.Context(), eventlog.Pos{})
	fill(t, log, 0, 10, 10)
	for round := range 3 {
		seq := uint64(0)
		for ev, err := range tail {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			seq++
			expect(t, ev, seq)
			if seq == 10 {
				break
			}
		}
	}
}

func checkTailLeft(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 10, 10)
	calls := 0
	log.Tail(t.Context(), eventlog.Pos{})(func(eventlog.Event, error) bool {
		calls++
		return calls < 3
	})
	if calls != 3 {
		t.Errorf("yield was called %d times, but said stop at the third", calls)
	}
}

// ending ranges over a tail that must not yield an event, and returns its only error.
func ending(t testing.TB, ctx context.Context, log eventlog.Log, after eventlog.Pos) (err error) {
	t.Helper()
	calls := 0
	for ev, e := range log.Tail(ctx, after) {
		if calls++; e == nil || ev.Block != nil || ev.Pos != (eventlog.Pos{}) || !ev.Time.IsZero() {
			t.Fatalf("the tail after %v yielded %v, %v; want no event, an error", after, ev.Pos, e)
		}
		err = e
	}
	if calls != 1 {
		t.Fatalf("the tail after %v yielded %d errors, want one", after, calls)
	}
	return err
}

func checkTailErrors(t testing.TB, e Engine) {
	log := open(t, e, Limits{Events: 5})
	last := fill(t, log, 0, 20, 10)
	old := eventlog.Pos{Seq: 3}
	purged(t, ending(t, t.Context(), log, old), old, 16)
	if err := ending(t, t.Context(), log, eventlog.Pos{Seq: last.Seq, Stamp: last.Stamp ^ 2}); !errors.Is(err, eventlog.ErrForeign) {
		t.Errorf("the tail after a foreign position ended with %v; want ErrForeign", err)
	}
	if !e.RealTime { // an engine that asks a store may take its time to be sure
		if err := ending(t, t.Context(), log, eventlog.Pos{Seq: 21}); !errors.Is(err, eventlog.ErrAhead) {
			t.Errorf("the tail after a position ahead ended with %v; want ErrAhead", err)
		}
	}
}

func checkTailOvertaken(t testing.TB, e Engine) {
	const limit = 10
	log := open(t, e, Limits{Events: limit})
	fill(t, log, 0, limit, 10)
	const n = 6000
	var last eventlog.Pos
	var ended error
	for ev, err := range log.Tail(t.Context(), eventlog.Pos{}) {
		if err != nil {
			ended = err
			continue // there must be no second one
		}
		if ended != nil {
			t.Fatalf("the tail yielded %v after its error", ev.Pos)
		}
		expect(t, ev, last.Seq+1) // no silent jump
		if last = ev.Pos; last.Seq == 1 {
			fill(t, log, limit, n, 10)
		}
		if last.Seq == n {
			break // an engine that had read them already may deliver them
		}
	}
	if last.Seq < n {
		purged(t, ended, last, n-limit+1)
	}
}

func checkTailsAndWriters(t testing.TB, e Engine) {
	const writers, each, tails = 3, 300, 4
	log := open(t, e, Limits{})
	logs := make([][]eventlog.Event, 2*tails)
	var wg sync.WaitGroup
	for i := range tails {
		wg.Go(func() {
			events, err := collect(t.Context(), log, eventlog.Pos{}, writers*each)
			if err != nil {
				t.Errorf("a tail ended after %d events: %v", len(events), err)
			}
			logs[i] = events
		})
	}
	var appended atomic.Int64
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if _, _, err := log.Append(t.Context(), eventlog.Record{Block: block(w, n, 60)}); err != nil {
					t.Errorf("Append = %v", err)
				}
				appended.Add(1)
			}
		})
	}
	for i := range tails { // late ones
		wg.Go(func() {
			after := eventlog.Pos{}
			for appended.Load() < int64(i*writers*each/tails) {
				time.Sleep(10 * time.Microsecond)
			}
			if b, err := log.Bounds(t.Context()); err == nil {
				after.Seq = b.Last.Seq / 2
			}
			events, err := collect(t.Context(), log, after, writers*each-int(after.Seq))
			if err != nil {
				t.Errorf("a tail ended after %d events: %v", len(events), err)
			}
			logs[tails+i] = events
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, events := range logs {
		for i, ev := range events {
			same := logs[0][int(ev.Seq)-1]
			if want := writers*each - len(events) + i + 1; int(ev.Seq) != want || ev.Pos != same.Pos || string(ev.Block) != string(same.Block) {
				t.Fatalf("a tail has %v, %q where another has %v, %q", ev.Pos, ev.Block, same.Pos, same.Block)
			}
		}
	}
	var next [writers]int
	for _, ev := range logs[0] {
		w, n, ok := whose(ev.Block)
		if !ok || n != next[w] {
			t.Fatalf("event %d is %q; of writer %d number %d was due", ev.Seq, ev.Block, w, next[w])
		}
		next[w]++
	}
}

func checkTailCancelled(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 5, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	wait := tailsAtEnd(t, ctx, log, 16, "a cancelled context", func(err error) bool { return err == errCause })
	cancel(errCause)
	wait()
	fill(t, log, 5, 6, 10) // the log still works
}
