package sse_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Three frames, the second with an empty line of data.
const threeFrames = "id: 1\ndata: one\n\n" + "id: 2\nevent: x\ndata:\n\n" + "data: 3\n\n"

func splitFrames(frames string) []string { return strings.SplitAfter(frames, "\n\n") }

func TestAppendIDLine(t *testing.T) {
	text := func(dst []byte) ([]byte, error) { return append(dst, "42.k3x"...), nil }
	if got, err := sse.AppendIDLine([]byte("before\n"), text); err != nil || string(got) != "before\nid: 42.k3x\n" {
		t.Errorf("AppendIDLine() = %q, %v; want the id line behind dst", got, err)
	}
	fails := func(dst []byte) ([]byte, error) { return append(dst, "half"...), io.ErrShortWrite }
	if got, err := sse.AppendIDLine([]byte("before\n"), fails); err != io.ErrShortWrite || string(got) != "before\n" {
		t.Errorf("AppendIDLine() = %q, %v; want dst as it was and the error of id", got, err)
	}
}

func TestCutIDLine(t *testing.T) {
	for _, tt := range []struct {
		frame, id, block string
		ok               bool
	}{
		{"id: 1.a\ndata: x\n\n", "1.a", "data: x\n\n", true},
		{"id: \ndata: x\n\n", "", "data: x\n\n", true},
		{"data: x\n\n", "", "data: x\n\n", false},
		{"id: 1", "", "id: 1", false},
		{"", "", "", false},
	} {
		id, block, ok := sse.CutIDLine([]byte(tt.frame))
		if string(id) != tt.id || string(block) != tt.block || ok != tt.ok {
			t.Errorf("CutIDLine(%q) = %q, %q, %v; want %q, %q, %v", tt.frame, id, block, ok, tt.id, tt.block, tt.ok)
		}
	}
}

func TestFrames(t *testing.T) {
	for _, frames := range []string{"", "data: x\n\n", threeFrames, threeFrames + "data: half", threeFrames + "\n"} {
		var got []string
		for frame := range sse.Frames([]byte(frames)) {
			got = append(got, string(frame))
		}
		want := splitFrames(frames)
		if last := len(want) - 1; want[last] == "" {
			want = want[:last]
		}
		if !slices.Equal(got, want) {
			t.Errorf("Frames(%q) = %q, want %q", frames, got, want)
		}
	}
}

func TestFramesCapacity(t *testing.T) {
	frames := []byte(threeFrames)
	for frame := range sse.Frames(frames) {
		_ = append(frame, "XXXX"...)
	}
	_ = append(sse.FirstFrames(frames, 1), "XXXX"...)
	if string(frames) != threeFrames {
		t.Errorf("append to a frame has changed the next one: %q", frames)
	}
}

func TestFrameEnd(t *testing.T) {
	at := 0
	for _, frame := range splitFrames(threeFrames) {
		end := at + len(frame)
		for ; at < end; at++ {
			if got := sse.FrameEnd([]byte(threeFrames), at); got != end {
				t.Errorf("FrameEnd(at %d) = %d, want %d", at, got, end)
			}
		}
	}
	if got := sse.FrameEnd([]byte("data: x\n\ndata: y\n"), 9); got != 17 {
		t.Errorf("FrameEnd(a frame that is not whole) = %d, want 17, the length", got)
	}
}

