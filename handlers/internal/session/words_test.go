package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

func TestWordsLast(t *testing.T) {
	stream, single, typed, plain, silent := stream, single, typed, plain, silent
	typedSingle := format(Words{Lines: true, Typed: true})
	tests := []struct {
		name   string
		words  *Words
		reason Reason
		taken  bool
		want   string
		ok     bool
	}{
		{"complete", &stream, Complete, false, complete, true},
		{"complete, all taken", &stream, Complete, true, nothing, true},
		{"complete, of one request", &single, Complete, false, nothing, true},
		{"error", &stream, Error, false, failure, true},
		{"max-age", &stream, MaxAge, false, byeAge, true},
		{"shutdown", &stream, Shutdown, false, byeDrained, true},
		{"grant", &stream, Grant, false, byeGrant, true},
		{"slow", &stream, Slow, false, byeSlow, true},

		{"complete line", &typed, Complete, false, lineComplete, true},
		{"complete line, all taken", &typed, Complete, true, `{"id":"end","event":"stream.complete","data":{}}` + "\n", true},
		{"complete line, of one request", &typedSingle, Complete, false, `{"id":"end","event":"stream.complete","data":{}}` + "\n", true},
		{"error line", &typed, Error, false, lineFailure, true},
		{"max-age line", &typed, MaxAge, false, lineAge, true},
		{"shutdown line", &typed, Shutdown, false, lineDrained, true},
		{"grant line", &typed, Grant, false, lineGrant, true},
		{"slow line", &typed, Slow, false, lineSlow, true},

		{"lines without types: complete", &plain, Complete, false, "", true},
		{"lines without types: complete, all taken", &plain, Complete, true, "", true},
		{"lines without types: error", &plain, Error, false, "", false},
		{"lines without types: max-age", &plain, MaxAge, false, "", false},
		{"lines without types: shutdown", &plain, Shutdown, false, "", false},
		{"lines without types: grant", &plain, Grant, false, "", false},
		{"lines without types: slow", &plain, Slow, false, "", false},

		{"array: complete", &silent, Complete, false, "", true},
		{"array: error", &silent, Error, false, "", true},
		{"array: shutdown", &silent, Shutdown, false, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.words.Last([]byte("before;"), tt.reason, problem, tt.taken)
			if string(got) != "before;"+tt.want || ok != tt.ok {
				t.Errorf("Last(%v) = %q, %t; want %q, %t", tt.reason, got, ok, "before;"+tt.want, tt.ok)
			}
		})
	}
}

func TestWordsOpen(t *testing.T) {
	stream, typed := stream, typed
	tests := []struct {
		name  string
		words *Words
		spot  reading.Spot
		want  string
	}{
		{"a stream", &stream, reading.Spot{}, opening},
		{"a stream whose position is known", &stream, reading.Spot{At: 43, Stamp: 36}, opening + "id: 42.10\n\n"},
		{"lines", &typed, reading.Spot{At: 43, Stamp: 36}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.words.Open([]byte("before;"), streamName, tt.spot)); got != "before;"+tt.want {
				t.Errorf("Open(%v) = %q; want %q", tt.spot, got, "before;"+tt.want)
			}
		})
	}
}

func TestWordsGap(t *testing.T) {
	stream, typed := stream, typed
	missed := uint64(7)
	gap := &sse.Gap{Reason: sse.GapSlow, From: "1.a", To: "8.b", Missed: &missed, ID: "8.b"}
	data := `{"reason":"slow","from":"1.a","to":"8.b","missed":7}`
	for words, want := range map[*Words]string{
		&stream: "id: 8.b\nevent: stream.gap\ndata: " + data + "\n\n",
		&typed:  `{"id":"8.b","event":"stream.gap","data":` + data + "}\n",
	} {
		if got := string(words.Gap([]byte("before;"), gap)); got != "before;"+want {
			t.Errorf("Gap = %q; want %q", got, "before;"+want)
		}
	}
}

