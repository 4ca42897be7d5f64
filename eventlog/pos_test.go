package eventlog_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

var (
	_ encoding.TextAppender    = eventlog.Pos{}
	_ encoding.TextMarshaler   = eventlog.Pos{}
	_ encoding.TextUnmarshaler = (*eventlog.Pos)(nil)
)

func TestPosText(t *testing.T) {
	for text, want := range map[string]eventlog.Pos{
		"0":                            {},
		"1":                            {Seq: 1},
		"0.1":                          {Stamp: 1},
		"943203.1z141z3":               {Seq: 943203, Stamp: 4294967295},
		"7.a":                          {Seq: 7, Stamp: 10},
		"18446744073709551615.1z141z3": {Seq: math.MaxUint64, Stamp: math.MaxUint32},
	} {
		if got, err := eventlog.ParsePos(text); got != want || err != nil {
			t.Errorf("ParsePos(%q) = %+v, %v; want %+v", text, got, err, want)
		}
		if got := want.String(); got != text {
			t.Errorf("%+v has the text %q, want %q", want, got, text)
		}
		if got, err := want.AppendText([]byte("id: ")); string(got) != "id: "+text || err != nil {
			t.Errorf("AppendText of %+v = %q, %v", want, got, err)
		}
		b, err := json.Marshal(want)
		var got eventlog.Pos
		if err := errors.Join(err, json.Unmarshal(b, &got)); got != want || err != nil || string(b) != `"`+text+`"` {
			t.Errorf("%+v as JSON is %s, and comes back as %+v, %v", want, b, got, err)
		}
	}
}

func TestParsePosRefuses(t *testing.T) {
	for _, text := range []string{
		"", ".", "x", "1.", ".1", "1.0", "1.00a", "01", "01.a", "+1", "-1", "1.+a", "1.A", "1.a.b", " 1", "1 ", "1_0", "1.-",
		"18446744073709551616", "1.1z141z4", "1.zzzzzzz", "0x1", "1e3", "end", "1,a", "1.a\x00", "٣",
		strings.Repeat("9", 10_000),
	} {
		got, err := eventlog.ParsePos(text)
		if !errors.Is(err, eventlog.ErrBadPos) || got != (eventlog.Pos{}) {
			t.Errorf("ParsePos(%.40q) = %+v, %v; want ErrBadPos", text, got, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("ParsePos of %d bytes fails with %d bytes", len(text), len(err.Error()))
		}
		was := eventlog.Pos{Seq: 7, Stamp: 7}
		if err := was.UnmarshalText([]byte(text)); err == nil || was != (eventlog.Pos{Seq: 7, Stamp: 7}) {
			t.Errorf("UnmarshalText(%.40q) = %v, and leaves %+v", text, err, was)
		}
	}
}

// Each position has one text, and each text that is read is one.
func FuzzPos(f *testing.F) {
	for _, s := range []string{"", "0", "1.a", "943203.1z141z3", "18446744073709551615.1z141z3", "01.A", "1.0"} {
		f.Add(uint64(len(s)), uint32(len(s)), s)
	}
	f.Fuzz(func(t *testing.T, seq uint64, stamp uint32, s string) {
		p := eventlog.Pos{Seq: seq, Stamp: stamp}
		if got, err := eventlog.ParsePos(p.String()); got != p || err != nil {
			t.Errorf("ParsePos(%q) = %+v, %v; want %+v", p, got, err, p)
		}
		got, err := eventlog.ParsePos(s)
		switch {
		case err != nil && (!errors.Is(err, eventlog.ErrBadPos) || got != eventlog.Pos{}):
			t.Errorf("ParsePos(%q) = %+v, %v; want ErrBadPos", s, got, err)
		case err == nil && got.String() != s:
			t.Errorf("ParsePos(%q) = %+v, whose text is %q", s, got, got)
		}
	})
}
