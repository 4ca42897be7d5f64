package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// after returns a step that waits before it answers.
func after(d time.Duration, next step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			next(w, r)
		case <-r.Context().Done():
		}
	}
}

// stalls makes the dials of s with these numbers (from 1) take for ever. The returned
// function reports when each dial began.
func stalls(s *script, numbers ...int) (dials func() []time.Duration) {
	t := s.HTTP.Transport.(*http.Transport)
	dial := t.DialContext
	var times []time.Duration
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.mu.Lock()
		times = append(times, time.Since(s.start))
		n := len(times)
		s.mu.Unlock()
		if slices.Contains(numbers, n) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return dial(ctx, network, addr)
	}
	return func() []time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(times)
	}
}

const (
	lateConnection = "client: timeout: no connection within %: the option ConnectTimeout sets another limit"
	lateHead       = "client: timeout: no answer within % of the request: the option HeadTimeout sets another limit"
)

func late(text, limit string) string { return strings.Replace(text, "%", limit, 1) }

func TestConnectTimeout(t *testing.T) {
	const ev = "data: x\n\n"
	for _, tt := range []struct {
		name  string
		stall []int
		steps []step
		opts  []Option
		want  []time.Duration // of the dials
		end   time.Duration
		err   string
	}{
		{name: "30 s by default",
			stall: []int{1}, want: seconds(0), end: 30 * time.Second, err: late(lateConnection, "30s")},
		{name: "the limit of the option",
			stall: []int{1}, opts: []Option{ConnectTimeout(5 * time.Second)}, want: seconds(0), end: 5 * time.Second, err: late(lateConnection, "5s")},
		{name: "retried after a first success",
			stall: []int{2, 3}, steps: []step{sends(ev)}, opts: []Option{ConnectTimeout(5 * time.Second)}, want: seconds(0, 2, 11, 24), end: 24 * time.Second},
		{name: "retried at first with RetryFirst",
			stall: []int{1}, opts: []Option{ConnectTimeout(5 * time.Second), Retry(RetryPolicy{RetryFirst: true, Jitter: Off})}, want: seconds(0, 7), end: 7 * time.Second},
		{name: "strict: a network error like any other",
			stall: []int{1}, opts: []Option{ConnectTimeout(5 * time.Second), Strict()}, want: seconds(0, 7), end: 7 * time.Second},
		{name: "no reconnecting",
			stall: []int{1}, opts: []Option{NoReconnect()}, want: seconds(0), end: 30 * time.Second, err: late(lateConnection, "30s")},
		{name: "each redirect separately",
			stall: []int{2}, steps: []step{after(4*time.Second, to(302, "/a"))}, opts: []Option{ConnectTimeout(5 * time.Second)},
			want: seconds(0, 4), end: 9 * time.Second, err: late(lateConnection, "5s")},
		{name: "a connection may be silent once it is made",
			steps: []step{after(time.Hour, last(time.Hour, ev, time.Hour, "event: stream.complete\ndata\n\n"))}, want: seconds(0), end: 3 * time.Hour},
		{name: "IdleLimit applies too",
			stall: []int{1}, opts: []Option{IdleLimit(time.Second)}, want: seconds(0), end: time.Second, err: "client: the server was silent for 1s"},
		{name: "Off",
			stall: []int{1}, opts: []Option{ConnectTimeout(Off), IdleLimit(time.Hour)}, want: seconds(0), end: time.Hour, err: "client: the server was silent for 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, tt.steps...)
				dials := stalls(s, tt.stall...)
				_, err := collect(t.Context(), s, tt.opts...)
				if got := dials(); !slices.Equal(got, tt.want) || time.Since(s.start) != tt.end {
					t.Errorf("dials came at %v, the end at %v; want %v, %v", got, time.Since(s.start), tt.want, tt.end)
				}
				if got := errText(err); got != tt.err {
					t.Errorf("the stream ended with %q, want %q", got, tt.err)
				}
			})
		})
	}
}

func TestConnectCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		stalls(s, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errChanged) })
		if _, err := collect(ctx, s); err != errChanged || time.Since(s.start) != time.Second {
			t.Errorf("the loop ended after %v with %v, want the cause after 1s", time.Since(s.start), err)
		}
	})
}

func TestConnectTimeoutIncludesTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // the other end sends nothing
		defer far.Close()
		mute := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		start := time.Now()
		_, err := Once[string](t.Context(), "https://host.test", HTTPClient(&http.Client{Transport: mute}), ConnectTimeout(7*time.Second))
		e, ok := errors.AsType[*TimeoutError](err)
		if !ok || *e != (TimeoutError{PhaseConnect, 7 * time.Second}) || time.Since(start) != 7*time.Second {
			t.Errorf("Once ended after %v with %v, want a *TimeoutError of connecting after 7s", time.Since(start), err)
		}
	})
}

func TestHeadTimeout(t *testing.T) {
	const (
		ev   = "data: x\n\n"
		done = "event: stream.complete\ndata\n\n"
		sec  = time.Second
	)
	beating := sends(ev, "Stream-Heartbeat", "2")
	five := HeadTimeout(5 * sec)
	for _, tt := range []struct {
		name  string
		steps []step
		opts  []Option
		want  []time.Duration // of the requests
		end   time.Duration
		err   string
	}{
		{name: "no limit by default",
			steps: []step{after(240*time.Hour, sends(done))}, want: seconds(0), end: 240 * time.Hour},
		{name: "no limit with Off",
			steps: []step{after(240*time.Hour, sends(done))}, opts: []Option{five, HeadTimeout(Off)}, want: seconds(0), end: 240 * time.Hour},
		{name: "the limit of the option",
			steps: []step{hang}, opts: []Option{five}, want: seconds(0), end: 5 * sec, err: late(lateHead, "5s")},
		{name: "in time",
			steps: []step{after(4999*time.Millisecond, sends(done))}, opts: []Option{five}, want: seconds(0), end: 4999 * time.Millisecond},
		{name: "only the head counts",
			steps: []step{last(time.Hour, ev, time.Hour, done)}, opts: []Option{five}, want: seconds(0), end: 2 * time.Hour},
		{name: "retried after a first success",
			steps: []step{sends(ev), hang, hang}, opts: []Option{five}, want: seconds(0, 2, 11, 24), end: 24 * sec},
		{name: "retried at first with RetryFirst",
			steps: []step{hang}, opts: []Option{five, Retry(RetryPolicy{RetryFirst: true, Jitter: Off})}, want: seconds(0, 7), end: 7 * sec},
		{name: "strict: a network error like any other",
			steps: []step{hang}, opts: []Option{five, Strict()}, want: seconds(0, 7), end: 7 * sec},
		{name: "no reconnecting",
			steps: []step{hang}, opts: []Option{five, NoReconnect()}, want: seconds(0), end: 5 * sec, err: late(lateHead, "5s")},
		{name: "each redirect separately",
			steps: []step{after(4*sec, to(302, "/a")), after(4*sec, to(302, "/b")), hang}, opts: []Option{five},
			want: seconds(0, 4, 8), end: 13 * sec, err: late(lateHead, "5s")},
		{name: "a redirect whose body does not end",
			steps: []step{func(w http.ResponseWriter, r *http.Request) { to(302, "/a")(w, r); play(w, r, "x"); hang(w, r) }}, opts: []Option{five},
			want: seconds(0), end: 5 * sec, err: late(lateHead, "5s")},
		{name: "an informational answer is not the head",
			steps: []step{after(4*sec, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusEarlyHints); hang(w, r) })}, opts: []Option{five},
			want: seconds(0), end: 5 * sec, err: late(lateHead, "5s")},
		{name: "HeadTimeout replaces the announced heartbeat",
			steps: []step{beating, hang}, opts: []Option{HeadTimeout(time.Minute)}, want: seconds(0, 2, 66), end: 66 * sec},
		{name: "without HeadTimeout the announced heartbeat counts",
			steps: []step{beating, hang}, want: seconds(0, 2, 11), end: 11 * sec},
		{name: "Off does not switch off the announced heartbeat",
			steps: []step{beating, hang}, opts: []Option{HeadTimeout(Off)}, want: seconds(0, 2, 11), end: 11 * sec},
		{name: "the shorter of IdleLimit and HeadTimeout counts",
			steps: []step{hang}, opts: []Option{five, IdleLimit(3 * sec)}, want: seconds(0), end: 3 * sec, err: "client: the server was silent for 3s"},
		{name: "the shorter of HeadTimeout and IdleLimit counts",
			steps: []step{hang}, opts: []Option{five, IdleLimit(7 * sec)}, want: seconds(0), end: 5 * sec, err: late(lateHead, "5s")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []string{"HTTP/1.1", "HTTP/1.1 with connections used again", "HTTP/2"} {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(t, tt.steps...)
					switch version {
					case "HTTP/2":
						speakHTTP2(s)
					case "HTTP/1.1 with connections used again":
						s.HTTP.Transport.(*http.Transport).DisableKeepAlives = false
					}
					_, err := collect(t.Context(), s, tt.opts...)
					if got := s.sofar(); !slices.Equal(got, tt.want) || time.Since(s.start) != tt.end {
						t.Errorf("%s: requests came at %v, the end at %v; want %v, %v", version, got, time.Since(s.start), tt.want, tt.end)
					}
					if got := errText(err); got != tt.err {
						t.Errorf("%s: the stream ended with %q, want %q", version, got, tt.err)
					}
					if n := len(s.requests); version == "HTTP/2" && s.requests[n-1].ProtoMajor != 2 {
						t.Errorf("requests were made over %s", s.requests[n-1].Proto)
					}
				})
			}
		})
	}
}

