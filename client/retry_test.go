package client

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// collect follows a stream of strings to its end.
func collect(ctx context.Context, s *script, opts ...Option) (data []string, err error) {
	opts = append([]Option{HTTPClient(s.HTTP), Retry(exact)}, opts...)
	for ev, e := range Follow[string](ctx, host, opts...) {
		if e != nil {
			err = e
			continue
		}
		data = append(data, ev.Data)
	}
	return data, err
}

// exact waits exactly the documented times.
var exact = RetryPolicy{Jitter: Off}

func seconds(all ...float64) []time.Duration {
	var ds []time.Duration
	for _, s := range all {
		ds = append(ds, time.Duration(s*float64(time.Second)))
	}
	return ds
}

// retry503 is an answer that asks the client to retry.
func retry503(headers ...string) step { return answer(http.StatusServiceUnavailable, "", headers...) }

func TestRetry(t *testing.T) {
	ev := "data: x\n\n"
	bye := func(data string) step { return sends("event: stream.bye\ndata: " + data + "\n\n") }
	date := func(d time.Duration) string { // relative to the start of the bubble's clock
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
	}
	for _, tt := range []struct {
		name  string
		steps []step
		opts  []Option
		want  []time.Duration // of the requests; the last is answered with 204, unless an error ends the stream
		err   string
	}{
		{name: "two seconds after a connection that brought an event",
			steps: []step{sends(ev), sends(ev), sends(ev)}, want: seconds(0, 2, 4, 6)},
		{name: "Delay",
			steps: []step{sends(ev), sends(ev)}, opts: []Option{Retry(RetryPolicy{Delay: 7 * time.Second, Jitter: Off})}, want: seconds(0, 7, 14)},
		{name: "refused connections back off to thirty seconds",
			steps: []step{sends(ev), nil, nil, nil, nil, nil, nil}, want: seconds(0, 2, 6, 14, 30, 60, 90, 120)},
		{name: "Factor and MaxDelay",
			steps: []step{sends(ev), nil, nil, nil, nil},
			opts:  []Option{Retry(RetryPolicy{Delay: time.Second, MaxDelay: 5 * time.Second, Factor: 3, Jitter: Off})},
			want:  seconds(0, 1, 4, 9, 14, 19)},
		{name: "an event ends the backoff",
			steps: []step{sends(ev), nil, nil, sends(ev), nil}, want: seconds(0, 2, 6, 14, 16, 20)},
		{name: "connections that bring nothing back off",
			steps: []step{sends(": hello\n\n"), sends(""), sends(""), sends(ev)}, want: seconds(0, 2, 6, 14, 16)},
		{name: "a silent connection that lasts counts as good",
			steps: []step{sends(ev), last(2*time.Second, ": hello\n\n"), last(3 * time.Second), last(time.Second)},
			want:  seconds(0, 2, 6, 11, 16)},
		{name: "less than a second does not count as good",
			steps: []step{last(500 * time.Millisecond), last(500 * time.Millisecond), last(time.Second)},
			opts:  []Option{Retry(RetryPolicy{Delay: 100 * time.Millisecond, Jitter: Off})}, want: seconds(0, 0.6, 1.3, 2.4)},
		{name: "a broken connection is like one that ended",
			steps: []step{open(ev), drop, drop}, opts: []Option{IdleLimit(time.Minute)}, want: seconds(0, 62, 66, 74)},
		{name: "a retry field applies, and stays in force",
			steps: []step{sends("retry: 5000\n" + ev), sends(ev), sends(ev)}, want: seconds(0, 5, 10, 15)},
		{name: "a retry field counts without an event, and can be lowered",
			steps: []step{sends("retry: 5000\n\n"), sends("retry: 1000\n" + ev), nil}, want: seconds(0, 5, 6, 8)},
		{name: "backoff multiplies retry",
			steps: []step{sends("retry: 500\n" + ev), nil, nil, nil}, want: seconds(0, 0.5, 1.5, 3.5, 7.5)},
		{name: "a retry field longer than MaxDelay is kept",
			steps: []step{sends("retry: 60000\n" + ev), nil, nil}, want: seconds(0, 60, 120, 180)},
		{name: "retry 0 means at once, but backs off",
			steps: []step{sends("retry: 0\n" + ev), sends(ev), nil, nil, nil}, want: seconds(0, 0, 0, 0.2, 0.6, 1.4)},
		{name: "retryable statuses are retried after a success",
			steps: []step{sends(ev), answer(408, ""), answer(429, ""), answer(502, ""), answer(503, ""), answer(504, "")},
			want:  seconds(0, 2, 6, 14, 30, 60, 90)},
		{name: "Retry-After is respected",
			steps: []step{sends(ev), retry503("Retry-After", "20")}, want: seconds(0, 2, 22)},
		{name: "Retry-After does not shorten the wait",
			steps: []step{sends(ev), retry503("Retry-After", "1")}, want: seconds(0, 2, 6)},
		{name: "Retry-After as a date",
			steps: []step{sends(ev), retry503("Retry-After", date(50*time.Second))}, want: seconds(0, 2, 50)},
		{name: "Retry-After counts by the server's clock",
			steps: []step{sends(ev), retry503("Date", date(time.Hour), "Retry-After", date(time.Hour+20*time.Second))}, want: seconds(0, 2, 22)},
		{name: "a Retry-After in the past or malformed is ignored",
			steps: []step{sends(ev), retry503("Retry-After", date(-time.Hour)), retry503("Retry-After", "soon")}, want: seconds(0, 2, 6, 14)},
		{name: "bye names the time, once and without backoff",
			steps: []step{bye(`{"reason":"drain","retry":9000}`), bye(`{"retry":9000}`), sends(ev), sends(ev)}, want: seconds(0, 9, 18, 20, 22)},
		{name: "bye is not multiplied by the failures before it",
			steps: []step{sends(ev), nil, nil, bye(`{"retry":9000}`)}, want: seconds(0, 2, 6, 14, 23)},
		{name: "bye without a time is the usual wait",
			steps: []step{bye(`{"reason":"drain"}`), bye(`so long`), bye(`{"retry":-1}`)}, want: seconds(0, 2, 6, 14)},
		{name: "the client does not wait for more after bye",
			steps: []step{open("event: stream.bye\ndata: {\"retry\":1000}\n\n", time.Hour)}, want: seconds(0, 1)},
		{name: "MaxAttempts ends the stream",
			steps: []step{sends(ev), nil, retry503(), nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxAttempts: 3})},
			want: seconds(0, 2, 6, 14), err: "client: gave up after 3 attempts to reconnect: client: request: Get \"http://host.test\": connection refused"},
		{name: "MaxAttempts counts failures in a row",
			steps: []step{sends(ev), nil, sends(ev), nil, sends(ev)}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxAttempts: 2})},
			want: seconds(0, 2, 6, 8, 12, 14)},
		{name: "MaxElapsed: a wait that would exceed the limit is not begun",
			steps: []step{sends(ev), nil, nil, nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: 20 * time.Second})},
			want: seconds(0, 2, 6, 14),
			err:  "client: gave up after 14s without a good connection, before a wait of 16s (MaxElapsed is 20s): client: request: Get \"http://host.test\": connection refused"},
		{name: "MaxElapsed: a wait that ends at the limit is begun",
			steps: []step{sends(ev), nil, nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: 14 * time.Second})},
			want: seconds(0, 2, 6, 14)},
		{name: "MaxElapsed counts from the end of a good connection",
			steps: []step{last(time.Hour, ev), nil, last(time.Hour), nil, nil, sends(ev)},
			opts:  []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: 14 * time.Second})},
			want:  seconds(0, 3602, 3606, 7208, 7212, 7220, 7222)},
		{name: "MaxElapsed is not reset by connections without events",
			steps: []step{sends(ev), sends(""), sends(""), sends("")}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: 10 * time.Second})},
			want: seconds(0, 2, 6), err: "client: gave up after 6s without a good connection, before a wait of 8s (MaxElapsed is 10s): EOF"},
		{name: "MaxElapsed counts from the start before the first connection",
			steps: []step{nil, nil, nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: 5 * time.Second, RetryFirst: true})},
			want: seconds(0, 2), err: "client: gave up after 2s without a good connection, before a wait of 4s (MaxElapsed is 5s): client: request: Get \"http://host.test\": connection refused"},
		{name: "MaxElapsed ends the stream before a longer Retry-After",
			steps: []step{sends(ev), retry503("Retry-After", "60")}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxElapsed: time.Minute})},
			want: seconds(0, 2), err: "client: gave up after 2s without a good connection, before a wait of 1m0s (MaxElapsed is 1m0s): client: the server answered 503 Service Unavailable"},
		{name: "the first of two limits ends the stream",
			steps: []step{sends(ev), nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxAttempts: 1, MaxElapsed: time.Hour})},
			want: seconds(0, 2), err: "client: gave up after 1 attempts to reconnect: client: request: Get \"http://host.test\": connection refused"},
		{name: "the first connection fails at once when it is refused",
			steps: []step{nil}, want: seconds(0), err: "client: request: Get \"http://host.test\": connection refused"},
		{name: "the first connection fails at once when the server is busy",
			steps: []step{retry503()}, want: seconds(0), err: "client: the server answered 503 Service Unavailable"},
		{name: "the first connection is retried with RetryFirst",
			steps: []step{nil, retry503(), sends(ev)}, opts: []Option{Retry(RetryPolicy{Jitter: Off, RetryFirst: true})}, want: seconds(0, 2, 6, 8)},
		{name: "RetryFirst does not retry a refusal",
			steps: []step{nil, answer(http.StatusForbidden, "")}, opts: []Option{Retry(RetryPolicy{Jitter: Off, RetryFirst: true})},
			want: seconds(0, 2), err: "client: the server answered 403 Forbidden"},
		{name: "no reconnecting: the end of the body is the end",
			steps: []step{sends(ev), sends(ev)}, opts: []Option{NoReconnect()}, want: seconds(0)},
		{name: "no reconnecting: silence is an error",
			steps: []step{open(ev), sends(ev)}, opts: []Option{NoReconnect(), IdleLimit(time.Second)}, want: seconds(0), err: "client: the server was silent for 1s"},
		{name: "no reconnecting: a goodbye without a reason is an error",
			steps: []step{bye(`{}`)}, opts: []Option{NoReconnect()}, want: seconds(0), err: "client: the server said goodbye"},
		{name: "no reconnecting: a goodbye is an error",
			steps: []step{bye(`{"reason":"drain"}`)}, opts: []Option{NoReconnect()}, want: seconds(0), err: "client: the server said goodbye: drain"},
		{name: "strict: 503 ends the stream, also after a success",
			steps: []step{sends(ev), retry503()}, opts: []Option{Strict()}, want: seconds(0, 2), err: "client: the server answered 503 Service Unavailable"},
		{name: "strict: the first connection is retried when it is refused",
			steps: []step{nil, nil, sends(ev)}, opts: []Option{Strict()}, want: seconds(0, 2, 6, 8)},
		{name: "strict: 204 is the end without an error",
			opts: []Option{Strict()}, want: seconds(0)},
	} {
		t.Run(tt.name, func(t *testing.T) { wantAttempts(t, tt.steps, tt.opts, tt.want, tt.err) })
	}
}

