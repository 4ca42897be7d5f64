package logtest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkKey(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	keys := map[string]eventlog.Pos{}
	for i, r := range []struct {
		key string
		dup bool
	}{
		{"a", false}, {"b", false}, {"a", true}, {"", false}, {"", false}, {"b", true}, {"A", false}, {"a", true}, {"ключ 1", false}, {"ключ 1", true},
	} {
		before := bounds(t, log).Last
		pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, i, 10), Key: r.key})
		if err != nil || dup != r.dup {
			t.Fatalf("Append %d, key %q = %v, %t, %v; want dup %t", i, r.key, pos, dup, err, r.dup)
		}
		want := before + 1
		if dup {
			want = keys[r.key].Seq
			if pos != keys[r.key] || bounds(t, log).Last != before {
				t.Errorf("Append %d, key %q = %v; want %v and nothing stored", i, r.key, pos, keys[r.key])
			}
		}
		if pos.Seq != want {
			t.Errorf("Append %d, key %q = %v; want number %d", i, r.key, pos, want)
		}
		keys[r.key] = pos
	}
}

func checkKeyOutlives(t testing.TB, e Engine) {
	log := open(t, e, Limits{Events: 5})
	first, _, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 0, 10), Key: "k"})
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	fill(t, log, 1, 20, 10)
	if b := bounds(t, log); b.First <= first.Seq {
		t.Fatalf("event 1 is still kept: %+v", b)
	}
	if pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 20, 10), Key: "k"}); pos != first || !dup || err != nil {
		t.Errorf("Append with the key of a purged event = %v, %t, %v; want %v, true, nil", pos, dup, err, first)
	}
}

func checkKeyWindow(t testing.TB, e Engine) {
	window := 200 * time.Millisecond
	log := open(t, e, Limits{KeyWindow: window})
	record := eventlog.Record{Block: block(0, 0, 10), Key: "k"}
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

func checkKeyRace(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	const writers, rounds = 64, 5
	for round := range rounds {
		var stored atomic.Int32
		positions := make([]eventlog.Pos, writers)
		together(writers, func(i int) {
			r := eventlog.Record{Block: block(i, round, 10), Key: string(rune('a' + round))}
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
			t.Fatalf("%d appends with one key say that they have stored", stored.Load())
		}
		for _, pos := range positions {
			if pos != positions[0] || pos.Seq != uint64(round)+1 {
				t.Fatalf("appends with one key have the positions %v", positions)
			}
		}
	}
	if b := bounds(t, log); b.Last != rounds {
		t.Errorf("%d keys stored %d events", rounds, b.Last)
	}
}
