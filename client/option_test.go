package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestOptionErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  string
		opts []Option
		want string
	}{
		{"a relative URL", "/events", nil, `client: url: the scheme is "": give an absolute http or https URL`},
		{"no scheme", "host.test/events", nil, `client: url: the scheme is "": give an absolute http or https URL`},
		{"another scheme", "ftp://user:secret@host.test/", nil, `client: url: the scheme is "ftp": give an absolute http or https URL`},
		{"no host", "http:///events", nil, "client: url: the host is missing: give an absolute http or https URL"},
		{"no URL at all", "http://user:secret@host.test:port/", nil, `client: url: invalid port ":port" after host`},
		{"a nil option", host, []Option{Strict(), nil}, "client: option 3 is nil"},
		{"a nil body", host, []Option{Body("", nil)}, "client: option Body: the function is nil"},
		{"a body that cannot be JSON", host, []Option{JSONBody(func() {})}, "client: option JSONBody: json: unsupported type: func()"},
		{"a header that the client sets", host, []Option{Header("last-event-id", "1")}, "client: option Header: the client sets Last-Event-ID: use the option LastEventID"},
		{"an id with a line break", host, []Option{LastEventID("a\nb")}, `client: option LastEventID: "a\nb" holds a control character, which no header can carry: use the option LastEventIDQuery`},
		{"a nil hook", host, []Option{OnRequest(nil)}, "client: option OnRequest: <nil> is not a valid value"},
		{"a nil client", host, []Option{HTTPClient(nil)}, "client: option HTTPClient: <nil> is not a valid value"},
		{"a nil codec", host, []Option{Codec(nil)}, "client: option Codec: <nil> is not a valid value"},
		{"a nil logger", host, []Option{Logger(nil)}, "client: option Logger: <nil> is not a valid value"},
		{"MaxEvent 0", host, []Option{MaxEvent(0)}, "client: option MaxEvent: 0 is not a valid value"},
		{"a negative MaxBody", host, []Option{MaxBody(-1)}, "client: option MaxBody: -1 is not a valid value"},
		{"an unknown reaction", host, []Option{DecodeErrors(7)}, "client: option DecodeErrors: Reaction(7) is not a valid value"},
		{"an unknown reaction for unknown events", host, []Option{UnknownEvents(7)}, "client: option UnknownEvents: Reaction(7) is not a valid value"},
		{"an unknown reaction for gaps", host, []Option{Gaps(-1)}, "client: option Gaps: Reaction(-1) is not a valid value"},
		{"a sentinel that cannot be data", host, []Option{Sentinel("a\r")}, `client: option Sentinel: "a\r" cannot be the data of an event, which is UTF-8 without a CR`},
		{"types without a case", host, []Option{Types()}, "client: option Types: there is no case: give one Type for each event name"},
		{"an IdleLimit of 0", host, []Option{IdleLimit(0)}, "client: option IdleLimit: 0s is not a valid value"},
		{"several faults", "x", []Option{nil, MaxEvent(0)}, "client: url: the scheme is \"\": give an absolute http or https URL\nclient: option 2 is nil\nclient: option MaxEvent: 0 is not a valid value"},
		{"an invalid method", host, []Option{Method("GET IT")}, `client: request: net/http: invalid method "GET IT"`},
	} {
		n := 0
		sent := &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { n++; return nil, errRefused })}
		opts := append([]Option{HTTPClient(sent)}, tt.opts...)
		var yielded []string
		for _, err := range Follow[string](t.Context(), tt.url, opts...) {
			yielded = append(yielded, errText(err))
		}
		if !slices.Equal(yielded, []string{tt.want}) {
			t.Errorf("%s: Follow yields %q, want %q", tt.name, yielded, tt.want)
		}
		if _, err := Once[string](t.Context(), tt.url, opts...); errText(err) != tt.want {
			t.Errorf("%s: Once returns %q, want %q", tt.name, errText(err), tt.want)
		}
		if _, err := Exchange(t.Context(), tt.url, opts...); errText(err) != tt.want {
			t.Errorf("%s: Exchange returns %q, want %q", tt.name, errText(err), tt.want)
		}
		if err := Observe[string](tt.url, opts...).Run(t.Context(), func(sse.ServerSentEvent[string]) bool { return true }); errText(err) != tt.want {
			t.Errorf("%s: Observe returns %q, want %q", tt.name, errText(err), tt.want)
		}
		if err := Subscribe(t.Context(), tt.url, func(sse.ServerSentEvent[string]) {}, nil, nil, opts...).Wait(); errText(err) != tt.want {
			t.Errorf("%s: Subscribe ends with %q, want %q", tt.name, errText(err), tt.want)
		}
		if n != 0 {
			t.Errorf("%s: %d requests were made", tt.name, n)
		}
	}
	for _, hook := range []Option{OnConnect(nil), OnDisconnect(nil), OnRetry(nil), OnGap(nil), OnComment(nil), OnStatus(nil)} {
		if _, err := Once[string](t.Context(), host, hook); !strings.HasSuffix(errText(err), ": <nil> is not a valid value") {
			t.Errorf("a nil hook: %v", err)
		}
	}
}

func TestNilContext(t *testing.T) {
	const want = "client: the context is nil"
	//lint:ignore SA1012 that is the test
	for _, err := range Follow[string](nil, host) {
		if errText(err) != want {
			t.Errorf("Follow yields %v", err)
		}
	}
	//lint:ignore SA1012 that is the test
	if _, err := Once[string](nil, host); errText(err) != want {
		t.Errorf("Once returns %v", err)
	}
	//lint:ignore SA1012 that is the test
	if err := Subscribe(nil, host, func(sse.ServerSentEvent[string]) {}, nil, nil).Wait(); errText(err) != want {
		t.Errorf("Subscribe ends with %v", err)
	}
}

// transport is a function as a RoundTripper.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestErrClientTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(http.StatusOK, "fine"))
		timed := *s.HTTP
		timed.Timeout = 30 * time.Second
		if _, err := collect(t.Context(), s, HTTPClient(&timed)); !errors.Is(err, ErrClientTimeout) || len(s.sofar()) != 0 {
			t.Errorf("Follow: %v after %d requests, want ErrClientTimeout", err, len(s.sofar()))
		}
		for _, word := range []string{"HeadTimeout", "IdleLimit", "context"} {
			if !strings.Contains(ErrClientTimeout.Error(), word) {
				t.Errorf("the error does not name %s as a remedy: %v", word, ErrClientTimeout)
			}
		}
		if v, err := Once[string](t.Context(), host, HTTPClient(&timed)); v != "fine" || err != nil {
			t.Errorf("Once = %q, %v: where answers end a timeout is fine", v, err)
		}
	})
}

// All calls to a service may share its options: a call ignores those that do not apply.
func TestOptionsCanBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(http.StatusOK, "12345"), sends("data: 12345\n\n"))
		all := []Option{HTTPClient(s.HTTP), Retry(exact), NoReconnect(), IdleLimit(time.Second), MaxEvent(5), MaxBody(5),
			OnGap(func(sse.Gap) {}), Strict(), DecodeErrors(ReactionSkip)}
		if v, err := Once[string](t.Context(), host, all...); v != "12345" || err != nil {
			t.Errorf("Once = %q, %v", v, err)
		}
		for v, err := range Values[string](t.Context(), host, all...) {
			if v != "12345" || err != nil {
				t.Errorf("Values yields %q, %v", v, err)
			}
		}
	})
}
