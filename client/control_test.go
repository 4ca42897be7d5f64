package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestCompleteEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: x\n\nid: end\nevent: stream.complete\ndata: {}\n\ndata: late\n\n"))
		data, err := collect(t.Context(), s)
		if err != nil || !slices.Equal(data, []string{"x"}) || len(s.sofar()) != 1 {
			t.Errorf("got %q, %v after %d requests; want [x], nil after 1", data, err, len(s.sofar()))
		}
	})
}

func TestStreamErrorEndsTheStream(t *testing.T) {
	for _, tt := range []struct {
		data, text string
		want       Problem
	}{
		{`{"type":"https://example.com/p","title":"Source failed","status":500,"detail":"the pump is dry","instance":"/pump/1","pump":1}`,
			"client: the server ended the stream: Source failed: the pump is dry",
			Problem{Type: "https://example.com/p", Title: "Source failed", Status: 500, Detail: "the pump is dry", Instance: "/pump/1",
				Extensions: map[string]json.RawMessage{"pump": json.RawMessage("1")}}},
		{`the pump is dry`, "client: the server ended the stream: the pump is dry", Problem{Type: "about:blank", Detail: "the pump is dry"}},
		{`null`, "client: the server ended the stream: null", Problem{Type: "about:blank", Detail: "null"}},
		{`{}`, "client: the server ended the stream: about:blank", Problem{Type: "about:blank"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, open("data: x\n\nevent: stream.error\ndata: "+tt.data+"\n\n"))
			_, err := collect(t.Context(), s)
			e, ok := errors.AsType[*StreamError](err)
			if !ok || !reflect.DeepEqual(e.Problem, tt.want) || err.Error() != tt.text {
				t.Errorf("stream.error %s: %#v (%v), want %+v", tt.data, err, err, tt.want)
			}
			if n := len(s.sofar()); n != 1 {
				t.Errorf("%d requests, want 1: the end is final", n)
			}
		})
	}
}

func TestGapIsToldInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: x\n\nid: 7\nevent: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"1\",\"to\":\"7\",\"missed\":5}\n\n"))
		var gaps []Gap
		if data, err := collect(t.Context(), s, OnGap(func(g Gap) { gaps = append(gaps, g) })); err != nil || !slices.Equal(data, []string{"x"}) {
			t.Errorf("got %q, %v; want [x] and no error", data, err)
		}
		if want := []Gap{{"retention", "1", "7", 5}}; !slices.Equal(gaps, want) {
			t.Errorf("gaps %+v, want %+v", gaps, want)
		}
		// The gap's id is where the client goes on from, so that it is told once.
		if got, want := s.header("Last-Event-ID"), []string{"", "7"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
	})
}

func TestControlDataThatIsOdd(t *testing.T) {
	for data, want := range map[string]Gap{
		`{"reason":"slow","from":12,"to":null,"missed":null}`: {"slow", "12", "", -1},
		`{"missed":"many"}`: {Missed: -1},
		`{"missed":-3}`:     {Missed: -1},
		`[]`:                {Missed: -1},
		``:                  {Missed: -1},
	} {
		if got := parseGap([]byte(data)); got != want {
			t.Errorf("parseGap(%s) = %+v, want %+v", data, got, want)
		}
	}
	for data, want := range map[string]Bye{
		`{"reason":"drain","retry":1500}`: {"drain", 1500 * time.Millisecond},
		`{"retry":0.5}`:                   {"", 500 * time.Microsecond},
		`{"retry":1e300}`:                 {"", maxWait},
		`{"retry":"1500"}`:                {"", 0},
		`{"retry":null,"reason":null}`:    {"", 0},
		"so\xfflong ":                     {"so\uFFFDlong", 0},
	} {
		if got := parseBye([]byte(data)); *got != want {
			t.Errorf("parseBye(%s) = %+v, want %+v", data, *got, want)
		}
	}
}

func TestStrictHandsOutControlEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: stream.gap\ndata: g\n\nevent: stream.error\ndata: e\n\nevent: stream.bye\ndata: b\n\nevent: stream.complete\ndata: c\n\n"))
		data, err := collect(t.Context(), s, Strict(), OnGap(func(Gap) { t.Error("OnGap was called") }))
		if want := []string{"g", "e", "b", "c"}; err != nil || !slices.Equal(data, want) {
			t.Errorf("events %q, %v; want %q", data, err, want)
		}
		if got, want := s.sofar(), seconds(0, 2); !slices.Equal(got, want) {
			t.Errorf("requests at %v, want %v", got, want)
		}
	})
}

func TestOtherNamesAreNobodysControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: stream.update\ndata: a\n\nevent: complete\ndata: b\n\nevent: Stream.Complete\ndata: c\n\n"))
		data, err := collect(t.Context(), s)
		if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(data, want) {
			t.Errorf("events %q, %v; want %q", data, err, want)
		}
	})
}

func TestGapsInTheLoop(t *testing.T) {
	const data = `{"reason":"retention","from":"1","to":"7","missed":5}`
	const body = "id: 1\ndata: a\n\nid: 7\nevent: stream.gap\ndata: " + data + "\n\ndata: b\n\n"
	const text = `client: gap: 5 events are missing between "1" and "7": retention`
	for _, tt := range []struct {
		name          string
		opts          []Option
		want, observe []string
		heard, logged int // in four streams
	}{
		{"are skipped by default", nil, []string{"a", "b"}, []string{"a", "b"}, 4, 4},
		{"are skipped", []Option{Gaps(Skip)}, []string{"a", "b"}, []string{"a", "b"}, 4, 4},
		{"surface", []Option{Gaps(Surface)}, []string{"a", text, "b"}, []string{"a", "b"}, 4, 1},
		{"end the stream", []Option{Gaps(End)}, []string{"a", text}, []string{"a", text}, 4, 0},
		{"are no decode errors", []Option{Gaps(Surface), DecodeErrors(Skip)}, []string{"a", text, "b"}, []string{"a", "b"}, 4, 1},
		{"are no gaps with Strict", []Option{Gaps(End), Strict()}, []string{"a", data, "b"}, []string{"a", data, "b"}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, sends(body), sends(body), sends(body), sends(body))
				var log bytes.Buffer
				heard := 0
				opts := append(tt.opts, OnGap(func(Gap) { heard++ }), Logger(slog.New(slog.NewTextHandler(&log, nil))))
				for call, got := range happened[string](t, s, opts...) {
					want := tt.want
					if call == "Observe" { // it has no place for what surfaces
						want = tt.observe
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: %q, want %q", call, got, want)
					}
				}
				if heard != tt.heard {
					t.Errorf("OnGap heard of %d gaps, want %d", heard, tt.heard)
				}
				// What surfaces is not logged, too, but where it cannot surface.
				if n := strings.Count(log.String(), "event stream has a gap"); n != tt.logged {
					t.Errorf("%d gaps logged, want %d:\n%s", n, tt.logged, &log)
				}
			})
		})
	}
}

func TestAGapThatSurfacesIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends("id: 1\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"0\",\"to\":\"1\",\"missed\":2}\n\n"),
			sends("id: 5\nevent: stream.gap\ndata: {\"reason\":\"restart\"}\n\ndata: x\n\n"))
		var gaps []Gap
		var heard []string
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Retry(exact), Gaps(Surface),
			OnGap(func(g Gap) { heard = append(heard, "hook "+g.Reason) })) {
			if g, ok := errors.AsType[*Gap](err); ok && ev == (sse.ServerSentEvent[string]{}) {
				gaps = append(gaps, *g)
				heard = append(heard, "loop "+g.Reason)
				continue
			}
			heard = append(heard, ev.Data+errText(err))
		}
		if want := []Gap{{"slow", "0", "1", 2}, {"restart", "", "", -1}}; !slices.Equal(gaps, want) {
			t.Errorf("gaps %+v, want %+v", gaps, want)
		}
		if want := []string{"hook slow", "loop slow", "hook restart", "loop restart", "x"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "1", "5"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q: a gap is told once", got, want)
		}
	})
}

func TestLeavingTheLoopAtAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, left := gone("event: stream.gap\ndata: {}\n\ndata: x\n\n")
		s := newScript(t, st)
		for _, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Gaps(Surface)) {
			if want := `client: gap: an unknown number of events are missing between "" and "": no reason given`; errText(err) != want {
				t.Errorf("yielded %v, want %q", err, want)
			}
			break
		}
		<-left
	})
}

func TestAHookThatCancelsIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("event: stream.gap\ndata: {}\n\ndata: x\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		var got []string
		for ev, err := range Follow[string](ctx, host, HTTPClient(s.HTTP), Gaps(Surface), OnGap(func(Gap) { cancel(errChanged) })) {
			got = append(got, ev.Data+errText(err))
		}
		if want := []string{errChanged.Error()}; !slices.Equal(got, want) {
			t.Errorf("yielded %q, want %q", got, want)
		}
	})
}