// A stream that gives up tells only the loop: it announces no wait, and its error wraps
// the last one.
func TestRetryGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []RetryPolicy{{Jitter: Off, MaxElapsed: 5 * time.Second}, {Jitter: Off, MaxAttempts: 1}} {
			s := newScript(t, sends("data: x\n\n"), retry503("X-A", "b"), nil)
			var waits []time.Duration
			_, err := collect(t.Context(), s, Retry(p), OnRetry(func(_ error, d time.Duration) { waits = append(waits, d) }))
			if e, ok := errors.AsType[*StatusError](err); !ok || e.StatusCode != 503 || e.Header.Get("X-A") != "b" {
				t.Errorf("%+v: the stream ended with %v, want the 503 wrapped", p, err)
			}
			if !slices.Equal(waits, seconds(2)) {
				t.Errorf("%+v: OnRetry heard of waits %v, want one of 2s", p, waits)
			}
		}
	})
}

func TestNoReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
			last("data: x\n\n")(w, r)
			drop(w, r)
		})
		data, err := collect(t.Context(), s, NoReconnect())
		if !slices.Equal(data, []string{"x"}) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v; want [x] and an unexpected end of file", data, err)
		}
	})
}

func TestRetryJitter(t *testing.T) {
	policy := RetryPolicy{}.withDefaults()
	least, most := func() float64 { return 0 }, func() float64 { return 1 }
	for _, tt := range []struct {
		name          string
		base, after   time.Duration
		failed        int
		named, strict bool
		min, max      float64
	}{
		{"jitter goes both ways for our own time", 2 * time.Second, 0, 0, false, false, 1, 3},
		{"jitter never shortens a wait with Strict", 2 * time.Second, 0, 0, false, true, 2, 3},
		{"jitter never shortens the server's time", 2 * time.Second, 0, 0, true, false, 2, 3},
		{"jitter never shortens Retry-After", 2 * time.Second, 10 * time.Second, 0, false, false, 10, 15},
		{"jitter is applied after MaxDelay", 2 * time.Second, 0, 10, false, false, 15, 45},
	} {
		if got := policy.delay(tt.base, tt.failed, tt.named, tt.strict, tt.after, least).Seconds(); got != tt.min {
			t.Errorf("%s: at least %v s, want %v s", tt.name, got, tt.min)
		}
		if got := policy.delay(tt.base, tt.failed, tt.named, tt.strict, tt.after, most).Seconds(); got != tt.max {
			t.Errorf("%s: at most %v s, want %v s", tt.name, got, tt.max)
		}
	}
	for _, base := range []time.Duration{0, 1, math.MaxInt64} {
		for _, failed := range []int{0, 1, 63, 1 << 30} {
			if d := policy.delay(base, failed, true, false, math.MaxInt64, most); d < 0 || d > maxWait {
				t.Errorf("delay(%v, %d) = %v: out of range", base, failed, d)
			}
		}
	}
}

func TestRetryAfterWithoutDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := http.Header{"Retry-After": {time.Now().UTC().Add(time.Minute).Format(http.TimeFormat)}}
		if got := retryAfter(h); got != time.Minute {
			t.Errorf("retryAfter(%v) = %v, want 1m0s by our own clock", h, got)
		}
	})
}

// The default policy has jitter: some of many waits differ.
func TestRetryJitterDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps []step
		for range 20 {
			steps = append(steps, sends("data: x\n\n"))
		}
		waits := map[time.Duration]bool{}
		s := newScript(t, steps...)
		_, err := collect(t.Context(), s, Retry(RetryPolicy{}), OnRetry(func(_ error, d time.Duration) {
			waits[d] = true
			if d < time.Second || d > 3*time.Second {
				t.Errorf("wait of %v, want 2 s ± 50 %%", d)
			}
		}))
		if err != nil || len(waits) < 10 {
			t.Errorf("%d different waits of 20 (error %v), want nearly 20", len(waits), err)
		}
	})
}

// The client never reconnects before the time that the server has named.
func TestByeWaitIsNeverShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, slices.Repeat([]step{sends("event: stream.bye\ndata: {\"retry\":1000}\n\n")}, 20)...)
		n := 0
		_, err := collect(t.Context(), s, Retry(RetryPolicy{}), OnRetry(func(_ error, d time.Duration) {
			n++
			if d < time.Second || d > 1500*time.Millisecond {
				t.Errorf("wait of %v, want 1 s and up to 50 %% more", d)
			}
		}))
		if err != nil || n != 20 {
			t.Errorf("%d waits (error %v), want 20", n, err)
		}
	})
}

