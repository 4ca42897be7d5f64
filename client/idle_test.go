package client

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleLimit(t *testing.T) {
	const (
		ev   = "data: x\n\n"
		bye  = "event: stream.bye\ndata\n\n"
		done = "event: stream.complete\ndata\n\n"
	)
	beating := func(heartbeat string, parts ...any) step {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Stream-Heartbeat", heartbeat)
			open(parts...)(w, r)
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const sec = time.Second
	for _, tt := range []struct {
		name  string
		steps []step
		opts  []Option
		want  []time.Duration
		err   string
	}{
		{name: "two and a half announced heartbeats of silence",
			steps: []step{beating("15", ev)}, want: seconds(0, 39.5)},
		{name: "any byte restarts the clock",
			steps: []step{beating("10", ev, 20*sec, ":", 20*sec, "\n", 20*sec, "\n")}, want: seconds(0, 87)},
		{name: "a fraction of a second",
			steps: []step{beating("0.4", ev)}, want: seconds(0, 3)},
		{name: "IdleLimit takes precedence",
			steps: []step{beating("15", ev)}, opts: []Option{IdleLimit(5 * sec)}, want: seconds(0, 7)},
		{name: "IdleLimit Off",
			steps: []step{beating("15", ev, time.Hour, done)}, opts: []Option{IdleLimit(Off)}, want: seconds(0)},
		{name: "no limit without the header",
			steps: []step{open(ev, 240*time.Hour, done)}, want: seconds(0)},
		{name: "a malformed header is ignored",
			steps: []step{beating("NaN", ev, time.Hour, bye), beating("-1", time.Hour, bye), beating("soon", time.Hour, bye), beating("1e999", time.Hour, done)},
			want:  seconds(0, 3602, 7204, 10806)},
		{name: "Strict ignores the header",
			steps: []step{beating("15", ev, time.Hour, drop)}, opts: []Option{Strict()}, want: seconds(0, 3602)},
		{name: "the limit applies to the wait for the next answer",
			steps: []step{beating("2", ev, bye), hang, hang}, want: seconds(0, 2, 11, 24)},
		{name: "IdleLimit applies to the wait for the first answer",
			steps: []step{hang}, opts: []Option{IdleLimit(5 * sec)}, want: seconds(0), err: "client: the server was silent for 5s"},
		{name: "a later connection without the header has no limit",
			steps: []step{beating("2", ev), open(ev, time.Hour, done)}, want: seconds(0, 7)},
	} {
		t.Run(tt.name, func(t *testing.T) { wantAttempts(t, tt.steps, tt.opts, tt.want, tt.err) })
	}
}

func TestIdleLimitIgnoresSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: a\n\n", "data: b\n\n", "data: c\n\n"))
		n := 0
		for _, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), IdleLimit(time.Second)) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if n++; n == 3 {
				break
			}
		}
		if got := s.sofar(); len(got) != 1 {
			t.Errorf("%d connections, want 1", len(got))
		}
	})
}

func TestIdleError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: a\n\n"))
		var why error
		collect(t.Context(), s, IdleLimit(7*time.Second), OnDisconnect(func(err error) { why = err }))
		if e, ok := errors.AsType[*IdleError](why); !ok || e.Limit != 7*time.Second {
			t.Errorf("the connection ended with %#v, want an *IdleError over 7s", why)
		}
	})
}
