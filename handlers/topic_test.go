package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// topical runs test on a Server that serves a topic at /, in virtual time: by
// each of the transports.
func topical[T any](t *testing.T, cfg Config, topic hub.Config, test func(*harness, *hub.Topic[T]), opts ...TopicOption) {
	t.Helper()
	for _, cfg.Transport = range []Transport{TransportPortable, TransportFast} {
		t.Run(cfg.Transport.String(), func(t *testing.T) { transported(t, cfg, topic, test, opts...) })
	}
}

func transported[T any](t *testing.T, cfg Config, topic hub.Config, test func(*harness, *hub.Topic[T]), opts ...TopicOption) {
	t.Helper()
	var tp *hub.Topic[T]
	mount := func(s *Server) http.Handler {
		var err error
		if tp, err = hub.New[T](topic); err != nil {
			t.Fatal(err)
		}
		return Topic(s, tp, append(opts, Name("s"))...)
	}
	virtual(t, cfg, mount, func(h *harness) {
		defer tp.Close()
		test(h, tp)
	})
}

// add appends events with the data given, and returns their ids.
func add(t *testing.T, topic *hub.Topic[string], data ...string) (ids []string) {
	t.Helper()
	for _, d := range data {
		pos, err := topic.Append(t.Context(), text(d))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, pos.String())
	}
	return ids
}

// primed reads the preamble and the block that sets the last event id.
func (a *reply) primed() (id string) {
	a.t.Helper()
	a.preamble("s")
	id, ok := strings.CutPrefix(a.line(), "id: ")
	if !ok {
		a.t.Fatal("no id comes first")
	}
	a.expect("")
	return id
}

func TestTopic_start(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		header      func(ids []string) []string
		want        string
	}{
		{"live", "", nil, "e"},
		{"earliest", "earliest", nil, "a b c d e"},
		{"the latest", "latest=3", nil, "b c d e"},
		{"more of the latest than there are", "latest=9", nil, "a b c d e"},
		{"none of the latest", "latest=0", nil, "e"},
		{"since a time", "since=2000-01-01T00:01:00Z", nil, "c d e"},
		{"since a second", "since=946684860", nil, "c d e"},
		{"since the future", "since=2100-01-01T00:00:00Z", nil, "e"},
		{"after an id", "", func(ids []string) []string { return []string{"Last-Event-ID", ids[0]} }, "b c d e"},
		{"after the last", "", func(ids []string) []string { return []string{"Last-Event-ID", ids[3]} }, "e"},
		{"the id goes before the query", "earliest", func(ids []string) []string { return []string{"Last-Event-ID", ids[1]} }, "c d e"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
				ids := add(h.t, topic, "a", "b")
				time.Sleep(time.Minute) // virtual time begins in 2000
				ids = append(ids, add(h.t, topic, "c", "d")...)
				var header []string
				if tt.header != nil {
					header = tt.header(ids)
				}
				a := h.get("/?"+tt.query, append(header, "Accept", "application/x-ndjson")...)
				synctest.Wait()
				add(h.t, topic, "e")
				for want := range strings.FieldsSeq(tt.want) {
					if line := a.line(); !strings.HasSuffix(line, `"data":"`+want+`"}`) {
						t.Fatalf("line %q, want %s next of %s", line, want, tt.want)
					}
				}
				a.leave()
			})
		})
	}
	for _, q := range []string{"latest=x", "latest=-1", "since=yesterday"} {
		topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			name, _, _ := strings.Cut(q, "=")
			h.get("/?"+q).problem(400, `"parameter":"`+name+`"`)
		})
	}
}

func TestTopic_resume(t *testing.T) {
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		ids := add(h.t, topic, "a")
		a := h.get("/")
		if got := a.primed(); got != ids[0] {
			t.Errorf("a live stream begins after %q, want %q", got, ids[0])
		}
		ids = append(ids, add(h.t, topic, "b", "c", "d")...)
		a.expect("id: "+ids[1], "data: b", "")
		a.leave()

		a = h.get("/", "Last-Event-ID", ids[1])
		if got := a.primed(); got != ids[1] {
			t.Errorf("a stream resumed after %q begins after %q", ids[1], got)
		}
		a.expect("id: "+ids[2], "data: c", "", "id: "+ids[3], "data: d", "")
		a.leave()
		stats := h.srv.Stats().Routes["s"]
		if stats.Resumed != 1 || stats.Replayed != 2 || stats.Missed != 0 {
			t.Errorf("stats %+v, want one resumed, two replayed, none missed", stats)
		}
	})
}