func TestRetryPolicyErrors(t *testing.T) {
	for _, tt := range []struct {
		p    RetryPolicy
		want string
	}{
		{RetryPolicy{Delay: -1}, "client: option Retry: Delay: -1ns is not 0 or more"},
		{RetryPolicy{MaxDelay: -1}, "client: option Retry: MaxDelay: -1ns is not 0 or more"},
		{RetryPolicy{Factor: 0.5}, "client: option Retry: Factor: 0.5 is not 1 or more"},
		{RetryPolicy{Factor: math.NaN()}, "client: option Retry: Factor: NaN is not 1 or more"},
		{RetryPolicy{Factor: math.Inf(1)}, "client: option Retry: Factor: +Inf is not 1 or more"},
		{RetryPolicy{Jitter: 2}, "client: option Retry: Jitter: 2 is not between 0 and 1, or Off"},
		{RetryPolicy{Jitter: math.NaN()}, "client: option Retry: Jitter: NaN is not between 0 and 1, or Off"},
		{RetryPolicy{MaxElapsed: -1}, "client: option Retry: MaxElapsed: -1ns is not 0 or more (NoReconnect switches reconnecting off)"},
		{RetryPolicy{MaxAttempts: -1}, "client: option Retry: MaxAttempts: -1 is not 0 or more (NoReconnect switches reconnecting off)"},
	} {
		_, err := Once[string](t.Context(), host, Retry(tt.p))
		if got := errText(err); got != tt.want {
			t.Errorf("Retry(%+v): %q, want %q", tt.p, got, tt.want)
		}
	}
	_, err := Once[string](t.Context(), host, Retry(RetryPolicy{Delay: -1, Factor: -1}))
	if n := strings.Count(errText(err), "\n"); n != 1 {
		t.Errorf("two faults are reported as %v, want both", err)
	}
}