func TestWordsLines(t *testing.T) {
	tests := []struct {
		name   string
		text   Text
		frames string
		want   string
	}{
		{"JSON", TextNever, "id: 1.a\nevent: x\ndata: {\"a\":1}\n\n", `{"id":"1.a","event":"x","data":{"a":1}}` + "\n"},
		{"without an id", TextNever, "event: x\ndata: 1\n\n", `{"event":"x","data":1}` + "\n"},
		{"without a name", TextNever, "id: 1.a\ndata: 1\n\n", `{"id":"1.a","data":1}` + "\n"},
		{"several", TextNever, "data: 1\n\ndata: 2\n\n", `{"data":1}` + "\n" + `{"data":2}` + "\n"},
		{"JSON on several lines", TextNever, "data: {\"a\":\ndata:  1}\n\n", `{"data":{"a":1}}` + "\n"},
		{"what is not JSON on several lines", TextNever, "data: {\"a\":\ndata: x\n\n", `{"data":"{\"a\":\nx"}` + "\n"},
		{"text", TextAlways, "data: a \"b\"\ndata: \\c\n\n", `{"data":"a \"b\"\n\\c"}` + "\n"},
		{"text that looks like JSON", TextAlways, "data: {}\n\n", `{"data":"{}"}` + "\n"},
		{"text by its looks", TextSniffed, "data: hello\n\n", `{"data":"hello"}` + "\n"},
		{"a number is text by its looks", TextSniffed, "data: 1\n\n", `{"data":"1"}` + "\n"},
		{"an object by its looks", TextSniffed, "data:  {\"a\":1}\n\n", `{"data": {"a":1}}` + "\n"},
		{"an array by its looks", TextSniffed, "data: [1]\n\n", `{"data":[1]}` + "\n"},
		{"an array by its looks on several lines", TextSniffed, "data: [1,\ndata: 2]\n\n", `{"data":[1,2]}` + "\n"},
		{"text that begins like an object", TextSniffed, "data: {a\n\n", `{"data":"{a"}` + "\n"},
		{"no text", TextSniffed, "data: \n\n", `{"data":""}` + "\n"},
		{"data of several lines twice", TextAlways, "data: a\ndata: b\n\ndata: c\ndata: d\n\n", `{"data":"a\nb"}` + "\n" + `{"data":"c\nd"}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := format(Words{Lines: true, Typed: true, Text: tt.text})
			got := string(w.lines([]byte("before;"), []byte(tt.frames)))
			if got != "before;"+tt.want {
				t.Errorf("lines(%q) = %q; want %q", tt.frames, got, "before;"+tt.want)
			}
			for l := range strings.Lines(strings.TrimPrefix(got, "before;")) {
				if !json.Valid([]byte(l)) {
					t.Errorf("%q is not JSON", l)
				}
			}
		})
	}
}

func TestAppendString(t *testing.T) {
	var all strings.Builder
	for c := range rune(0x300) {
		all.WriteRune(c)
	}
	all.WriteString("</script>&\u2028")
	got := AppendString([]byte("before;"), all.String())
	var back string
	if err := json.Unmarshal(bytes.TrimPrefix(got, []byte("before;")), &back); err != nil || back != all.String() {
		t.Errorf("AppendString = %q, which is read back as %q, %v", got, back, err)
	}
	for _, tt := range []struct{ in, want string }{
		{"", `""`}, {"a\tb\rc\nd", `"a\tb\rc\nd"`}, {"\x00\x1f", `"\u0000\u001f"`}, {"<&>", `"<&>"`}, {`"\`, `"\"\\"`},
	} {
		if got := string(AppendString(nil, tt.in)); got != tt.want {
			t.Errorf("AppendString(%q) = %s; want %s", tt.in, got, tt.want)
		}
	}
}

// unfinishedSlow counts the ends of events behind the first n bytes, one by one.
func unfinishedSlow(ends []int, n int) (left int) {
	for _, end := range ends {
		if end > n {
			left++
		}
	}
	return left
}

func TestUnfinished(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	formats := map[string]Words{"frames": stream, "lines": typed}
	for name, w := range formats {
		t.Run(name, func(t *testing.T) {
			for range 500 {
				var b []byte
				var ends []int
				if rnd.IntN(2) == 0 { // bytes in which no event ends may come first
					b = append(b, opening...)
				}
				for range rnd.IntN(6) {
					text := fmt.Sprint(rnd.IntN(2000))
					if w.Lines {
						b = append(b, line(text)...)
					} else {
						b = append(b, strings.Repeat("data: "+text+"\n", 1+rnd.IntN(3))+"\n"...)
					}
					ends = append(ends, len(b))
				}
				for n := range b {
					if got, want := w.unfinished(b, n, len(ends)), unfinishedSlow(ends, n); got != want {
						t.Fatalf("unfinished(%q, %d, %d) = %d; want %d", b, n, len(ends), got, want)
					}
				}
			}
		})
	}
}

func TestReasonString(t *testing.T) {
	want := map[Reason]string{
		Going: "going", Complete: "complete", Error: "error", Left: "left", Stalled: "stalled",
		MaxAge: "max-age", Shutdown: "shutdown", Grant: "grant", Slow: "slow", Reasons: "unknown",
	}
	for r, s := range want {
		if r.String() != s {
			t.Errorf("Reason(%d) = %q; want %q", r, r, s)
		}
	}
	for s, want := range map[State]string{Opening: "opening", Live: "live", Leaving: "leaving", Ended: "ended"} {
		if s.String() != want {
			t.Errorf("State(%d) = %q; want %q", s, s, want)
		}
	}
}
