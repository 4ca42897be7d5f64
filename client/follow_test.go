package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

type tick struct {
	N    int      `json:"n"`
	Tags []string `json:"tags"`
}

func TestFollowTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\nevent: tick\nretry: 3000\n: first\ndata: {\"n\":1,\ndata: \"tags\":[\"a\",\"b\"]}\n\n"+
			"data: {\"tags\":[\"c\"]}\n\n"))
		var got []sse.ServerSentEvent[tick]
		for ev, err := range Follow[tick](t.Context(), host, HTTPClient(s.HTTP), NoReconnect()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ev)
		}
		// The second event proves that nothing of the first one's value is left.
		want := []sse.ServerSentEvent[tick]{
			{ID: "1", Event: "tick", Retry: 3 * time.Second, Comment: "first", Data: tick{1, []string{"a", "b"}}},
			{Data: tick{0, []string{"c"}}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("events %+v, want %+v", got, want)
		}
	})
}

func TestFollowStringsAndBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := sends("data: \"a\"\n\ndata: b\ndata: c\n\n")
		s := newScript(t, body, body)
		texts, err := collect(t.Context(), s, NoReconnect())
		if want := []string{`"a"`, "b\nc"}; err != nil || !slices.Equal(texts, want) {
			t.Errorf("strings %q, %v; want %q", texts, err, want)
		}
		var all [][]byte
		for v := range Values[[]byte](t.Context(), host, HTTPClient(s.HTTP), NoReconnect()) {
			all = append(all, v)
		}
		if want := [][]byte{[]byte(`"a"`), []byte("b\nc")}; !reflect.DeepEqual(all, want) {
			t.Errorf("byte slices %q, want %q", all, want)
		}
	})
}

func TestFollowYieldsEventsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: a\n\n", 3*time.Second, "data: b\n", time.Second, "\n"))
		start := time.Now()
		var at []time.Duration
		for _, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP)) {
			if err != nil {
				t.Fatal(err)
			}
			if at = append(at, time.Since(start)); len(at) == 2 {
				break
			}
		}
		if want := seconds(0, 4); !slices.Equal(at, want) {
			t.Errorf("events came at %v, want %v", at, want)
		}
	})
}

func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: 1\n\ndata: 2\n\ndata: no number\n\n"))
		var got []int
		var last error
		for v, err := range Values[int](t.Context(), host, HTTPClient(s.HTTP)) {
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		if _, ok := errors.AsType[*DecodeError](last); !ok || !slices.Equal(got, []int{1, 2}) {
			t.Errorf("values %v, then %v; want [1 2] and a *DecodeError", got, last)
		}
		for v := range Values[int](t.Context(), host, HTTPClient(newScript(t, sends("data: 7\n\ndata: 8\n\n")).HTTP)) {
			if v != 7 {
				t.Errorf("value %d after the loop was left", v)
			}
			break
		}
	})
}

func TestFollowSendsLastEventID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends("data: no id yet\n\n"),
			sends("id: a\ndata: x\n\ndata: without an id\n\n"),
			nil,
			retry503(),
			sends("id: b\n\n"), // an id, no event
			sends("id: c\ndata: never finished\n"),
			sends("id\ndata: reset\n\n"),
			sends("id: end\nevent: stream.complete\ndata\n\n"))
		_, err := collect(t.Context(), s, LastEventID("start"))
		if err != nil {
			t.Error(err)
		}
		s.requests = slices.DeleteFunc(s.requests, func(r *http.Request) bool { return r == nil }) // the refused one
		want := []string{"start", "start", "a", "a", "b", "b", ""}
		if got := s.header("Last-Event-ID"); !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
	})
}

func TestFollowEachRangeIsASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: x\n\n"), sends("id: 2\ndata: x\n\n"))
		events := Follow[string](t.Context(), host, HTTPClient(s.HTTP), LastEventID("start"))
		for range 2 {
			for range events {
				break
			}
		}
		if got, want := s.header("Last-Event-ID"), []string{"start", "start"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
	})
}

func TestFollowIDNotSendableInHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: a\x01\ndata: x\n\n"), sends("data: y\n\n"))
		data, err := collect(t.Context(), s)
		want := `client: resume: the last event id "a\x01" holds a control character, which no header can carry: use the option LastEventIDQuery`
		if !slices.Equal(data, []string{"x"}) || errText(err) != want {
			t.Errorf("got %q, %q; want [x], %q", data, errText(err), want)
		}
	})
}

func TestFollowRequestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends(""), sends(""))
		collect(t.Context(), s, NoReconnect())
		collect(t.Context(), s, NoReconnect(), Method("REPORT"), Header("accept", "text/event-stream, */*;q=0.1"),
			Header("X-Two", "a", "b"), Header("Host", "other.test"), Header("Cache-Control"))
		first, second := s.requests[0], s.requests[1]
		for key, want := range map[string][]string{
			"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}, "Accept-Encoding": {"identity"}, "Last-Event-Id": nil,
		} {
			if got := first.Header.Values(key); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", key, got, want)
			}
		}
		if first.Method != "GET" || second.Method != "REPORT" || second.Host != "other.test" {
			t.Errorf("methods %s and %s, host %s", first.Method, second.Method, second.Host)
		}
		for key, want := range map[string][]string{
			"Accept": {"text/event-stream, */*;q=0.1"}, "X-Two": {"a", "b"}, "Cache-Control": nil,
		} {
			if got := second.Header.Values(key); !slices.Equal(got, want) {
				t.Errorf("%s of the caller: %q, want %q", key, got, want)
			}
		}
	})
}

func TestBodyOpenedForEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: x\n\n"), answer(http.StatusTemporaryRedirect, "", "Location", "/next"), sends("data: y\n\n"))
		var opened []*closer
		body := Body("text/plain", func() (io.Reader, error) {
			opened = append(opened, &closer{Reader: strings.NewReader("question")})
			return opened[len(opened)-1], nil
		})
		if _, err := collect(t.Context(), s, body); err != nil {
			t.Error(err)
		}
		if want := []string{"question", "question", "question", "question"}; !slices.Equal(s.bodies, want) {
			t.Errorf("bodies %q, want %q", s.bodies, want)
		}
		synctest.Wait()
		if len(opened) != 4 {
			t.Errorf("opened %d times, want 4", len(opened))
		}
		for i, c := range opened {
			if !c.closed.Load() {
				t.Errorf("body %d is left open", i)
			}
		}
		for _, r := range s.requests {
			if r.Method != "POST" || r.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("%s of %q, want POST of text/plain", r.Method, r.Header.Get("Content-Type"))
			}
		}
	})
}

type closer struct {
	io.Reader
	closed atomic.Bool
}

func (c *closer) Close() error { c.closed.Store(true); return nil }

func TestBodyForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			opts   []Option
			body   string
			typ    string
			length int64
		}{
			{"JSON has a length", []Option{JSONBody(tick{N: 1})}, `{"n":1,"tags":null}`, "application/json", 19},
			{"a strings.Reader has a length", []Option{Body("", func() (io.Reader, error) { return strings.NewReader("abc"), nil })}, "abc", "", 3},
			{"a bytes.Buffer has a length", []Option{Body("", func() (io.Reader, error) { return bytes.NewBufferString("abc"), nil })}, "abc", "", 3},
			{"another reader is sent in chunks", []Option{Body("", func() (io.Reader, error) { return io.LimitReader(strings.NewReader("abc"), 2), nil })}, "ab", "", -1},
			{"an empty body is not sent", []Option{Body("", func() (io.Reader, error) { return strings.NewReader(""), nil })}, "", "", 0},
			{"a nil reader means no body", []Option{Body("", func() (io.Reader, error) { return nil, nil })}, "", "", 0},
			{"the caller's header is kept", []Option{JSONBody(1), Header("Content-Type", "application/x-one")}, "1", "application/x-one", 1},
		} {
			s := newScript(t, answer(http.StatusOK, ""))
			if _, err := Once[string](t.Context(), host, append(tt.opts, HTTPClient(s.HTTP))...); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if r := s.requests[0]; s.bodies[0] != tt.body || r.Header.Get("Content-Type") != tt.typ || r.ContentLength != tt.length {
				t.Errorf("%s: %q of type %q and length %d, want %q, %q, %d",
					tt.name, s.bodies[0], r.Header.Get("Content-Type"), r.ContentLength, tt.body, tt.typ, tt.length)
			}
		}
	})
}

func TestOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: x\n\n"), sends("data: x\n\n"), sends("data: x\n\n"))
		tokens := []string{"one", "two"}
		errNoToken := errors.New("no token left")
		opened := 0
		_, err := collect(t.Context(), s, OnRequest(func(r *http.Request) error {
			if len(tokens) == 0 {
				return errNoToken
			}
			r.Header.Set("Authorization", tokens[0])
			tokens = tokens[1:]
			return nil
		}), Body("", func() (io.Reader, error) { opened++; return strings.NewReader("x"), nil }))
		if err != errNoToken {
			t.Errorf("the stream ended with %v, want the hook's own error", err)
		}
		if got, want := s.header("Authorization"), []string{"one", "two"}; !slices.Equal(got, want) || opened != 2 {
			t.Errorf("tokens %q and %d bodies, want %q and 2", got, opened, want)
		}
	})
}

