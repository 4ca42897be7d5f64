package logtest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkExpect(t testing.TB, e Engine) {
	log := open(t, e, Limits{Events: 3})
	last := uint64(0)
	for n := range 10 {
		for _, wrong := range []uint64{last + 1, last + 100, last - 1} {
			pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, n, 10), Expect: &wrong, MessageID: "refused"})
			if !errors.Is(err, eventlog.ErrConflict) || dup || pos != (eventlog.Pos{}) {
				t.Fatalf("Append expecting %d, where the last is %d, = %v, %t, %v; want ErrConflict", wrong, last, pos, dup, err)
			}
		}
		if b := bounds(t, log); b.Last.Seq != last {
			t.Fatalf("a refused record was stored: %+v", b)
		}
		pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, n, 10), Expect: &last})
		if err != nil || dup || pos.Seq != last+1 {
			t.Fatalf("Append expecting %d = %v, %t, %v; want number %d", last, pos, dup, err, last+1)
		}
		last = pos.Seq
	}
	// If a refused record had left its message id behind, this one would be a duplicate.
	if pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 10, 10), MessageID: "refused"}); dup || err != nil || pos.Seq != last+1 {
		t.Errorf("Append with the message id of a refused record = %v, %t, %v; want number %d, false, nil", pos, dup, err, last+1)
	}
}

func checkMessageIDBeforeExpect(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	r := eventlog.Record{Block: block(0, 0, 10), MessageID: "k", Expect: new(uint64(0))}
	first, _, err := log.Append(t.Context(), r)
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	if pos, dup, err := log.Append(t.Context(), r); pos != first || !dup || err != nil {
		t.Errorf("the same Append again = %v, %t, %v; want %v, true, nil", pos, dup, err, first)
	}
}

func checkExpectRace(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	const writers, rounds = 64, 10
	for round := range uint64(rounds) {
		var won atomic.Int32
		together(writers, func(i int) {
			pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(i, int(round), 10), Expect: &round})
			switch {
			case err == nil && !dup && pos.Seq == round+1:
				won.Add(1)
			case !errors.Is(err, eventlog.ErrConflict):
				t.Errorf("Append expecting %d = %v, %t, %v", round, pos, dup, err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d of %d appends that expect %d have won, want one", won.Load(), writers, round)
		}
		if b := bounds(t, log); b.Last.Seq != round+1 {
			t.Fatalf("after round %d the bounds are %+v", round, b)
		}
	}
}
