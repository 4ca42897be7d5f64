package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// streamCases is the number of cases about the bytes of a stream in the shared file.
const streamCases = 109

// A streamVector is one case of kind stream. Texts are given as they are, or by
// length and hash.
type streamVector struct {
	Name, Kind string
	Input      []byte `json:"input_b64"`
	InputParts []struct {
		B64   []byte
		Times int
	} `json:"input_parts"`
	Chunkings []string
	Live      []struct {
		AfterBytes int `json:"after_bytes"`
		Events     int
	}
	Expect struct {
		Events      any
		LastEventID string   `json:"last_event_id"`
		Retry       *float64 `json:"reconnection_time_ms"`
		Comments    []any
	}
}

func streamVectors(t *testing.T) []streamVector {
	raw, err := os.ReadFile("../sse/testdata/conformance.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []streamVector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(file.Vectors, func(v streamVector) bool { return v.Kind != "stream" })
	if len(all) != streamCases {
		t.Fatalf("the file holds %d cases, want %d", len(all), streamCases)
	}
	for i, v := range all {
		for _, p := range v.InputParts {
			all[i].Input = append(all[i].Input, bytes.Repeat(p.B64, p.Times)...)
		}
	}
	return all
}

// sameText reports whether got is want, or has its length and hash.
func sameText(got string, want any) bool {
	if long, ok := want.(map[string]any); ok {
		return long["len_utf8"] == float64(len(got)) && long["sha256"] == fmt.Sprintf("%x", sha256.Sum256([]byte(got)))
	}
	return got == want
}

func sameEvents(got [][3]string, want any) bool {
	if many, ok := want.(map[string]any); ok {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(got); err != nil {
			return false
		}
		return many["count"] == float64(len(got)) && many["sha256_of_json"] == fmt.Sprintf("%x", sha256.Sum256(bytes.TrimSpace(b.Bytes())))
	}
	return slices.EqualFunc(got, want.([]any), func(got [3]string, want any) bool {
		w := want.(map[string]any)
		return sameText(got[0], w["type"]) && sameText(got[1], w["data"]) && sameText(got[2], w["lastEventId"])
	})
}

// TestStreamConformance serves the bytes of every case, cut as the case says, and ends.
// It checks what the client makes of them: the events, the comments, the Last-Event-ID of
// its next request, and the time of that request.
func TestStreamConformance(t *testing.T) {
	for _, v := range streamVectors(t) {
		for _, chunking := range v.Chunkings {
			size := len(v.Input)
			if n, err := strconv.Atoi(chunking); err == nil {
				size = n
			}
			var parts []any
			for part := range slices.Chunk(v.Input, max(size, 1)) {
				parts = append(parts, string(part))
			}
			t.Run(v.Name+"/"+chunking, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkStream(t, v, last(parts...)) })
			})
		}
		for _, live := range v.Live {
			t.Run(fmt.Sprintf("%s/live/%d", v.Name, live.AfterBytes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(t, open(string(v.Input[:live.AfterBytes])))
					got := 0
					sub := Subscribe(t.Context(), host, func(sse.ServerSentEvent[string]) { got++ }, nil, nil, HTTPClient(s.HTTP))
					synctest.Wait() // until the client waits for the server
					sub.Cancel()
					sub.Wait()
					if got != live.Events {
						t.Errorf("%d events, want %d", got, live.Events)
					}
				})
			})
		}
	}
}

func checkStream(t *testing.T, v streamVector, st step) {
	s := newScript(t, st)
	var comments []string
	c, err := newConfig(t.Context(), host, []Option{HTTPClient(s.HTTP), Retry(exact), Strict(), MaxEvent(8 << 20),
		OnComment(func(text string) { comments = append(comments, text) })})
	if err != nil {
		t.Fatal(err)
	}
	got := [][3]string{}
	if err := follow(t.Context(), c, func(ev sse.Event, err error) error {
		got = append(got, [3]string{show.EventName(ev.Event), string(ev.Data), ev.LastEventID})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !sameEvents(got, v.Expect.Events) {
		t.Errorf("events %.300q, want %.300v", got, v.Expect.Events)
	}
	if got, want := s.header("Last-Event-ID"), []string{"", v.Expect.LastEventID}; !slices.Equal(got, want) {
		t.Errorf("Last-Event-ID was %.100q, want %.100q", got, want)
	}
	wait := exact.withDefaults().Delay
	if ms := v.Expect.Retry; ms != nil {
		wait = time.Duration(min(*ms*1e6, float64(maxWait)))
	}
	if got, want := s.sofar(), []time.Duration{0, wait}; !slices.Equal(got, want) {
		t.Errorf("requests at %v, want %v", got, want)
	}
	if !slices.EqualFunc(comments, v.Expect.Comments, func(got string, want any) bool {
		// A case keeps the space after the colon; the client removes it.
		return sameText(got, want) || sameText(" "+got, want)
	}) {
		t.Errorf("comments %.300q, want %.300q", comments, v.Expect.Comments)
	}
}

// A lost connection leaves its last event id and its reconnection time, and nothing of
// an unfinished block.
func TestReconnectKeepsOnlyIDAndRetry(t *testing.T) {
	for _, tt := range []struct {
		name, first, second string
		want                []sse.ServerSentEvent[string]
		id                  string
	}{
		{"not the data of a block", "data: a\n", "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not its name", "event: a\n", "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not its id", "id: 1\ndata: a\n\nid: 2\ndata: b\n", "data: b\n\n", []sse.ServerSentEvent[string]{{ID: "1", Data: "a"}, {Data: "b"}}, "1"},
		{"not its comment", ": a\n", "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not its retry as the next event's", "retry: 2000\n", "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not half a line", "data: a\n\nda", "ta: b\n\ndata: c\n\n", []sse.ServerSentEvent[string]{{Data: "a"}, {Data: "c"}}, ""},
		{"not a line end that may be the first half of CRLF", "data: a\r", "\ndata: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not a blank line that may be", "data: a\r\r", "\ndata: b\n\n", []sse.ServerSentEvent[string]{{Data: "a"}, {Data: "b"}}, ""},
		{"not half a character", "data: \xe2\x82", "\xac\ndata: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not half a BOM", "\xef\xbb", "\xbfdata: a\ndata: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not that the BOM is past", "\ufeffdata: a\n\n", "\ufeffdata: b\n\n", []sse.ServerSentEvent[string]{{Data: "a"}, {Data: "b"}}, ""},
		{"not half of a line longer than any buffer", ":" + strings.Repeat("x", 1<<20), "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
		{"not that a block was too large", "data: " + kilobyte + "\n", "data: b\n\n", []sse.ServerSentEvent[string]{{Data: "b"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, sends(tt.first), sends(tt.second))
				var got []sse.ServerSentEvent[string]
				for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Retry(exact), MaxEvent(100), DecodeErrors(ReactionSkip)) {
					if err != nil {
						t.Error(err)
					}
					got = append(got, ev)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("events %+v, want %+v", got, tt.want)
				}
				if got, want := s.header("Last-Event-ID"), []string{"", tt.id, tt.id}; !slices.Equal(got, want) {
					t.Errorf("Last-Event-ID was %q, want %q", got, want)
				}
			})
		})
	}
}