// speakHTTP2 makes the client of s use HTTP/2 without TLS.
func speakHTTP2(s *script) {
	s.HTTP.Transport.(*http.Transport).DisableKeepAlives = false
	s.HTTP.Transport.(*http.Transport).Protocols = new(http.Protocols)
	s.HTTP.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
}

// A slow upload does not count as a late answer.
func TestHeadTimeoutStartsAfterRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upload := Body("", func() (io.Reader, error) {
			r, w := io.Pipe()
			go func() {
				for range 4 {
					time.Sleep(4 * time.Second)
					io.WriteString(w, "x")
				}
				w.Close()
			}()
			return r, nil
		})
		s := newScript(t, after(4*time.Second, answer(200, "fine")), hang)
		if v, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), upload, HeadTimeout(5*time.Second)); v != "fine" || err != nil || s.bodies[0] != "xxxx" {
			t.Errorf("Once = %q, %v after a body %q", v, err, s.bodies[0])
		}
		start := time.Now()
		_, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), upload, HeadTimeout(5*time.Second))
		if took := time.Since(start); errText(err) != late(lateHead, "5s") || took != 21*time.Second {
			t.Errorf("Once ended after %v with %v, want 16s of sending and 5s of waiting", took, err)
		}
	})
}

// With a transport that reports nothing there is one limit, counted from the start.
func TestTimeoutsWithoutTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(time.Minute):
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})}
		if _, err := Once[string](t.Context(), host, HTTPClient(mute)); err != nil {
			t.Errorf("without a limit: %v", err)
		}
		start := time.Now()
		_, err := Once[string](t.Context(), host, HTTPClient(mute), ConnectTimeout(time.Second), HeadTimeout(5*time.Second))
		if errText(err) != late(lateHead, "5s") || time.Since(start) != 5*time.Second {
			t.Errorf("Once ended after %v with %v, want a late head after 5s", time.Since(start), err)
		}
	})
}

func TestTimeoutError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []TimeoutError{{PhaseConnect, time.Second}, {PhaseHead, 2 * time.Second}} {
			opts := func() []Option {
				s := newScript(t, hang)
				if want.Phase == PhaseConnect {
					stalls(s, 1)
				}
				return []Option{HTTPClient(s.HTTP), ConnectTimeout(time.Second), HeadTimeout(2 * time.Second)}
			}
			_, once := Once[string](t.Context(), host, opts()...)
			_, exchange := Exchange(t.Context(), host, opts()...)
			var stream error
			for _, stream = range Follow[string](t.Context(), host, opts()...) {
			}
			for call, err := range map[string]error{"Once": once, "Exchange": exchange, "Follow": stream} {
				e, ok := errors.AsType[*TimeoutError](err)
				if !ok || *e != want || !e.Timeout() {
					t.Errorf("%s: %#v, want %#v", call, err, want)
				}
			}
		}
		if !(&IdleError{}).Timeout() {
			t.Error("an *IdleError is not a timeout")
		}
	})
}

