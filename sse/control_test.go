package sse_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestIsControl(t *testing.T) {
	for name, want := range map[string]bool{
		sse.ControlOpen:     true,
		sse.ControlComplete: true,
		"stream.":           true,
		"stream.unknown":    true,
		"stream":            false,
		"streams.gap":       false,
		"Stream.gap":        false,
		"":                  false,
		"x.stream.gap":      false,
	} {
		if got := sse.IsControl(name); got != want {
			t.Errorf("IsControl(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestControlAppend(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    sse.Control
		want string
	}{
		{"no data", sse.Control{Name: sse.ControlComplete, ID: sse.EndID}, "id: end\nevent: stream.complete\ndata: {}\n\n"},
		{"gap", sse.Gap{Reason: sse.GapSlow, From: "1.a", To: "4.a", Missed: new(uint64(3)), ID: "4.a"}.Control(),
			"id: 4.a\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"1.a\",\"to\":\"4.a\",\"missed\":3}\n\n"},
		{"gap of unknown size", sse.Gap{Reason: sse.GapRetention}.Control(),
			"event: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"\",\"to\":\"\",\"missed\":null}\n\n"},
		{"bye", sse.Bye{Reason: "shutdown", Retry: 1500}.Control(),
			"event: stream.bye\nretry: 1500\ndata: {\"reason\":\"shutdown\",\"retry\":1500}\n\n"},
		{"bye without a time", sse.Bye{Reason: "slow"}.Control(),
			"event: stream.bye\ndata: {\"reason\":\"slow\",\"retry\":0}\n\n"},
		{"problem", (&sse.Problem{Title: "Bad Gateway", Status: 502, Detail: "no\nupstream"}).Control(),
			"event: stream.error\ndata: {\"title\":\"Bad Gateway\",\"status\":502,\"detail\":\"no\\nupstream\"}\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.c.Append([]byte("before"))
			if err != nil || string(got) != "before"+tt.want {
				t.Errorf("Append() = %q, %v; want %q, nil", got, err, "before"+tt.want)
			}
		})
	}
}

func TestControlAppendErrors(t *testing.T) {
	for name, c := range map[string]sse.Control{
		"data": {Name: sse.ControlOpen, Data: math.NaN()},
		"id":   {Name: sse.ControlOpen, ID: "a\nb"},
	} {
		got, err := c.Append([]byte("before"))
		if e, ok := err.(*sse.FieldError); !ok || e.Field != name || string(got) != "before" {
			t.Errorf("%s: Append() = %q, %v; want %q and a *FieldError for %s", name, got, err, "before", name)
		}
	}
}

func TestParseGap(t *testing.T) {
	n := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		data string
		want sse.Gap
	}{
		{`{"reason":"slow","from":"1.a","to":"4.a","missed":3}`, sse.Gap{Reason: sse.GapSlow, From: "1.a", To: "4.a", Missed: n(3)}},
		{`{"reason":"slow","from":null,"to":null,"missed":0}`, sse.Gap{Reason: sse.GapSlow, Missed: n(0)}},
		{`{"from":17,"missed":null}`, sse.Gap{From: "17"}},
		{`{"reason":"slow","missed":-1}`, sse.Gap{Reason: sse.GapSlow}},
		{`{"reason":"slow","missed":"3"}`, sse.Gap{Reason: sse.GapSlow}},
		{`[]`, sse.Gap{}},
		{`null`, sse.Gap{}},
		{``, sse.Gap{}},
	} {
		if got := sse.ParseGap([]byte(tt.data)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseGap(%s) = %+v, want %+v", tt.data, got, tt.want)
		}
	}
}

