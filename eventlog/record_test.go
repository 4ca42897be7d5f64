package eventlog_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

func TestRecordCheck(t *testing.T) {
	for _, tt := range []struct{ block, id, want string }{
		{"", "", "block: it does not end with a blank line"},
		{"data: x\n", "", "block: it does not end with a blank line"},
		{"\n\n", "", "block: a blank line at byte 0"},
		{"data: x\n\ndata: y\n\n", "", "block: a blank line at byte 8"},
		{"data: x\rdata: y\n\n", "", "block: CR at byte 7"},
		{"id: 7\ndata: x\n\n", "", "block: an id line at byte 0"},
		{"data: idle\nidle: 1\nid\n\n", "", "block: an id line at byte 19"},
		{"data: x\n\n", "a\nb", `message id: '\n' at byte 1`},
		{"data: " + strings.Repeat("x", 93) + "\n\n", "", "the block has 101 bytes, at most 100"},
		{"data: x\n\n", strings.Repeat("k", 1025), "the message id has 1025 bytes, at most 1024"},
	} {
		r := eventlog.Record{Block: []byte(tt.block), MessageID: tt.id}
		err := r.Check(100)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "eventlog: append: ") {
			t.Errorf("Check(%q, %.10q) = %v; want %q", tt.block, tt.id, err, tt.want)
		}
	}
}

// With an id line in front, a block that passes Check is exactly one event with that id
// for any reader of event streams, or no event. Whatever the encoder writes for an event
// without an ID passes.
func FuzzRecordCheck(f *testing.F) {
	for _, s := range []string{"data: x\n\n", "id: 1\n\n", "\n\n", "data: x\n\nid\n\n", ": c\n\n", "a\rid: 2\n\n", "data\nid\x00\n\n", "\ufeffid: 1\ndata: x\n\n"} {
		f.Add([]byte(s), s)
	}
	f.Fuzz(func(t *testing.T, block []byte, data string) {
		r := eventlog.Record{Block: block}
		if err := r.Check(1 << 20); err == nil {
			d := sse.NewDecoder(bytes.NewReader(append([]byte("id: 7.a\n"), block...)))
			events := 0
			for {
				ev, err := d.Decode()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%q: %v", block, err)
				}
				if events++; ev.LastEventID != "7.a" {
					t.Errorf("%q makes an event with the id %q", block, ev.LastEventID)
				}
			}
			if events > 1 {
				t.Errorf("%q makes %d events", block, events)
			}
			if id := d.LastEventID(); id != "7.a" {
				t.Errorf("%q makes the last event id %q", block, id)
			}
		} else if !errors.Is(err, eventlog.ErrBadRecord) {
			t.Errorf("Check(%q) = %v", block, err)
		}
		if b, err := sse.Append(nil, sse.ServerSentEvent[string]{Data: data}); err == nil {
			r = eventlog.Record{Block: b}
			if err := r.Check(1 << 20); err != nil {
				t.Errorf("Check of the encoder's %q = %v", b, err)
			}
		}
	})
}