// The limits apply until the head arrives; the request ends with its body.
func TestExchangeBodyHasNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, last("a", time.Hour, "b"))
		type key struct{}
		res, err := Exchange(context.WithValue(t.Context(), key{}, "kept"), host, HTTPClient(s.HTTP), ConnectTimeout(time.Second), HeadTimeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "ab" || err != nil {
			t.Errorf("body %q, %v; want ab after an hour", body, err)
		}
		ctx := res.Request.Context()
		if ctx.Value(key{}) != "kept" || ctx.Err() != nil {
			t.Errorf("before Close the request's context has %v and is over: %v", ctx.Value(key{}), ctx.Err())
		}
		res.Body.Close()
		if ctx.Err() == nil {
			t.Error("Close does not let go of the context")
		}
	})
}

func TestExchangeUpgrade(t *testing.T) {
	for _, body := range []io.ReadCloser{&duplex{}, io.NopCloser(strings.NewReader(""))} {
		upgraded := &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: body}, nil
		})}
		res, err := Exchange(t.Context(), host, HTTPClient(upgraded))
		if err != nil {
			t.Fatal(err)
		}
		w, writes := res.Body.(io.ReadWriteCloser)
		d, want := body.(*duplex)
		if writes != want {
			t.Errorf("the body of %T can be written: %v", body, writes)
		}
		if writes {
			io.WriteString(w, "x")
		}
		res.Body.Close()
		if want && (d.String() != "x" || !d.closed) {
			t.Errorf("the connection got %q, closed %v; want x, true", d.String(), d.closed)
		}
	}
}

type duplex struct {
	strings.Builder
	closed bool
}

func (*duplex) Read([]byte) (int, error) { return 0, io.EOF }
func (d *duplex) Close() error           { d.closed = true; return nil }

// The caller's own trace still gets its events.
func TestCallerTraceIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(200, ""))
		var got, wrote atomic.Int32
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn:      func(httptrace.GotConnInfo) { got.Add(1) },
			WroteRequest: func(httptrace.WroteRequestInfo) { wrote.Add(1) },
		})
		if _, err := Once[string](ctx, host, HTTPClient(s.HTTP)); err != nil || got.Load() != 1 || wrote.Load() != 1 {
			t.Errorf("%v; %d connections and %d requests reported, want 1 of each", err, got.Load(), wrote.Load())
		}
	})
}

func TestTimeoutOptionErrors(t *testing.T) {
	for _, tt := range []struct {
		opt  Option
		want string
	}{
		{ConnectTimeout(0), "client: option ConnectTimeout: 0s is not a valid value"},
		{HeadTimeout(-2), "client: option HeadTimeout: -2ns is not a valid value"},
		{LastEventIDQuery(""), "client: option LastEventIDQuery:  is not a valid value"},
	} {
		if _, err := Exchange(t.Context(), host, tt.opt); errText(err) != tt.want {
			t.Errorf("Exchange returns %q, want %q", errText(err), tt.want)
		}
	}
}

// Trace events come from several goroutines, and late.
func TestStopwatchLateEvents(t *testing.T) {
	const sec = time.Second
	for _, tt := range []struct {
		name string
		news func(trace *httptrace.ClientTrace)
		want error
	}{
		{"an answer before the request is written does not affect the next request", func(trace *httptrace.ClientTrace) {
			trace.GetConn("a")
			trace.GotConn(httptrace.GotConnInfo{})
			trace.GetConn("b") // redirected
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}, &TimeoutError{PhaseConnect, 5 * sec}},
		{"a request that could not be written is not limited", func(trace *httptrace.ClientTrace) {
			trace.GetConn("a")
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: errRefused})
		}, nil},
		{"a request repeated over another connection starts again", func(trace *httptrace.ClientTrace) {
			trace.GetConn("a")
			time.Sleep(4 * sec)
			trace.GetConn("a")
			time.Sleep(4 * sec)
			trace.GotConn(httptrace.GotConnInfo{})
		}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var bitten error
			w := stopwatch{connect: 5 * sec, head: sec, bite: func(err error) { bitten = err }}
			tt.news(w.trace())
			time.Sleep(time.Minute)
			synctest.Wait()
			if errText(bitten) != errText(tt.want) {
				t.Errorf("%s: bitten by %v, want %v", tt.name, bitten, tt.want)
			}
		})
	}
}

// A timer that fires while its stage ends has no effect.
func TestStopwatchStoppedWhileFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := stopwatch{head: time.Second, bite: func(err error) { t.Errorf("bitten by %v", err) }}
		w.trace()
		w.mu.Lock() // as enter does
		time.Sleep(time.Second)
		w.timer = nil
		w.mu.Unlock()
		time.Sleep(time.Minute)
	})
}