// An event is yielded with the byte that ends it: the first CR of its blank line.
func TestEventEndsAtFirstCR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: a\r\r", time.Hour, "\ndata: b\r", "\n\r", time.Hour, "\ndata: c\n\n"))
		start := time.Now()
		var at []string
		for v, err := range Values[string](t.Context(), host, HTTPClient(s.HTTP)) {
			if err != nil {
				t.Fatal(err)
			}
			if at = append(at, fmt.Sprint(v, " ", time.Since(start))); v == "c" {
				break
			}
		}
		if want := []string{"a 0s", "b 1h0m0s", "c 2h0m0s"}; !slices.Equal(at, want) {
			t.Errorf("events %q, want %q", at, want)
		}
	})
}

// A retry field takes effect at the end of its line, not of its block, and only if it is
// all digits.
func TestRetryFieldTakesEffectAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends("data: x\n\nretry: 7000\ndata: never finished"),
			sends("data: x\n\nretry: 8s\nretry: -1\nretry: +1\nretry: 1.5\nretry: 1e3\nretry: 0x1\nretry:\nretry: 1 \nretry:  1\nretry: ١\n"),
			sends("data: x\n\nretry:5000\n"), // no space is needed
			sends("data: x\n\nretry: 0"))     // no line end, so not a line
		if _, err := collect(t.Context(), s); err != nil {
			t.Error(err)
		}
		if got, want := s.sofar(), seconds(0, 7, 14, 19, 24); !slices.Equal(got, want) {
			t.Errorf("requests at %v, want %v", got, want)
		}
	})
}

// An empty id removes the header from the next request; an id without an event sets it.
func TestIDWithoutData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		s := newScript(t,
			sends("id: 1\n\n"),
			sends("id: 2\nevent: nothing\n\n"),
			sends("id\n\n"),
			sends("id: 3\ndata: x\n\nid: a\x00b\n\nid:\ndata: cut"))
		data, err := collect(t.Context(), s, OnRequest(func(r *http.Request) error {
			sent = append(sent, fmt.Sprintf("%q", r.Header.Values("Last-Event-ID")))
			return nil
		}))
		if err != nil || !slices.Equal(data, []string{"x"}) {
			t.Errorf("got %q, %v; want [x]: a block without data is not an event", data, err)
		}
		// The header must be missing, not empty.
		if want := []string{`[]`, `["1"]`, `["2"]`, `[]`, `["3"]`}; !slices.Equal(sent, want) {
			t.Errorf("Last-Event-ID was %s, want %s", sent, want)
		}
	})
}

func TestInvalidUTF8(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One U+FFFD for each maximal subpart: a cut E2 82 is one, ED A0 80 are three.
		s := newScript(t, sends("id: \xff\nevent: \xe2\x82x\n: \xc0\xaf\ndata: \xe2\x82\xacx\xe2\x82x\xed\xa0\x80x\xf0\x9f\x98\n\n"))
		var heard []string
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), NoReconnect(), OnComment(func(c string) { heard = append(heard, c) })) {
			want := sse.ServerSentEvent[string]{ID: "\ufffd", Event: "\ufffdx", Comment: "\ufffd\ufffd", Data: "€x\ufffdx\ufffd\ufffd\ufffdx\ufffd"}
			if err != nil || ev != want {
				t.Errorf("event %+q, %v; want %+q", ev, err, want)
			}
		}
		if want := []string{"\ufffd\ufffd"}; !slices.Equal(heard, want) {
			t.Errorf("comments %q, want %q", heard, want)
		}
	})
}

func TestOnComment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open(":a\r", time.Second, "\n: b\n", time.Second, ":\n:  c\ndata: x\n\n", time.Second, ": no line"))
		start := time.Now()
		var heard []string
		var event string
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), IdleLimit(time.Minute), NoReconnect(),
			OnComment(func(c string) { heard = append(heard, fmt.Sprintf("%q %v", c, time.Since(start))) })) {
			if err == nil {
				event = ev.Comment
			}
		}
		if want := []string{`"a" 0s`, `"b" 1s`, `"" 2s`, `" c" 2s`}; !slices.Equal(heard, want) || event != "a\nb\n\n c" {
			t.Errorf("heard %q and the event has %q, want %q", heard, event, want)
		}
	})
}