func TestTopic_gap(t *testing.T) {
	topical(t, Config{}, hub.Config{Events: 4}, func(h *harness, topic *hub.Topic[string]) {
		old := add(h.t, topic, "old")[0]
		for i := range 10 {
			add(h.t, topic, fmt.Sprint(i))
		}
		stamp := old[strings.Index(old, "."):]
		for _, tt := range []struct{ reason, id, missed string }{
			{"retention", old, "6"},
			{"malformed", "what?", "null"},
			{"restart", "3.zzzz", "null"},
			{"future", "99" + stamp, "null"},
		} {
			a := h.get("/", "Last-Event-ID", tt.id)
			a.preamble("s")
			at, ok := strings.CutPrefix(a.line(), "id: ")
			if !ok {
				t.Fatalf("%s: no id", tt.reason)
			}
			if got := a.line(); got == "" { // the priming block, then the gap
				at, _ = strings.CutPrefix(a.line(), "id: ")
				a.expect("event: stream.gap")
			} else if got != "event: stream.gap" {
				t.Fatalf("%s: line %q", tt.reason, got)
			}
			if data := a.line(); !strings.Contains(data, `"reason":"`+tt.reason+`"`) || !strings.Contains(data, `"missed":`+tt.missed) {
				t.Errorf("%s: gap %s, want %s missed", tt.reason, data, tt.missed)
			}
			a.expect("")
			a.leave()

			again := h.get("/", "Last-Event-ID", at)
			again.preamble("s")
			var got strings.Builder
			for range 2 {
				got.WriteString(again.line())
			}
			if strings.Contains(got.String(), "stream.gap") {
				t.Errorf("%s: a client that resumes from the gap's id is told of it again", tt.reason)
			}
			again.leave()
			if n := h.srv.Stats().Routes["s"].Gaps[sse.GapReason(tt.reason)]; n != 1 {
				t.Errorf("%s: counted %d times, want once", tt.reason, n)
			}
		}
	})
}

func TestTopic_resumeAfterTake(t *testing.T) {
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		add(h.t, topic, "a", "b", "c")
		if body := h.get("/?earliest&take=2").rest(); !strings.HasSuffix(body, "data: b\n\nid: end\nevent: stream.complete\ndata: {}\n\n") {
			t.Errorf("body %q, want two events and the end", body)
		}
		if got := h.get("/?earliest&take=2", "Last-Event-ID", "end").StatusCode; got != http.StatusNoContent {
			t.Errorf("an EventSource that comes back is answered with %d, want 204", got)
		}
	})
}

func TestTopic_resumeAfterEnd(t *testing.T) {
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		ids := add(h.t, topic, "a", "b")
		a := h.get("/?earliest")
		a.preamble("s")
		topic.Complete()
		body := a.rest()
		if want := "id: " + ids[1] + "\ndata: b\n\nevent: stream.complete\ndata: {}\n\n"; !strings.HasSuffix(body, want) {
			t.Errorf("body %q, want it to end with %q", body, want)
		}
		if got := h.get("/", "Last-Event-ID", ids[1]).StatusCode; got != http.StatusNoContent {
			t.Errorf("a client that has everything is answered with %d, want 204", got)
		}
		late := h.get("/", "Last-Event-ID", ids[0]).rest()
		if !strings.Contains(late, "data: b\n") || !strings.HasSuffix(late, "event: stream.complete\ndata: {}\n\n") {
			t.Errorf("a client that lacks an event gets %q", late)
		}
	})
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		topic.Fail(&Problem{Status: 502, Detail: "the source is gone"})
		h.get("/").problem(502, "the source is gone")
	})
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.get("/")
		a.primed()
		topic.Close()
		a.expect("event: stream.bye") // it may be back: no reason to give up
		a.rest()
		if h.log.count("ERROR") > 0 {
			t.Errorf("a topic that closes is no error: %q", h.log.lines)
		}
	})
}

