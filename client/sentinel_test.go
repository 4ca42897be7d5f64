package client

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestSentinel(t *testing.T) {
	const after = "data: late\n\n"
	for _, tt := range []struct {
		name string
		body string
		opts []Option
		want []string
	}{
		{"as complete", "data: a\n\ndata: [DONE]\n\n", nil, []string{"a"}},
		{"at once", "data: [DONE]\n\n", nil, nil},
		{"with NoReconnect", "data: a\n\ndata: [DONE]\n\n", []Option{NoReconnect()}, []string{"a"}},
		{"with Strict", "data: a\n\ndata: [DONE]\n\n", []Option{Strict()}, []string{"a"}},
		{"whatever its name and id", "data: a\n\nid: 9\nevent: end\ndata: [DONE]\n\n", nil, []string{"a"}},
		{"if it is one of several", "data: a\n\ndata: bye\n\n", []Option{Sentinel("bye")}, []string{"a"}},
		{"of several lines", "data: a\n\ndata: so\ndata: long\n\n", []Option{Sentinel("so\nlong")}, []string{"a"}},
		{"if it is empty", "data: a\n\ndata\n\n", []Option{Sentinel("")}, []string{"a"}},
		{"only if nothing is missing or added", "data:  [DONE]\n\ndata: [DONE] \n\ndata: [done]\n\ndata: \"[DONE]\"\n\ndata: [DONE]\ndata\n\ndata\n\n: [DONE]\n\ndata: [DONE]\n\n", nil,
			[]string{" [DONE]", "[DONE] ", "[done]", `"[DONE]"`, "[DONE]\n", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, open(tt.body+after), sends(after))
				var ends []error
				opts := append(tt.opts, Sentinel("[DONE]"), OnDisconnect(func(err error) { ends = append(ends, err) }))
				data, err := collect(t.Context(), s, opts...)
				if err != nil || !slices.Equal(data, tt.want) {
					t.Errorf("got %q, %v; want %q, nil", data, err, tt.want)
				}
				if n := len(s.sofar()); n != 1 || !slices.Equal(ends, []error{nil}) {
					t.Errorf("%d requests, disconnects %v; want 1, and one that is nil", n, ends)
				}
			})
		})
	}
}

func TestSentinelAllCalls(t *testing.T) {
	const body = "event: n\ndata: 1\n\ndata: [DONE]\n\nevent: n\ndata: 2\n\n"
	synctest.Test(t, func(t *testing.T) {
		// It is neither decoded nor looked up, so no reaction applies.
		s := newScript(t, sends(body), sends(body), sends(body), sends(body))
		for call, got := range happened[int](t, s, Sentinel("[DONE]")) {
			if want := []string{"1"}; !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", call, got, want)
			}
		}
		s = newScript(t, sends(body), sends(body), sends(body), sends(body))
		for call, got := range happened[any](t, s, Sentinel("[DONE]"), Types(Type[int]("n")), UnknownEvents(ReactionEnd)) {
			if want := []string{"1"}; !slices.Equal(got, want) {
				t.Errorf("%s with Types: %q, want %q", call, got, want)
			}
		}
		s = newScript(t, sends(body))
		completed := false
		var got record
		if err := Subscribe(t.Context(), host, got.next, got.onError, func() { completed = true }, HTTPClient(s.HTTP), Sentinel("[DONE]")).Wait(); err != nil || !completed {
			t.Errorf("Subscribe: %v, complete was called: %v", err, completed)
		}
	})
}

func TestSentinelMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: a\n\n"), sends("data: b\n\ndata: [DONE]\n\n"))
		data, err := collect(t.Context(), s, Sentinel("[DONE]"))
		if want := []string{"a", "b"}; err != nil || !slices.Equal(data, want) {
			t.Errorf("got %q, %v; want %q: it is asked for again", data, err, want)
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "1"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}

		s = newScript(t, sends("data: a\n\ndata: [DONE]\n"), sends("data: b\n\n")) // no blank line: no event
		data, err = collect(t.Context(), s, Sentinel("[DONE]"), NoReconnect())
		want := "client: the stream was cut: the body ended without a sentinel: unexpected EOF"
		if errText(err) != want || !errors.Is(err, io.ErrUnexpectedEOF) || !slices.Equal(data, []string{"a"}) {
			t.Errorf("got %q, %v; want [a], %s", data, err, want)
		}
	})
}

func TestSentinelNotNeededForOtherEnds(t *testing.T) {
	for _, end := range []step{answer(http.StatusNoContent, ""), sends("event: stream.complete\ndata\n\n")} {
		synctest.Test(t, func(t *testing.T) {
			if _, err := collect(t.Context(), newScript(t, end), Sentinel("[DONE]"), NoReconnect()); err != nil {
				t.Errorf("the stream ended with %v, want no error", err)
			}
		})
	}
}

func TestSentinelIgnoresControlEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: stream.error\ndata: [DONE]\n\n"))
		_, err := collect(t.Context(), s, Sentinel("[DONE]"))
		if _, ok := errors.AsType[*StreamError](err); !ok {
			t.Errorf("got %v, want a *StreamError: a control event is not data", err)
		}
	})
}

func TestSentinelOptionErrors(t *testing.T) {
	for _, data := range []string{"a\rb", "a\r\nb", "\xff"} {
		for _, err := range Follow[string](t.Context(), host, Sentinel(data)) {
			if !strings.HasPrefix(errText(err), "client: option Sentinel: ") {
				t.Errorf("Sentinel(%q): %v", data, err)
			}
		}
	}
}
