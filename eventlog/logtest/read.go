package logtest

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkPages(t testing.TB, e Engine) {
	const n = 100
	log := open(t, e, Limits{})
	fill(t, log, 0, n, 60)
	all := readAll(t, log, eventlog.Pos{}, 7)
	if len(all) != n {
		t.Fatalf("pages of 7 have %d events in all, want %d", len(all), n)
	}
	for i, ev := range all {
		expect(t, ev, uint64(i)+1)
		for _, page := range []int{1, 13, math.MaxInt} {
			for _, after := range []eventlog.Pos{ev.Pos, {Seq: ev.Seq}} {
				events, err := log.Read(t.Context(), after, page)
				if err != nil || len(events) > page || len(events) == 0 && ev.Seq < n {
					t.Fatalf("Read(%v, %d) = %d events, %v", after, page, len(events), err)
				}
				for i, got := range events {
					expect(t, got, ev.Seq+1+uint64(i))
				}
			}
		}
	}
}

func checkMax(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 1, 10)
	for _, max := range []int{0, -1} {
		if events, err := log.Read(t.Context(), eventlog.Pos{}, max); err == nil {
			t.Errorf("Read with max %d = %v, nil; want an error", max, events)
		}
	}
}

func checkAhead(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	if _, err := log.Read(t.Context(), eventlog.Pos{Seq: 1}, 10); !errors.Is(err, eventlog.ErrAhead) {
		t.Errorf("Read(1) of an empty log = %v; want ErrAhead", err)
	}
	last := fill(t, log, 0, 5, 10)
	for _, seq := range []uint64{6, 7, 1000, math.MaxUint64} {
		for _, stamp := range []uint32{0, last.Stamp} {
			after := eventlog.Pos{Seq: seq, Stamp: stamp}
			if events, err := log.Read(t.Context(), after, 10); !errors.Is(err, eventlog.ErrAhead) {
				t.Errorf("Read(%v) with the last event at 5 = %v, %v; want ErrAhead", after, events, err)
			}
		}
	}
	if events, err := log.Read(t.Context(), last, 10); len(events) != 0 || err != nil {
		t.Errorf("Read after the last event = %v, %v; want no events, nil", events, err)
	}
}

func checkForeign(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 5, 10)
	for _, ev := range readAll(t, log, eventlog.Pos{}, 10) {
		after := eventlog.Pos{Seq: ev.Seq, Stamp: ev.Stamp + 1}
		if after.Stamp == 0 {
			after.Stamp++
		}
		if events, err := log.Read(t.Context(), after, 10); !errors.Is(err, eventlog.ErrForeign) {
			t.Errorf("Read(%v), where the event is %v, = %v, %v; want ErrForeign", after, ev.Pos, events, err)
		}
	}
}

func checkIncarnations(t testing.TB, e Engine) {
	one := fill(t, open(t, e, Limits{}), 0, 5, 10)
	time.Sleep(2 * time.Millisecond) // for stamps that are milliseconds
	log := open(t, e, Limits{})
	other := fill(t, log, 0, 5, 10)
	if one.Stamp == other.Stamp {
		t.Errorf("event 5 has the stamp of %v in two logs", one)
	}
	if _, err := log.Read(t.Context(), one, 10); !errors.Is(err, eventlog.ErrForeign) {
		t.Errorf("Read(%v) of another log = %v; want ErrForeign", one, err)
	}
}