func TestParseBye(t *testing.T) {
	for _, tt := range []struct {
		data string
		want sse.Bye
		wait time.Duration
	}{
		{`{"reason":"shutdown","retry":1500}`, sse.Bye{Reason: "shutdown", Retry: 1500}, 1500 * time.Millisecond},
		{`{"reason":"shutdown"}`, sse.Bye{Reason: "shutdown"}, 0},
		{`{"retry":-1}`, sse.Bye{}, 0},
		{`{"retry":0.25}`, sse.Bye{Retry: 1}, time.Millisecond},
		{`{"retry":1e300}`, sse.Bye{Retry: math.MaxInt64 / 1000000}, math.MaxInt64 / 1000000 * time.Millisecond},
		{`{"retry":"soon"}`, sse.Bye{}, 0},
		{" come back later\n", sse.Bye{Reason: "come back later"}, 0},
	} {
		got := sse.ParseBye([]byte(tt.data))
		if got != tt.want || got.Wait() != tt.wait {
			t.Errorf("ParseBye(%s) = %+v, Wait() = %v; want %+v, %v", tt.data, got, got.Wait(), tt.want, tt.wait)
		}
	}
	if got, want := (sse.Bye{Retry: math.MaxInt64}).Wait(), math.MaxInt64/1000000*time.Millisecond; got != want {
		t.Errorf("Bye{Retry: MaxInt64}.Wait() = %v, want %v", got, want)
	}
}

func TestProblemRoundTrip(t *testing.T) {
	p := sse.Problem{
		Type: "https://example.com/limit", Title: "Too many streams", Status: 429, Detail: "close one first", Instance: "/streams/7",
		Parameter: "take", Offered: []string{"1", "2"}, Extensions: map[string]json.RawMessage{"a": json.RawMessage("1"), "b": json.RawMessage(`["x"]`)},
	}
	data, err := json.Marshal(&p)
	const want = `{"type":"https://example.com/limit","title":"Too many streams","status":429,"detail":"close one first",` +
		`"instance":"/streams/7","parameter":"take","offered":["1","2"],"a":1,"b":["x"]}`
	if err != nil || string(data) != want {
		t.Fatalf("Marshal() = %s, %v; want %s", data, err, want)
	}
	if got := sse.ParseProblem(data); !reflect.DeepEqual(got, &p) {
		t.Errorf("ParseProblem(%s) = %+v, want %+v", data, got, p)
	}
}

func TestProblemExtensions(t *testing.T) {
	p := sse.Problem{Title: "no", Status: 500, Extensions: map[string]json.RawMessage{"status": json.RawMessage("200")}}
	if data, err := json.Marshal(p); err != nil || string(data) != `{"title":"no","status":500}` {
		t.Errorf("Marshal() = %s, %v; want the status 500 alone", data, err)
	}
	p.Extensions = map[string]json.RawMessage{"broken": json.RawMessage("{")}
	if data, err := json.Marshal(p); err == nil {
		t.Errorf("Marshal() = %s, want an error for an extension that is not JSON", data)
	}
}

func TestParseProblem(t *testing.T) {
	for _, tt := range []struct {
		data string
		want *sse.Problem
	}{
		{`{"title":7,"status":"404","offered":{},"detail":"gone"}`, &sse.Problem{Type: "about:blank", Detail: "gone"}},
		{`{"offered":["a",1],"status":404}`, &sse.Problem{Type: "about:blank", Status: 404}},
		{`{}`, &sse.Problem{Type: "about:blank"}},
		{`null`, nil},
		{`"text"`, nil},
		{`text`, nil},
	} {
		if got := sse.ParseProblem([]byte(tt.data)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseProblem(%s) = %+v, want %+v", tt.data, got, tt.want)
		}
	}
}

func TestProblemError(t *testing.T) {
	for want, p := range map[string]*sse.Problem{
		"sse: problem 502: Bad Gateway: no upstream": {Title: "Bad Gateway", Status: 502, Detail: "no upstream"},
		"sse: problem: no upstream":                  {Detail: "no upstream"},
		"sse: problem 502: Bad Gateway":              {Title: "Bad Gateway", Status: 502},
		"sse: problem: urn:x":                        {Type: "urn:x"},
		"sse: problem: about:blank":                  {},
	} {
		if got := p.Error(); got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
	}
}

func TestGapString(t *testing.T) {
	for want, g := range map[string]sse.Gap{
		`5 events are missing between "1" and "7": retention`:                       {Reason: sse.GapRetention, From: "1", To: "7", Missed: new(uint64(5))},
		`1 event is missing between "1" and "2": slow`:                              {Reason: sse.GapSlow, From: "1", To: "2", Missed: new(uint64(1))},
		`0 events are missing between "1" and "1": slow`:                            {Reason: sse.GapSlow, From: "1", To: "1", Missed: new(uint64(0))},
		`an unknown number of events is missing between "" and "": no reason given`: {},
	} {
		if got := g.String(); got != want {
			t.Errorf("String() = %s, want %s", got, want)
		}
	}
}
