package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, wire, want string }{
		{"id, name and data are one line", "id: 7\nevent: tick\ndata: a b\n\n", "7 tick a b\n"},
		{"an event without id and name has a dash and the name of browsers", "data: x\n\n", "- message x\n"},
		{"an event without data ends after its name", "id: 7\ndata:\n\n", "7 message\n"},
		{"data of several lines is indented below", "id: 7\ndata: a\ndata:\ndata:  b\n\n", "7 message\n    a\n    \n     b\n"},
		{"a tab and a backslash stay", "data: a\tb\\n\n\n", "- message a\tb\\n\n"},
		{"what is no ASCII stays", "data: größer 漢字 👩‍🚀 नमस्ते\n\n", "- message größer 漢字 👩‍🚀 नमस्ते\n"},
		{"a name of several words is quoted", "event: a b\ndata: x\n\n", "- \"a b\" x\n"},
		{"a dash as an id is told from none", "id: -\ndata: x\n\n", "\"-\" message x\n"},
		{"an id cannot look like an indented line", "id:      x\ndata: y\n\n", "\"     x\" message y\n"},

		{"a terminal is not cleared", "data: \x1b[2Jgone\n\n", "- message \\x1b[2Jgone\n"},
		{"its title is not set", "data: \x1b]0;owned\x07\n\n", "- message \\x1b]0;owned\\a\n"},
		{"nor by the one-byte forms", "data: \u009b2J\u009d0;owned\u009c\n\n", "- message \\u009b2J\\u009d0;owned\\u009c\n"},
		{"nothing is overwritten", "data: a\bb\x7f\x00\v\f\n\n", "- message a\\bb\\x7f\\x00\\v\\f\n"},
		{"nothing is reordered", "data: \u202eabc\u2066\n\n", "- message \\u202eabc\\u2066\n"},
		{"nothing is hidden", "data: a\u200bb\u2028c\U000e0041\n\n", "- message a\\u200bb\\u2028c\\U000e0041\n"},
		{"in each line of several", "data: a\ndata: \x1b[A\n\n", "- message\n    a\n    \\x1b[A\n"},
		{"in an id", "id: \x1b[2J\ndata: x\n\n", "\"\\x1b[2J\" message x\n"},
		{"in a name", "event: \u009b2J\ndata: x\n\n", "- \"\\u009b2J\" x\n"},
		{"bytes that are not UTF-8 are replaced", "data: \x9b2J\n\n", "- message \ufffd2J\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, sends(tt.wire+complete), "tail", base)
			if r.code != 0 || r.stdout != tt.want {
				t.Errorf("tail of %q prints %q, exit code %d; want %q, 0", tt.wire, r.stdout, r.code, tt.want)
			}
		})
	}
}

func TestJSONLines(t *testing.T) {
	for _, tt := range []struct{ name, wire, want string }{
		{"text is a string", "id: 7\nevent: tick\ndata: a \"b\"\n\n", `{"id":"7","event":"tick","data":"a \"b\""}`},
		{"what is not there is left out", "data: x\n\n", `{"data":"x"}`},
		{"an object stands as it is", "data: {\"n\":1.0,\"n\":12345678901234567890,\"s\":\"<&>\"}\n\n", `{"data":{"n":1.0,"n":12345678901234567890,"s":"<&>"}}`},
		{"an array does", "data: [1,[2]]\n\n", `{"data":[1,[2]]}`},
		{"over several lines, too", "data: {\ndata:   \"a\": [1,\ndata: 2]}\n\n", `{"data":{"a":[1,2]}}`},
		{"a number is a string", "data: 1\n\n", `{"data":"1"}`},
		{"so are a string, true and null", "data: \"x\"\n\ndata: true\n\ndata: null\n\n", `{"data":"\"x\""}` + "\n" + `{"data":"true"}` + "\n" + `{"data":"null"}`},
		{"so is what only begins like an object", "data: {\"a\":1\n\ndata: [1] 2\n\n", `{"data":"{\"a\":1"}` + "\n" + `{"data":"[1] 2"}`},
		{"several lines of text are one string", "data: a\ndata: b\n\n", `{"data":"a\nb"}`},
		{"no data is an empty string", "data\n\n", `{"data":""}`},
		{"angle brackets stay", "data: <b>&\n\n", `{"data":"<b>&"}`},
		{"a terminal finds nothing to act on", "id: \x1b\ndata: \x1b[2J\u009b\x7f\u202e\U000e0041\n\n", `{"id":"\u001b","data":"\u001b[2J\u009b\u007f\u202e\udb40\udc41"}`},
		{"nor in an object", "data: {\"\u009b\":\"\x7f\u202e\U000e0041\"}\n\n", `{"data":{"\u009b":"\u007f\u202e\udb40\udc41"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, sends(tt.wire+complete), "tail", "-o", "ndjson", base)
			if r.code != 0 || r.stdout != tt.want+"\n" {
				t.Errorf("tail of %q prints\n%sexit code %d; want\n%s", tt.wire, r.stdout, r.code, tt.want)
			}
		})
	}
}

// Whatever an event holds, its line of JSON is one line and reads back, and
// neither form has a character that a terminal might act on.
func FuzzPrint(f *testing.F) {
	f.Add("1", "tick", "text")
	f.Add("\x1b", "\u202e", "{\"a\":\"\u009b\x7f\"}")
	f.Add("", "", "[1, 2]\n")
	f.Add("-", " ", "a\nb\xff")
	f.Add("\x00", "\"", "[\"\U000e0041\u2028\\u202e\"]")
	f.Fuzz(func(t *testing.T, id, event, data string) {
		for _, s := range []*string{&id, &event, &data} {
			*s = strings.ToValidUTF8(*s, "\uFFFD") // as the decoder returns it
		}
		ev := sse.ServerSentEvent[string]{ID: id, Event: event, Data: data}

		text := readable(ev)
		lines := 1
		if n := strings.Count(data, "\n"); n > 0 {
			lines += n + 1
		}
		if got := strings.Count(text, "\n"); got != lines {
			t.Errorf("readable(%+q) = %+q: %d lines, want %d", ev, text, got, lines)
		}
		p := printer{json: true}
		line := p.jsonLine(ev)
		for _, out := range []string{text, string(line)} {
			if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && acts(r) }) {
				t.Errorf("of %+q a terminal gets %+q", ev, out)
			}
		}
		if strings.Index(string(line), "\n") != len(line)-1 {
			t.Errorf("jsonLine(%+q) = %q, want one line", ev, line)
		}
		var back struct {
			ID, Event string
			Data      json.RawMessage
		}
		if err := json.Unmarshal(line, &back); err != nil || back.ID != id || back.Event != event {
			t.Fatalf("jsonLine(%+q) = %s, reads back as %+v, %v", ev, line, back, err)
		}
		if back.Data[0] == '"' {
			var s string
			if err := json.Unmarshal(back.Data, &s); err != nil || s != data {
				t.Errorf("jsonLine(%+q): the data reads back as %+q, %v", ev, s, err)
			}
			return
		}
		var got, want any
		if err := json.Unmarshal(back.Data, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(data), &want); err != nil {
			t.Fatalf("jsonLine(%+q) = %s: the data was not JSON", ev, line)
		}
		gotText, _ := json.Marshal(got)
		wantText, _ := json.Marshal(want)
		if string(gotText) != string(wantText) {
			t.Errorf("jsonLine(%+q): the data reads back as %s, want %s", ev, gotText, wantText)
		}
	})
}