func TestBodyOpenError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: x\n\n"), sends("data: y\n\n"))
		errGone, n := errors.New("file is gone"), 0
		data, err := collect(t.Context(), s, Body("", func() (io.Reader, error) {
			if n++; n > 1 {
				return nil, errGone
			}
			return strings.NewReader("x"), nil
		}))
		if !errors.Is(err, errGone) || !slices.Equal(data, []string{"x"}) {
			t.Errorf("got %q, %v; want [x], %v", data, err, errGone)
		}
	})
}

func TestFollowRefusesOtherContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, typ := range []string{"text/plain", "application/json", "", "text/event-streams"} {
			s := newScript(t, sends("data: x\n\n"), answer(http.StatusOK, "data: y\n\n", "Content-Type", typ), sends("data: z\n\n"))
			data, err := collect(t.Context(), s)
			e, ok := errors.AsType[*ContentTypeError](err)
			if want := fmt.Sprintf("client: content type: the server answered %q, not text/event-stream: data: y", typ); errText(err) != want {
				t.Errorf("type %q: %q, want %q", typ, errText(err), want)
			}
			if !ok || e.ContentType != typ || string(e.Body) != "data: y\n\n" || !slices.Equal(data, []string{"x"}) {
				t.Errorf("type %q: got %q, %v", typ, data, err)
			}
		}
		var packed bytes.Buffer
		zw := gzip.NewWriter(&packed)
		io.WriteString(zw, "data: x\n\n")
		zw.Close()
		s := newScript(t, sends(packed.String(), "Content-Encoding", "gzip"))
		_, err := collect(t.Context(), s, Header("Accept-Encoding", "gzip"))
		if !strings.Contains(errText(err), `client: content encoding: the server sent "gzip"`) {
			t.Errorf("a compressed stream: %v", err)
		}
	})
}

func TestDecodeErrors(t *testing.T) {
	large := "id: 3\ndata: " + strings.Repeat("9", 100) + "\n\n"
	body := sends("id: 1\ndata: 1\n\nid: 2\nevent: odd\ndata: {\n\n" + large + "id: 4\ndata: 4\n\n")
	for _, tt := range []struct {
		name   string
		opts   []Option
		values []int
		errs   int
		logged int
	}{
		{"end it", nil, []int{1}, 1, 0},
		{"surface", []Option{DecodeErrors(ReactionSurface)}, []int{1, 4}, 2, 0},
		{"are skipped", []Option{DecodeErrors(ReactionSkip)}, []int{1, 4}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, body)
				var values []int
				var errs []error
				var log bytes.Buffer
				opts := append(tt.opts, HTTPClient(s.HTTP), MaxEvent(50), NoReconnect(), Logger(slog.New(slog.NewTextHandler(&log, nil))))
				for ev, err := range Follow[int](t.Context(), host, opts...) {
					if err != nil {
						errs = append(errs, err)
						continue
					}
					values = append(values, ev.Data)
				}
				if !slices.Equal(values, tt.values) || len(errs) != tt.errs {
					t.Errorf("values %v, errors %v; want %v and %d errors", values, errs, tt.values, tt.errs)
				}
				if len(errs) > 0 {
					e, ok := errors.AsType[*DecodeError](errs[0])
					if !ok || e.ID != "2" || e.Event != "odd" || string(e.Data) != "{" {
						t.Errorf("first error %#v, want the *DecodeError of event 2", errs[0])
					}
					if _, ok := errors.AsType[*json.SyntaxError](errs[0]); !ok {
						t.Errorf("%v does not match the codec's error", errs[0])
					}
				}
				if len(errs) > 1 {
					if e, ok := errors.AsType[*sse.EventTooLargeError](errs[1]); !ok || e.ID != "3" || e.Limit != 50 {
						t.Errorf("second error %#v, want an *sse.EventTooLargeError of event 3", errs[1])
					}
				}
				if n := strings.Count(log.String(), "event skipped"); n != tt.logged {
					t.Errorf("%d events logged as skipped, want %d:\n%s", n, tt.logged, log.String())
				}
			})
		})
	}
}

func TestDecodeErrorsBreakAtSurfacedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: x\n\ndata: 2\n\n"))
		for v, err := range Values[int](t.Context(), host, HTTPClient(s.HTTP), DecodeErrors(ReactionSurface)) {
			if !isDecodeError(err) {
				t.Errorf("yielded %v, %v; want a *DecodeError", v, err)
			}
			break
		}
	})
}

func TestMaxEventDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: "+strings.Repeat("x", 1<<20)+"\n\ndata: "+strings.Repeat("x", 1<<20+1)+"\n\n"))
		data, err := collect(t.Context(), s)
		if e, ok := errors.AsType[*sse.EventTooLargeError](err); !ok || e.Limit != 1<<20 || len(data) != 1 {
			t.Errorf("%d events, then %v; want 1 and an *sse.EventTooLargeError over 1 MiB", len(data), err)
		}
	})
}

