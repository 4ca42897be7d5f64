package logtest

import (
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkEvents(t testing.TB, e Engine) {
	for _, limit := range []int{1, 2, 50} {
		log := open(t, e, Limits{Events: limit})
		for n := range 3*limit + 5 {
			last := fill(t, log, n, n+1, 100)
			kept := uint64(min(n+1, limit))
			if b := bounds(t, log); b.Last != last || b.Len() != kept {
				t.Fatalf("after %d events the bounds are %+v; want %d kept", n+1, b, kept)
			}
			events := readAll(t, log, eventlog.Pos{}, limit+1)
			if uint64(len(events)) != kept {
				t.Fatalf("after %d events %d can be read, want %d", n+1, len(events), kept)
			}
			for i, ev := range events {
				expect(t, ev, last.Seq+1-kept+uint64(i))
			}
		}
	}
}

func checkBytes(t testing.TB, e Engine) {
	const limit = 100_000
	log := open(t, e, Limits{Bytes: limit, MaxEvent: limit / 2})
	for n := range 600 {
		size := 500
		if n%100 == 99 {
			size = limit / 3
		}
		last := fill(t, log, n, n+1, size)
		kept, next := 0, uint64(0)
		for _, ev := range readAll(t, log, eventlog.Pos{}, 1000) {
			if next == 0 {
				next = ev.Seq
			}
			expect(t, ev, next)
			next++
			kept += len(ev.Block)
		}
		if kept > limit {
			t.Fatalf("after %d events blocks of %d bytes are kept, the limit is %d", n+1, kept, limit)
		}
		if next != last.Seq+1 {
			t.Fatalf("after %d events the newest that can be read is %d", n+1, next-1)
		}
		if b := bounds(t, log); b.First.Seq == 1 && (n+1)*500 > limit {
			t.Fatalf("after %d events nothing was dropped: %+v", n+1, b)
		}
	}
}

func checkAge(t testing.TB, e Engine) {
	age := time.Second
	log := open(t, e, Limits{Age: age, MessageIDWindow: age / 2})
	old := fill(t, log, 0, 10, 100)
	events := readAll(t, log, eventlog.Pos{}, 100)
	if !e.RealTime { // in real time they may be gone already
		if len(events) != 10 {
			t.Fatalf("%d events can be read, want 10", len(events))
		}
		time.Sleep(age / 2)
		fill(t, log, 10, 15, 100)
		time.Sleep(age/2 + 1)
		if b := bounds(t, log); b.First.Seq != 11 || b.First.Stamp == 0 || b.Last.Seq != 15 {
			t.Errorf("when ten of fifteen events are too old the bounds are %+v", b)
		}
		_, err := log.Read(t.Context(), eventlog.Pos{Seq: 3, Stamp: old.Stamp}, 10)
		purged(t, err, eventlog.Pos{Seq: 3, Stamp: old.Stamp}, 11)
	}
	last := bounds(t, log).Last
	e.eventually(t, age, "empty", func() bool { return bounds(t, log).Len() == 0 })
	if b := bounds(t, log); b != (eventlog.Bounds{First: eventlog.Pos{Seq: last.Seq + 1}, Last: last}) {
		t.Errorf("when all events are too old the bounds are %+v; want number %d without a stamp, and %v", b, last.Seq+1, last)
	}
	if events, err := log.Read(t.Context(), eventlog.Pos{}, 10); len(events) != 0 || err != nil {
		t.Errorf("Read when all events are too old = %v, %v", events, err)
	}
	if events, err := log.Read(t.Context(), last, 10); len(events) != 0 || err != nil {
		t.Errorf("Read after the last event when all are too old = %v, %v", events, err)
	}
	fill(t, log, int(last.Seq), int(last.Seq)+1, 100) // the next number, not 1
}

func checkPurged(t testing.TB, e Engine) {
	const limit, n = 10, 35
	log := open(t, e, Limits{Events: limit})
	fill(t, log, 0, 1, 10)
	stamp := readAll(t, log, eventlog.Pos{}, 1)[0].Stamp
	fill(t, log, 1, n, 10)
	const first = n - limit + 1
	for seq := range uint64(n) {
		after := eventlog.Pos{Seq: seq}
		if seq == 0 {
			after.Stamp = stamp // without it, it is the zero Pos
		}
		events, err := log.Read(t.Context(), after, n)
		if seq+1 < first {
			purged(t, err, after, first)
			continue
		}
		if err != nil || len(events) == 0 {
			t.Fatalf("Read(%v) with the oldest event at %d = %d events, %v", after, first, len(events), err)
		}
		for i, ev := range events {
			expect(t, ev, seq+1+uint64(i))
		}
	}
	events, err := log.Read(t.Context(), eventlog.Pos{}, n)
	if err != nil || len(events) == 0 {
		t.Fatalf("Read of the zero Pos = %d events, %v; want the oldest", len(events), err)
	}
	expect(t, events[0], first)
}

func checkTimes(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	before := time.Now()
	for n := range 50 {
		fill(t, log, n, n+1, 10)
		time.Sleep(time.Millisecond)
	}
	after := time.Now()
	var last time.Time
	for _, ev := range readAll(t, log, eventlog.Pos{}, 100) {
		if ev.Time.Before(last) {
			t.Fatalf("event %d is of %v, the one before of %v", ev.Seq, ev.Time, last)
		}
		last = ev.Time
		if !e.RealTime && (ev.Time.Before(before) || ev.Time.After(after)) {
			t.Fatalf("event %d is of %v, but was stored between %v and %v", ev.Seq, ev.Time, before, after)
		}
	}
}
