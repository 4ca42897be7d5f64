package answer

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestNegotiate(t *testing.T) {
	const none = Format(-1)
	for _, tt := range []struct {
		name   string
		accept []string
		want   Format
	}{
		{"no header takes anything", nil, EventStream},
		{"an event stream", []string{"text/event-stream"}, EventStream},
		{"lines", []string{"application/x-ndjson"}, NDJSON},
		{"an array", []string{"application/json"}, JSONArray},
		{"curl", []string{"*/*"}, EventStream},
		{"a browser's navigation", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}, EventStream},
		{"a kind", []string{"text/*"}, EventStream},
		{"another kind", []string{"application/*"}, NDJSON},
		{"the heavier one", []string{"text/event-stream;q=0.5, application/json"}, JSONArray},
		{"named outright before a wildcard", []string{"application/json, text/plain, */*"}, JSONArray},
		{"named before a kind", []string{"application/*, application/json"}, JSONArray},
		{"several lines are one list", []string{"text/html", "application/x-ndjson"}, NDJSON},
		{"parameters do not matter", []string{"application/json;charset=utf-8"}, JSONArray},
		{"capitals do not matter", []string{"Text/Event-Stream"}, EventStream},
		{"refused outright", []string{"text/event-stream;q=0, */*;q=0.1"}, NDJSON},
		{"an unreadable weight counts as 0", []string{"application/json;q=high, application/x-ndjson;q=0.1"}, NDJSON},
		{"a weight out of range counts as 0", []string{"application/json;q=2, application/x-ndjson;q=NaN, text/event-stream;q=0.001"}, EventStream},
		{"nothing fits", []string{"text/html"}, none},
		{"everything is refused", []string{"*/*;q=0"}, none},
		{"garbage", []string{";;;,,/"}, none},
		{"empty", []string{""}, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Negotiate(http.Header{"Accept": tt.accept})
			if tt.want == none {
				if p, ok := errors.AsType[*sse.Problem](err); !ok || p.Status != 406 || len(p.Offered) != 3 || p.Parameter != "Accept" {
					t.Errorf("Negotiate(%q) = %v, %v; want a 406 that lists three forms", tt.accept, got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("Negotiate(%q) = %v, %v; want %v", tt.accept, got, err, tt.want)
			}
		})
	}
}

func TestFormatString(t *testing.T) {
	for f, want := range map[Format]string{
		EventStream: "text/event-stream", NDJSON: "application/x-ndjson", JSONArray: "application/json", -1: "format -1", 3: "format 3",
	} {
		if got := f.String(); got != want {
			t.Errorf("Format(%d).String() = %q, want %q", int(f), got, want)
		}
	}
}

func TestTake(t *testing.T) {
	for _, tt := range []struct {
		name   string
		query  string
		f      Format
		finite bool
		want   int
		fails  bool
	}{
		{"without it, all", "", EventStream, false, 0, false},
		{"an array needs it", "", JSONArray, false, 0, true},
		{"an array of a finite stream does not", "", JSONArray, true, 0, false},
		{"a count", "take=3", EventStream, false, 3, false},
		{"the most an array holds", "take=1000", JSONArray, false, 1000, false},
		{"more than an array holds", "take=1001", JSONArray, true, 0, true},
		{"lines have no such bound", "take=1001", NDJSON, false, 1001, false},
		{"zero", "take=0", EventStream, false, 0, true},
		{"negative", "take=-1", NDJSON, false, 0, true},
		{"not a number", "take=two", EventStream, false, 0, true},
		{"empty", "take=", EventStream, false, 0, true},
		{"too large for an int", "take=99999999999999999999", EventStream, false, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Take(q, tt.f, tt.finite)
			if tt.fails {
				if p, ok := errors.AsType[*sse.Problem](err); !ok || p.Status != 400 || p.Parameter != "take" {
					t.Errorf("Take(%q) = %d, %v; want a 400 that names take", tt.query, got, err)
				}
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("Take(%q) = %d, %v; want %d", tt.query, got, err, tt.want)
			}
		})
	}
}

func TestLastEventID(t *testing.T) {
	for _, tt := range []struct{ name, header, query, want string }{
		{"none", "", "", ""},
		{"the header", "7", "", "7"},
		{"the query", "", "lastEventId=8", "8"},
		{"the query's other spelling", "", "last_event_id=9", "9"},
		{"the header goes first", "7", "lastEventId=8&last_event_id=9", "7"},
		{"lastEventId goes before last_event_id", "", "last_event_id=9&lastEventId=8", "8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: tt.query}}
			if tt.header != "" {
				r.Header.Set("Last-Event-ID", tt.header)
			}
			if got := LastEventID(r); got != tt.want {
				t.Errorf("LastEventID = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAsksForHistory(t *testing.T) {
	for _, tt := range []struct {
		header, query string
		want          bool
	}{
		{"", "", false},
		{"", "take=3", false},
		{"7", "", true},
		{"", "lastEventId=7", true},
		{"", "last_event_id=7", true},
		{"", "earliest", true},
		{"", "latest=3", true},
		{"", "since=0", true},
	} {
		r := &http.Request{Header: http.Header{"Last-Event-Id": {tt.header}}, URL: &url.URL{RawQuery: tt.query}}
		if got := AsksForHistory(r); got != tt.want {
			t.Errorf("AsksForHistory(header %q, query %q) = %v, want %v", tt.header, tt.query, got, tt.want)
		}
	}
}
