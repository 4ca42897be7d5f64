package logtest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkMessageID(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	stored := map[string]eventlog.Pos{}
	for i, r := range []struct {
		id  string
		dup bool
	}{
		{"a", false}, {"b", false}, {"a", true}, {"", false}, {"", false}, {"b", true}, {"A", false}, {"a", true}, {"ключ 1", false}, {"ключ 1", true},
	} {
		before := bounds(t, log).Last.Seq
		pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, i, 10), MessageID: r.id})
		if err != nil || dup != r.dup {
			t.Fatalf("Append %d, message id %q = %v, %t, %v; want dup %t", i, r.id, pos, dup, err, r.dup)
		}
		want := before + 1
		if dup {
			want = stored[r.id].Seq
			if pos != stored[r.id] || bounds(t, log).Last.Seq != before {
				t.Errorf("Append %d, message id %q = %v; want %v and nothing stored", i, r.id, pos, stored[r.id])
			}
		}
		if pos.Seq != want {
			t.Errorf("Append %d, message id %q = %v; want number %d", i, r.id, pos, want)
		}
		stored[r.id] = pos
	}
}

func checkMessageIDOutlives(t testing.TB, e Engine) {
	log := open(t, e, Limits{Events: 5})
	first, _, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 0, 10), MessageID: "k"})
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	fill(t, log, 1, 20, 10)
	if b := bounds(t, log); b.First.Seq <= first.Seq {
		t.Fatalf("event 1 is still kept: %+v", b)
	}
	if pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 20, 10), MessageID: "k"}); pos != first || !dup || err != nil {
		t.Errorf("Append with the message id of a purged event = %v, %t, %v; want %v, true, nil", pos, dup, err, first)
	}
}

func checkMessageIDWindow(t testing.TB, e Engine) {
	window := 200 * time.Millisecond
	log := open(t, e, Limits{MessageIDWindow: window})
	record := eventlog.Record{Block: block(0, 0, 10), MessageID: "k"}
	if _, dup, err := log.Append(t.Context(), record); dup || err != nil {
		t.Fatalf("Append = %t, %v", dup, err)
	}
	if !e.RealTime {
		time.Sleep(window - 1)
		if pos, dup, err := log.Append(t.Context(), record); pos.Seq != 1 || !dup || err != nil {
			t.Errorf("Append within the window = %v, %t, %v; want 1, true, nil", pos, dup, err)
		}
		time.Sleep(2 * time.Nanosecond)
	}
	e.eventually(t, window, "forgotten", func() bool {
		pos, dup, err := log.Append(t.Context(), record)
		if err != nil || !dup && pos.Seq != 2 {
			t.Fatalf("Append after the window = %v, %t, %v; want number 2", pos, dup, err)
		}
		return !dup
	})
}

func checkMessageIDRace(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	const writers, rounds = 64, 5
	for round := range rounds {
		var stored atomic.Int32
		positions := make([]eventlog.Pos, writers)
		together(writers, func(i int) {
			r := eventlog.Record{Block: block(i, round, 10), MessageID: string(rune('a' + round))}
			for {
				pos, dup, err := log.Append(t.Context(), r)
				if errors.Is(err, eventlog.ErrUncertain) {
					continue // what the specification says to do
				}
				if err != nil {
					t.Errorf("Append = %v", err)
				}
				if !dup {
					stored.Add(1)
				}
				positions[i] = pos
				return
			}
		})
		if stored.Load() > 1 {
			t.Fatalf("%d appends with one message id say that they have stored", stored.Load())
		}
		for _, pos := range positions {
			if pos != positions[0] || pos.Seq != uint64(round)+1 {
				t.Fatalf("appends with one message id have the positions %v", positions)
			}
		}
	}
	if b := bounds(t, log); b.Last.Seq != rounds {
		t.Errorf("%d message ids stored %d events", rounds, b.Last.Seq)
	}
}
