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

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestStreamComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: x\n\nid: end\nevent: stream.complete\ndata: {}\n\ndata: late\n\n"))
		data, err := collect(t.Context(), s)
		if err != nil || !slices.Equal(data, []string{"x"}) || len(s.sofar()) != 1 {
			t.Errorf("got %q, %v after %d requests; want [x], nil after 1", data, err, len(s.sofar()))
		}
	})
}

func TestStreamError(t *testing.T) {
	for _, tt := range []struct {
		data, text string
		want       sse.Problem
	}{
		{`{"type":"https://example.com/p","title":"Source failed","status":500,"detail":"the pump is dry","instance":"/pump/1","pump":1}`,
			"client: the server ended the stream: Source failed: the pump is dry",
			sse.Problem{Type: "https://example.com/p", Title: "Source failed", Status: 500, Detail: "the pump is dry", Instance: "/pump/1",
				Extensions: map[string]json.RawMessage{"pump": json.RawMessage("1")}}},
		{`the pump is dry`, "client: the server ended the stream: the pump is dry", sse.Problem{Type: "about:blank", Detail: "the pump is dry"}},
		{`null`, "client: the server ended the stream: null", sse.Problem{Type: "about:blank", Detail: "null"}},
		{`{}`, "client: the server ended the stream: about:blank", sse.Problem{Type: "about:blank"}},
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

func TestOnGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: x\n\nid: 7\nevent: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"1\",\"to\":\"7\",\"missed\":5}\n\n"))
		var gaps []sse.Gap
		if data, err := collect(t.Context(), s, OnGap(func(g sse.Gap) { gaps = append(gaps, g) })); err != nil || !slices.Equal(data, []string{"x"}) {
			t.Errorf("got %q, %v; want [x] and no error", data, err)
		}
		if want := []sse.Gap{{Reason: sse.GapRetention, From: "1", To: "7", Missed: new(uint64(5)), ID: "7"}}; !reflect.DeepEqual(gaps, want) {
			t.Errorf("gaps %+v, want %+v", gaps, want)
		}
		// The client resumes at the gap's id, so that the gap is reported once.
		if got, want := s.header("Last-Event-ID"), []string{"", "7"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
	})
}

func TestStrictYieldsControlEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: stream.gap\ndata: g\n\nevent: stream.error\ndata: e\n\nevent: stream.bye\ndata: b\n\nevent: stream.complete\ndata: c\n\n"))
		data, err := collect(t.Context(), s, Strict(), OnGap(func(sse.Gap) { t.Error("OnGap was called") }))
		if want := []string{"g", "e", "b", "c"}; err != nil || !slices.Equal(data, want) {
			t.Errorf("events %q, %v; want %q", data, err, want)
		}
		if got, want := s.sofar(), seconds(0, 2); !slices.Equal(got, want) {
			t.Errorf("requests at %v, want %v", got, want)
		}
	})
}

func TestUnknownControlNamesAreYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: stream.update\ndata: a\n\nevent: complete\ndata: b\n\nevent: Stream.Complete\ndata: c\n\n"))
		data, err := collect(t.Context(), s)
		if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(data, want) {
			t.Errorf("events %q, %v; want %q", data, err, want)
		}
	})
}

func TestGaps(t *testing.T) {
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
		{"are skipped", []Option{Gaps(ReactionSkip)}, []string{"a", "b"}, []string{"a", "b"}, 4, 4},
		{"surface", []Option{Gaps(ReactionSurface)}, []string{"a", text, "b"}, []string{"a", "b"}, 4, 1},
		{"end the stream", []Option{Gaps(ReactionEnd)}, []string{"a", text}, []string{"a", text}, 4, 0},
		{"are not decode errors", []Option{Gaps(ReactionSurface), DecodeErrors(ReactionSkip)}, []string{"a", text, "b"}, []string{"a", "b"}, 4, 1},
		{"are events with Strict", []Option{Gaps(ReactionEnd), Strict()}, []string{"a", data, "b"}, []string{"a", data, "b"}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, sends(body), sends(body), sends(body), sends(body))
				var log bytes.Buffer
				heard := 0
				opts := append(tt.opts, OnGap(func(sse.Gap) { heard++ }), Logger(slog.New(slog.NewTextHandler(&log, nil))))
				for call, got := range happened[string](t, s, opts...) {
					want := tt.want
					if call == "Observe" { // it skips what would surface
						want = tt.observe
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: %q, want %q", call, got, want)
					}
				}
				if heard != tt.heard {
					t.Errorf("OnGap heard of %d gaps, want %d", heard, tt.heard)
				}
				// A gap that surfaces is not logged, except with Observe.
				if n := strings.Count(log.String(), "event stream has a gap"); n != tt.logged {
					t.Errorf("%d gaps logged, want %d:\n%s", n, tt.logged, &log)
				}
			})
		})
	}
}

func TestGapsSurface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends("id: 1\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"0\",\"to\":\"1\",\"missed\":2}\n\n"),
			sends("id: 5\nevent: stream.gap\ndata: {\"reason\":\"restart\"}\n\ndata: x\n\n"))
		var gaps []sse.Gap
		var heard []string
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Retry(exact), Gaps(ReactionSurface),
			OnGap(func(g sse.Gap) { heard = append(heard, "hook "+string(g.Reason)) })) {
			if g, ok := errors.AsType[*GapError](err); ok && ev == (sse.ServerSentEvent[string]{}) {
				gaps = append(gaps, g.Gap)
				heard = append(heard, "loop "+string(g.Reason))
				continue
			}
			heard = append(heard, ev.Data+errText(err))
		}
		want := []sse.Gap{{Reason: sse.GapSlow, From: "0", To: "1", Missed: new(uint64(2)), ID: "1"}, {Reason: sse.GapRestart, ID: "5"}}
		if !reflect.DeepEqual(gaps, want) {
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

func TestGapsBreakClosesConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, left := gone("event: stream.gap\ndata: {}\n\ndata: x\n\n")
		s := newScript(t, st)
		for _, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Gaps(ReactionSurface)) {
			if want := `client: gap: an unknown number of events is missing between "" and "": no reason given`; errText(err) != want {
				t.Errorf("yielded %v, want %q", err, want)
			}
			break
		}
		<-left
	})
}

func TestOnGapCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("event: stream.gap\ndata: {}\n\ndata: x\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		var got []string
		for ev, err := range Follow[string](ctx, host, HTTPClient(s.HTTP), Gaps(ReactionSurface), OnGap(func(sse.Gap) { cancel(errChanged) })) {
			got = append(got, ev.Data+errText(err))
		}
		if want := []string{errChanged.Error()}; !slices.Equal(got, want) {
			t.Errorf("yielded %q, want %q", got, want)
		}
	})
}
