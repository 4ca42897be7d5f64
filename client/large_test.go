package client

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestMaxEventPolicies(t *testing.T) {
	body := "id: 1\ndata: 1\n\nid: 2\nevent: big\ndata: " + strings.Repeat("9", 100) + "\ndata: more\n\nid: 3\ndata: 3\n\n"
	const large = `sse: event too large: more than 50 bytes (name "big", id "2"); raise the limit, or skip the event`
	for reaction, want := range map[Reaction][]string{
		ReactionEnd:     {"1", large},
		ReactionSurface: {"1", large, "3"},
		ReactionSkip:    {"1", "3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			all := func(got map[string][]string) {
				t.Helper()
				for call, got := range got {
					want := want
					if call == "Observe" && reaction == ReactionSurface {
						want = []string{"1", "3"}
					}
					if !slices.Equal(got, want) {
						t.Errorf("reaction %d, %s: %q, want %q", reaction, call, got, want)
					}
				}
			}
			s := newScript(t, sends(body), sends(body), sends(body), sends(body))
			all(happened[int](t, s, MaxEvent(50), DecodeErrors(reaction)))
			// The name of a large event may not have been read, so UnknownEvents does not apply.
			s = newScript(t, sends(body), sends(body), sends(body), sends(body))
			all(happened[any](t, s, MaxEvent(50), DecodeErrors(reaction), Types(Type[int]("")), UnknownEvents(ReactionEnd)))
		})
	}
}

// The client resumes after an event that was too large once the event has ended:
// otherwise it would get the same event for ever.
func TestMaxEventResume(t *testing.T) {
	large := "data: " + strings.Repeat("9", 100) + "\n"
	for _, tt := range []struct {
		name, body, want string
	}{
		{"the id came first", "id: 1\ndata: x\n\nid: 2\n" + large + "\n", "2"},
		{"the id came last", "id: 1\ndata: x\n\n" + large + "id: 2\n\n", "2"},
		{"it had no id", "id: 1\ndata: x\n\n" + large + "\n", "1"},
		{"it reset the id", "id: 1\ndata: x\n\nid\n" + large + "\n", ""},
		{"it was never finished", "id: 1\ndata: x\n\nid: 2\n" + large, "1"},
		{"the next one counts", "id: 1\ndata: x\n\nid: 2\n" + large + "\nid: 3\ndata: y\n\n", "3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, sends(tt.body))
			if _, err := collect(t.Context(), s, MaxEvent(50), DecodeErrors(ReactionSkip)); err != nil {
				t.Error(err)
			}
			if got, want := s.header("Last-Event-ID"), []string{"", tt.want}; !slices.Equal(got, want) {
				t.Errorf("%s: Last-Event-ID was %q, want %q", tt.name, got, want)
			}
		})
	}
}

// repeated is a step that sends first, then part n times, then rest.
func repeated(first, part string, n int, rest string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, first)
		for range n {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
		io.WriteString(w, rest)
	}
}

var kilobyte = strings.Repeat("0123456789abcdef", 64)

func TestMaxEventLongLine(t *testing.T) {
	const size = 7 << 20
	synctest.Test(t, func(t *testing.T) {
		// Fits exactly.
		s := newScript(t, repeated("id: 1\ndata: ", kilobyte, size/len(kilobyte), "\n\nid: 2\ndata: after\n\n"))
		data, err := collect(t.Context(), s, MaxEvent(size), NoReconnect())
		if err != nil || len(data) != 2 || data[0] != strings.Repeat(kilobyte, size/len(kilobyte)) || data[1] != "after" {
			t.Errorf("%d events, %v; want one of 7 MiB, as it was sent, and one more", len(data), err)
		}
	})
}

// A server that sends no line end must not exhaust memory: all allocations of both sides
// together are a fraction of what is sent.
func TestFollowMemoryIsBounded(t *testing.T) {
	const sent, most = 64 << 20, 16 << 20
	for _, tt := range []struct {
		name, first, part, rest string
		errs                    int
	}{
		{"one line of data", "data: ", kilobyte, "\n\n", 1},
		{"many lines of data", "", "data: " + kilobyte[7:] + "\n", "\n", 1},
		{"a comment", ":", kilobyte, "\n\n", 1},
		{"an id", "data: x\nid: ", kilobyte, "\n\n", 1},
		{"a name", "event: ", kilobyte, "\ndata\n\n", 1},
		{"an unknown field", "", kilobyte, "\n\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, repeated(tt.first, tt.part, sent/len(kilobyte), tt.rest+"data: after\n\n"))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				var errs []error
				data := ""
				for v, err := range Values[string](t.Context(), host, HTTPClient(s.HTTP), NoReconnect(), DecodeErrors(ReactionSurface)) {
					if err != nil {
						errs = append(errs, err)
						continue
					}
					data = v
				}
				runtime.ReadMemStats(&after)
				if n := after.TotalAlloc - before.TotalAlloc; n > most {
					t.Errorf("%d MiB allocated for %d sent, want at most %d", n>>20, sent>>20, most>>20)
				}
				if data != "after" {
					t.Errorf("the last event is %.20q, want the one after the large one", data)
				}
				for _, err := range errs {
					if e, ok := errors.AsType[*sse.EventTooLargeError](err); !ok || e.Limit != defaultMaxEvent {
						t.Errorf("yielded %v, want an *sse.EventTooLargeError over 1 MiB", err)
					}
				}
				if len(errs) != tt.errs {
					t.Errorf("%d errors, want %d", len(errs), tt.errs)
				}
			})
		})
	}
}