func TestFirstFrames(t *testing.T) {
	frames := splitFrames(threeFrames)
	for n := range 5 {
		want := strings.Join(frames[:min(n, 3)], "")
		if got := sse.FirstFrames([]byte(threeFrames), n); string(got) != want {
			t.Errorf("FirstFrames(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLastFrame(t *testing.T) {
	for frames, want := range map[string]string{threeFrames: "data: 3\n\n", "data: 3\n\n": "data: 3\n\n", "": ""} {
		if got := sse.LastFrame([]byte(frames)); string(got) != want {
			t.Errorf("LastFrame(%q) = %q, want %q", frames, got, want)
		}
	}
}

func TestWholeFrames(t *testing.T) {
	first := len(splitFrames(threeFrames)[0])
	second := first + len(splitFrames(threeFrames)[1])
	for _, tt := range []struct{ cut, n, end int }{
		{0, 0, 0},
		{first - 1, 0, 0},
		{first, 1, first},
		{second - 1, 1, first},
		{second, 2, second},
		{second + 1, 2, second},
		{len(threeFrames), 3, len(threeFrames)},
	} {
		if n, end := sse.WholeFrames([]byte(threeFrames[:tt.cut])); n != tt.n || end != tt.end {
			t.Errorf("WholeFrames(first %d bytes) = %d, %d; want %d, %d", tt.cut, n, end, tt.n, tt.end)
		}
	}
}

func TestParseFrame(t *testing.T) {
	for _, tt := range []struct{ frame, name, data string }{
		{"data: x\n\n", "", "x"},
		{"id: 1.a\nevent: tick\nretry: 5\n: comment\ndata: x\n\n", "tick", "x"},
		{"event:tick\ndata:x\n\n", "tick", "x"},
		{"event:  tick\ndata:  x\n\n", " tick", " x"},
		{"data: a\ndata: b\n\n", "", "a\nb"},
		{"data: a\ndata:\ndata: c\n\n", "", "a\n\nc"},
		{"data\ndata\n\n", "", "\n"},
		{"data:\n\n", "", ""},
		{"event: a\nevent: b\ndata: x\n\n", "b", "x"},
		{"database: x\neventful: y\ndata: z\n\n", "", "z"},
		{"event: a\n\n", "a", ""},
		{"", "", ""},
	} {
		buf := []byte("old contents of the buffer")
		name, data, scratch := sse.ParseFrame([]byte(tt.frame), buf)
		if string(name) != tt.name || string(data) != tt.data {
			t.Errorf("ParseFrame(%q) = %q, %q; want %q, %q", tt.frame, name, data, tt.name, tt.data)
		}
		if scratch == nil {
			t.Errorf("ParseFrame(%q) lost the buffer", tt.frame)
		}
		if got := sse.FrameName([]byte(tt.frame)); string(got) != tt.name {
			t.Errorf("FrameName(%q) = %q, want %q", tt.frame, got, tt.name)
		}
	}
}

func TestCheckBlock(t *testing.T) {
	for _, tt := range []struct {
		block  string
		offset int
		reason string
	}{
		{"", -1, "it does not end with a blank line"},
		{"data: x\n", -1, "it does not end with a blank line"},
		{"data: x\n\ndata: y", 8, "a blank line at byte 8, before its end"},
		{"data: x\n\ndata: y\n\n", 8, "a blank line at byte 8, before its end"},
		{"data: x\n\n\n", 8, "a blank line at byte 8, before its end"},
		{"\ndata: x\n\n", 0, "a blank line at byte 0, before any field"},
		{"\n\n", 0, "a blank line at byte 0, before any field"},
		{"data: x\rdata: y\n\n", 7, "CR at byte 7: lines must end with LF"},
		{"id: 7\ndata: x\n\n", 0, "an id line at byte 0: the log writes it"},
		{"id\ndata: x\n\n", 0, "an id line at byte 0: the log writes it"},
		{"data: idle\nidle: 1\nid\n\n", 19, "an id line at byte 19: the log writes it"},
	} {
		err := sse.CheckBlock([]byte(tt.block))
		e, ok := errors.AsType[*sse.BlockError](err)
		if !ok || e.Offset != tt.offset || e.Reason != tt.reason || e.Error() != "sse: block: "+tt.reason {
			t.Errorf("CheckBlock(%q) = %v, want offset %d, %q", tt.block, err, tt.offset, tt.reason)
		}
	}
	for _, block := range []string{"data: x\n\n", "idle: 1\ndata: id: 7\n\n", "event: a\ndata:\n\n"} {
		if err := sse.CheckBlock([]byte(block)); err != nil {
			t.Errorf("CheckBlock(%q) = %v, want nil", block, err)
		}
	}
}

func TestAllocsFrames(t *testing.T) {
	frames := []byte(threeFrames)
	lines := []byte("id: 1\nevent: x\ndata: a\ndata: b\ndata: c\n\n")
	buf := make([]byte, 0, 1024)
	pos := position{42}
	checkAllocs(t, "AppendIDLine", func() { buf, _ = sse.AppendIDLine(buf[:0], pos.AppendText) })
	checkAllocs(t, "CutIDLine", func() { sse.CutIDLine(frames) })
	checkAllocs(t, "Frames", func() {
		for range sse.Frames(frames) {
		}
	})
	checkAllocs(t, "FirstFrames, LastFrame, WholeFrames, FrameEnd", func() {
		sse.FirstFrames(frames, 2)
		sse.LastFrame(frames)
		sse.WholeFrames(frames)
		sse.FrameEnd(frames, 5)
	})
	checkAllocs(t, "FrameName", func() { sse.FrameName(lines) })
	checkAllocs(t, "ParseFrame", func() { _, _, buf = sse.ParseFrame(lines, buf) })
	checkAllocs(t, "CheckBlock", func() { sse.CheckBlock(lines[len("id: 1\n"):]) })
}

type position struct{ n byte }

func (p position) AppendText(dst []byte) ([]byte, error) { return append(dst, p.n), nil }

// FuzzFrame compares what the frame functions say about a block with what a client
// reads, and checks that frames are cut apart as they were put together.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"data: x\n\n", "event: a\ndata: b\ndata\n\n", "data: idle\nidle: 1\nid\n\n", ": c\nretry: 1\ndata:  \n\n", "\n\n", "data: x\n\ndata: y\n\n"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, block []byte, cut uint8) {
		sse.ParseFrame(block, nil) // whatever it is, it must not panic
		sse.FrameEnd(block, min(int(cut), len(block)))
		var all []byte
		for frame := range sse.Frames(block) {
			all = append(all, frame...)
		}
		if !bytes.Equal(all, block) {
			t.Fatalf("the frames of %q add up to %q", block, all)
		}
		if sse.CheckBlock(block) != nil {
			return
		}

		frame, _ := sse.AppendIDLine(nil, func(dst []byte) ([]byte, error) { return append(dst, "7.a"...), nil })
		frame = append(frame, block...)
		id, rest, ok := sse.CutIDLine(frame)
		if string(id) != "7.a" || !ok || !bytes.Equal(rest, block) {
			t.Fatalf("CutIDLine(%q) = %q, %q, %v", frame, id, rest, ok)
		}
		frames := slices.Concat(frame, frame, frame)
		if got := sse.FirstFrames(frames, 2); !bytes.Equal(got, frames[:2*len(frame)]) {
			t.Fatalf("FirstFrames(%q, 2) = %q", frames, got)
		}
		if got := sse.LastFrame(frames); !bytes.Equal(got, frame) {
			t.Fatalf("LastFrame(%q) = %q, want %q", frames, got, frame)
		}
		at := int(cut) % len(frames)
		if n, end := sse.WholeFrames(frames[:at]); n != at/len(frame) || end != n*len(frame) {
			t.Fatalf("WholeFrames(%d bytes of frames of %d) = %d, %d", at, len(frame), n, end)
		}
		if got, want := sse.FrameEnd(frames, at), (at/len(frame)+1)*len(frame); got != want {
			t.Fatalf("FrameEnd(%q, %d) = %d, want %d", frames, at, got, want)
		}

		d := sse.NewDecoder(bytes.NewReader(frame))
		d.MaxEventSize = 1 << 30
		ev, err := d.Decode()
		if err == io.EOF {
			return // no data, no event
		}
		name, data, _ := sse.ParseFrame(frame, nil)
		if got, want := strings.ToValidUTF8(string(name), ""), strings.ReplaceAll(ev.Event, "\uFFFD", ""); strings.ReplaceAll(got, "\uFFFD", "") != want {
			t.Fatalf("ParseFrame(%q): name %q, a client reads %q", frame, got, want)
		}
		if got, want := strings.ToValidUTF8(string(data), ""), strings.ReplaceAll(string(ev.Data), "\uFFFD", ""); strings.ReplaceAll(got, "\uFFFD", "") != want {
			t.Fatalf("ParseFrame(%q): data %q, a client reads %q", frame, got, want)
		}
	})
}
