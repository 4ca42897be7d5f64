package logtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkEmpty(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	b := bounds(t, log)
	if b.First != (eventlog.Pos{Seq: 1}) || b.Last.Seq != 0 || b.Len() != 0 {
		t.Errorf("Bounds of an empty log = %+v; want 1 and 0 with any stamp", b)
	}
	// Last is a position to read on from, and to recognize the log by if it has a stamp.
	if events, err := log.Read(t.Context(), b.Last, 10); len(events) != 0 || err != nil {
		t.Errorf("Read(%v), where an empty log ends, = %v, %v; want no events, nil", b.Last, events, err)
	}
	defer func() {
		fill(t, log, 0, 1, 10)
		if events, err := log.Read(t.Context(), b.Last, 10); len(events) != 1 || err != nil {
			t.Errorf("Read(%v), where the log was empty, = %d events, %v; want 1, nil", b.Last, len(events), err)
		}
	}()
	if events, err := log.Read(t.Context(), eventlog.Pos{}, 10); len(events) != 0 || err != nil {
		t.Errorf("Read of an empty log = %v, %v; want no events, nil", events, err)
	}
}

func checkAppend(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	blocks := []string{
		"data: x\n\n",
		"data\n\n",
		": only a comment\n\n",
		"event: a\nretry: 5\ndata: id: 7\ndata:id\ndata: é\u2028 😀\n\n",
		"identity: unknown fields are not id fields\n\n",
		"data: " + strings.Repeat("long ", 40_000) + "\n\n",
	}
	var positions []eventlog.Pos
	for i, b := range blocks {
		pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: []byte(b)})
		if err != nil || dup || pos.Seq != uint64(i)+1 || pos.Stamp == 0 {
			t.Fatalf("Append = %v, %t, %v; want number %d and a stamp, false, nil", pos, dup, err, i+1)
		}
		positions = append(positions, pos)
	}
	events := readAll(t, log, eventlog.Pos{}, 100)
	if len(events) != len(blocks) {
		t.Fatalf("%d events came back, want %d", len(events), len(blocks))
	}
	for i, ev := range events {
		if ev.Pos != positions[i] || string(ev.Block) != blocks[i] || ev.Time.IsZero() {
			t.Errorf("event %v of %v came back, %.80q; want %v, %.80q", ev.Pos, ev.Time, ev.Block, positions[i], blocks[i])
		}
		if again, err := eventlog.ParsePos(ev.Pos.String()); again != ev.Pos || err != nil {
			t.Errorf("the position %v does not survive its text: %v, %v", ev.Pos, again, err)
		}
	}
}

func checkVisible(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	var last eventlog.Pos
	for n := range 200 {
		pos := fill(t, log, n, n+1, 50)
		if b := bounds(t, log); b.First.Seq != 1 || b.First.Stamp == 0 || b.Last != pos {
			t.Fatalf("Bounds after event %d = %+v", pos.Seq, b)
		}
		events, err := log.Read(t.Context(), last, 10)
		if len(events) != 1 || err != nil {
			t.Fatalf("Read(%v) after event %d = %d events, %v; want it alone", last, pos.Seq, len(events), err)
		}
		expect(t, events[0], pos.Seq)
		last = pos
	}
}

func checkBlockIsCopied(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	buf := make([]byte, 0, 100)
	for n := range 100 {
		buf = append(buf[:0], block(0, n, 100)...)
		if _, _, err := log.Append(t.Context(), eventlog.Record{Block: buf}); err != nil {
			t.Fatalf("Append = %v", err)
		}
		clear(buf)
	}
	for i, ev := range readAll(t, log, eventlog.Pos{}, 1000) {
		expect(t, ev, uint64(i)+1)
	}
}

func checkBlockStays(t testing.TB, e Engine) {
	const events = 50
	log := open(t, e, Limits{Events: events})
	fill(t, log, 0, events, 200)
	held := readAll(t, log, eventlog.Pos{}, events)
	copies := make([][]byte, len(held))
	for i, ev := range held {
		copies[i] = bytes.Clone(ev.Block)
	}
	fill(t, log, events, 4*events, 200)
	if b := bounds(t, log); b.First.Seq <= 2*events {
		t.Fatalf("the log has not turned over twice: %+v", b)
	}
	for i, ev := range held {
		if !bytes.Equal(ev.Block, copies[i]) {
			t.Fatalf("the block of event %d has become %q; it was %q", ev.Seq, ev.Block, copies[i])
		}
		expect(t, ev, uint64(i)+1)
	}
}

func checkBadRecords(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 1, 10)
	good := []byte("data: x\n\n")
	for _, r := range []eventlog.Record{
		{Block: nil},
		{Block: []byte("\n")},
		{Block: []byte("\n\n")},
		{Block: []byte("data: x")},
		{Block: []byte("data: x\n")},
		{Block: []byte("\ndata: x\n\n")},
		{Block: []byte("data: x\n\ndata: y\n\n")},
		{Block: []byte("data: x\n\n\n")},
		{Block: []byte("data: x\rid: 7\n\n")},
		{Block: []byte("id: 7\ndata: x\n\n")},
		{Block: []byte("data: x\nid: 7\n\n")},
		{Block: []byte("data: x\nidle\nid\n\n")},
		{Block: good, MessageID: "a\nb"},
		{Block: good, MessageID: "a\rb"},
		{Block: good, MessageID: "a\x00"},
	} {
		if pos, dup, err := log.Append(t.Context(), r); !errors.Is(err, eventlog.ErrBadRecord) || dup || pos != (eventlog.Pos{}) {
			t.Errorf("Append(%q, message id %q) = %v, %t, %v; want ErrBadRecord", r.Block, r.MessageID, pos, dup, err)
		}
	}
	if b := bounds(t, log); b.Last.Seq != 1 {
		t.Errorf("a bad record was stored: %+v", b)
	}
}

func checkTooLarge(t testing.TB, e Engine) {
	const limit = 1000
	log := open(t, e, Limits{MaxEvent: limit})
	full := fmt.Appendf(nil, "data: %s\n\n", bytes.Repeat([]byte{'x'}, limit-8))
	id := strings.Repeat("k", eventlog.MaxMessageID)
	if _, _, err := log.Append(t.Context(), eventlog.Record{Block: full, MessageID: id}); err != nil {
		t.Fatalf("Append of a block of %d bytes and a message id of %d = %v", len(full), len(id), err)
	}
	for what, r := range map[string]eventlog.Record{
		"block":      {Block: slices.Insert(slices.Clone(full), 6, 'y')},
		"message id": {Block: full, MessageID: id + "k"},
	} {
		_, _, err := log.Append(t.Context(), r)
		tooLarge, ok := errors.AsType[*eventlog.TooLargeError](err)
		if !ok || !errors.Is(err, eventlog.ErrTooLarge) || tooLarge.What != what || tooLarge.Size != tooLarge.Max+1 {
			t.Errorf("Append of a %s one byte over its limit = %#v; want a *TooLargeError with these numbers", what, err)
		}
	}
	if b := bounds(t, log); b.Last.Seq != 1 {
		t.Errorf("a record that is too large was stored: %+v", b)
	}
}