// upper is a codec that converts text to upper case.
type upper struct{ sse.Codec }

func (upper) DecodeData(data []byte, v any) error {
	*v.(*string) = strings.ToUpper(string(data))
	return nil
}

func TestCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: abc\n\n"), answer(http.StatusOK, "def"))
		data, err := collect(t.Context(), s, Codec(upper{}), NoReconnect())
		if err != nil || !slices.Equal(data, []string{"ABC"}) {
			t.Errorf("events %q, %v", data, err)
		}
		if v, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), Codec(upper{})); v != "DEF" || err != nil {
			t.Errorf("Once = %q, %v", v, err)
		}
	})
}

func TestHooksOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends(": hello\n\n: in\ndata: x\n\n:\n\n", "X-Node", "one"),
			nil,
			sends("event: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"1\",\"to\":\"4\",\"missed\":2}\n\nevent: stream.bye\ndata: {\"reason\":\"drain\",\"retry\":5000}\n\n", "X-Node", "two"),
			sends("event: stream.complete\ndata\n\n", "X-Node", "three"))
		var heard []string
		hear := func(words ...string) { heard = append(heard, strings.Join(words, " ")) }
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Retry(exact),
			OnConnect(func(r *http.Response) { hear("connect", r.Header.Get("X-Node")) }),
			OnDisconnect(func(err error) { hear("disconnect", errText(err)) }),
			OnRetry(func(err error, d time.Duration) { hear("retry", d.String(), errText(err)) }),
			OnGap(func(g sse.Gap) { hear("gap", string(g.Reason)) }),
			OnComment(func(c string) { hear("comment", c) })) {
			hear("event", ev.Data, errText(err))
		}
		want := []string{
			"connect one", "comment hello", "comment in", "event x ", "comment ", "disconnect EOF", "retry 2s EOF",
			`retry 4s client: request: Get "http://host.test": connection refused`,
			"connect two", "gap slow", "disconnect client: the server said goodbye: drain", "retry 5s client: the server said goodbye: drain",
			"connect three", "disconnect ",
		}
		if !slices.Equal(heard, want) {
			t.Errorf("heard\n  %s\nwant\n  %s", strings.Join(heard, "\n  "), strings.Join(want, "\n  "))
		}
	})
}

func TestOnDisconnectOncePerConnection(t *testing.T) {
	errStop := errors.New("stop")
	for _, tt := range []struct {
		name string
		body string
		end  func(cancel context.CancelCauseFunc) (leave bool)
		want error
	}{
		{"the caller leaves", "data: x\n\n", func(context.CancelCauseFunc) bool { return true }, nil},
		{"the context is cancelled", "data: x\n\n", func(cancel context.CancelCauseFunc) bool { cancel(errStop); return false }, errStop},
		{"the consumer panics", "data: x\n\n", func(context.CancelCauseFunc) bool { panic("oh") }, nil},
		{"the stream is complete", "event: stream.complete\ndata\n\n", nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, open(tt.body))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			connects, ends := 0, []error{}
			func() {
				defer func() { recover() }()
				for _, err := range Follow[string](ctx, host, HTTPClient(s.HTTP),
					OnConnect(func(*http.Response) { connects++ }), OnDisconnect(func(err error) { ends = append(ends, err) })) {
					if err != nil {
						continue
					}
					if tt.end(cancel) {
						break
					}
				}
			}()
			if connects != 1 || !slices.Equal(ends, []error{tt.want}) {
				t.Errorf("%s: %d connects, disconnects %v; want 1, [%v]", tt.name, connects, ends, tt.want)
			}
		})
	}
}

func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: x\n\n"), nil, sends("event: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"a\",\"to\":\"b\"}\n\n"))
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))
		for _, err := range Follow[string](t.Context(), "http://user:hidden@host.test/a%20b?token=hidden",
			HTTPClient(s.HTTP), Retry(exact), Logger(logger)) {
			if err != nil {
				t.Error(err)
			}
		}
		want := []string{
			`level=DEBUG msg="event stream open" url=http://host.test/a%20b`,
			`level=WARN msg="event stream lost, reconnecting" url=http://host.test/a%20b error=EOF wait=2s`,
			`level=WARN msg="event stream lost, reconnecting" url=http://host.test/a%20b error="client: request: Get \"http://host.test/a%20b\": connection refused" wait=4s`,
			`level=DEBUG msg="event stream open" url=http://host.test/a%20b`,
			`level=WARN msg="event stream has a gap" url=http://host.test/a%20b reason=retention from=a to=b missed=unknown`,
			`level=WARN msg="event stream lost, reconnecting" url=http://host.test/a%20b error=EOF wait=2s`,
		}
		if got := strings.Split(strings.TrimSpace(log.String()), "\n"); !slices.Equal(got, want) {
			t.Errorf("log\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	})
}