func TestTopic_policies(t *testing.T) {
	const events = 5000
	for _, tt := range []struct {
		policy hub.Policy
		ends   string
		reason Reason
	}{
		{hub.PolicyToOldest, "stream.complete", ReasonComplete},
		{hub.PolicyToLatest, "stream.complete", ReasonComplete},
		{hub.PolicyCut, "stream.bye", ReasonSlow},
	} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			topical(t, Config{Pace: Off}, hub.Config{Events: 100}, func(h *harness, topic *hub.Topic[string]) {
				slow, quick := h.get("/", "Accept", "application/x-ndjson"), h.get("/", "Accept", "application/x-ndjson")
				start := time.Now()
				for n := range events {
					add(h.t, topic, fmt.Sprint(n))
					if line := quick.line(); !strings.HasSuffix(line, fmt.Sprintf(`"data":"%d"}`, n)) {
						t.Fatalf("line %q, want event %d", line, n)
					}
				}
				if lag := h.srv.Stats().Routes["s"].Lag; lag < events/2 {
					t.Errorf("lag %d, want most of %d", lag, events)
				}
				topic.Complete()
				quick.expect(`{"event":"stream.complete","data":{}}`)
				if got := time.Since(start); got != 0 {
					t.Errorf("the quick reader was held up for %v", got)
				}
				seen, missed := 0, 0
				for {
					line := slow.line()
					if strings.Contains(line, `"event":"`+tt.ends) {
						break
					}
					var n int
					if i := strings.Index(line, `"missed":`); i >= 0 {
						fmt.Sscanf(line[i:], `"missed":%d`, &n)
						missed += n
					} else if i := strings.Index(line, `"data":"`); i >= 0 {
						fmt.Sscanf(line[i:], `"data":"%d"`, &n)
						if n != seen+missed {
							t.Fatalf("event %d after %d seen and %d missed", n, seen, missed)
						}
						seen++
					}
				}
				if tt.reason == ReasonComplete && seen+missed != events {
					t.Errorf("%d seen, %d missed; want %d in all", seen, missed, events)
				}
				slow.rest()
				want := map[Reason]uint64{ReasonComplete: 1}
				want[tt.reason]++
				h.ended("s", want)
			}, Policy(tt.policy))
		})
	}
}

func TestTopic_filterHeartbeat(t *testing.T) {
	only := Filter(func(r *http.Request) (hub.Filter, error) {
		name := r.URL.Query().Get("event")
		if name == "" {
			return hub.Filter{}, &Problem{Status: 400, Parameter: "event"}
		}
		return hub.Named(name), nil
	})
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.get("/").problem(400, `"parameter":"event"`)
		a := h.get("/?event=rare")
		a.primed()
		for range 10 {
			add(h.t, topic, "common")
		}
		pos, err := topic.Append(h.t.Context(), sse.ServerSentEvent[string]{Event: "rare", Data: "yes"})
		if err != nil {
			t.Fatal(err)
		}
		a.expect("id: "+pos.String(), "event: rare", "data: yes", "")
		last := add(h.t, topic, "common", "common")[1]
		a.expect("id: "+last, "") // the heartbeat
		a.expect(":", "")         // nothing new: a plain one
		if lag := h.srv.Stats().Routes["s"].Lag; lag != 0 {
			t.Errorf("lag %d of a client that was spared what it does not want, want 0", lag)
		}
		a.leave()
	}, only)
}

func TestTopic_JSON(t *testing.T) {
	type point struct{ X, Y int }
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[point]) {
		pos, err := topic.Append(h.t.Context(), sse.ServerSentEvent[point]{Event: "moved", Data: point{1, 2}})
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"id":"%s","event":"moved","data":{"X":1,"Y":2}}`, pos)
		if got := h.get("/?latest=1&take=1", "Accept", "application/json").rest(); got != "["+want+"]\n" {
			t.Errorf("array %q, want [%s]", got, want)
		}
	})
	topical(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[any]) {
		for _, data := range []any{"pong!", point{1, 2}, "12", []byte("{broken")} {
			if _, err := topic.Append(h.t.Context(), sse.ServerSentEvent[any]{Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		a := h.get("/?earliest&take=4", "Accept", "application/x-ndjson")
		for _, want := range []string{`"data":"pong!"}`, `"data":{"X":1,"Y":2}}`, `"data":"12"}`, `"data":"{broken"}`} {
			if line := a.line(); !strings.HasSuffix(line, want) {
				t.Errorf("line %q, want it to end with %q", line, want)
			}
		}
		a.rest()
	})
}

func TestTopic_authorizeReplay(t *testing.T) {
	var asked []Action
	cfg := Config{Authorize: func(_ *http.Request, a Access) (Grant, error) {
		asked = append(asked, a.Action)
		if a.Action == ActionReplay {
			return Grant{}, &Problem{Status: 403, Detail: "no history for you"}
		}
		return Grant{}, nil
	}}
	topical(t, cfg, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		asked = nil
		a := h.get("/")
		a.primed()
		a.leave()
		for _, q := range []string{"earliest", "latest=1", "since=0", "lastEventId=1"} {
			h.get("/?"+q).problem(403, "no history")
		}
		if want := "[subscribe replay replay replay replay]"; fmt.Sprint(asked) != want {
			t.Errorf("asked for %v, want %s", asked, want)
		}
	})
}
