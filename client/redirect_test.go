package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// to returns a step that redirects.
func to(status int, location string) step { return answer(status, "", "Location", location) }

func TestRedirects(t *testing.T) {
	const ev = "data: x\n\n"
	for _, tt := range []struct {
		name  string
		steps []step
		opts  []Option
		want  []string        // of the requests; the last is answered with 204, unless an error ends the stream
		times []time.Duration // of the requests; nil if they do not matter
		err   string
	}{
		{name: "301 is followed and remembered",
			steps: []step{to(301, "/new"), sends(ev), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/new"}, times: seconds(0, 0, 2, 4)},
		{name: "308 is followed and remembered",
			steps: []step{to(308, "/new"), sends(ev), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/new"}, times: seconds(0, 0, 2, 4)},
		{name: "302 is followed and not remembered",
			steps: []step{to(302, "/new"), sends(ev)}, want: []string{"host.test/", "host.test/new", "host.test/"}},
		{name: "303 is followed and not remembered",
			steps: []step{to(303, "/new"), sends(ev)}, want: []string{"host.test/", "host.test/new", "host.test/"}},
		{name: "307 is followed and not remembered",
			steps: []step{to(307, "/new"), sends(ev)}, want: []string{"host.test/", "host.test/new", "host.test/"}},
		{name: "a chain is remembered as far as it is permanent",
			steps: []step{to(301, "/a"), to(308, "/b"), to(307, "/c"), sends(ev)},
			want:  []string{"host.test/", "host.test/a", "host.test/b", "host.test/c", "host.test/b"}},
		{name: "a permanent redirect after a temporary one is not remembered",
			steps: []step{to(302, "/a"), to(301, "/b"), sends(ev)},
			want:  []string{"host.test/", "host.test/a", "host.test/b", "host.test/"}},
		{name: "a target that redirects again is followed",
			steps: []step{to(301, "/a"), sends(ev), to(301, "/b"), sends(ev), sends(ev)},
			want:  []string{"host.test/", "host.test/a", "host.test/a", "host.test/b", "host.test/b", "host.test/b"}},
		{name: "a remembered URL may redirect temporarily",
			steps: []step{to(301, "/a"), sends(ev), to(302, "/b"), sends(ev)},
			want:  []string{"host.test/", "host.test/a", "host.test/a", "host.test/b", "host.test/a"}},
		{name: "a Location is relative to the redirecting URL, and its fragment is not sent",
			steps: []step{to(301, "/a/b?q=1"), to(301, "c?r=2#part"), to(301, "//other.test/d"), sends(ev)},
			want:  []string{"host.test/", "host.test/a/b?q=1", "host.test/a/c?r=2", "other.test/d", "other.test/d"}},
		{name: "only a redirect to an event stream is remembered",
			steps: []step{sends(ev), to(301, "/new"), retry503(), to(301, "/new"), sends(ev)},
			want:  []string{"host.test/", "host.test/", "host.test/new", "host.test/", "host.test/new", "host.test/new"}, times: seconds(0, 2, 2, 6, 6, 8)},

		{name: "if the target is gone, the original URL is tried after the usual wait",
			steps: []step{to(301, "/new"), sends(ev), answer(404, ""), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/"}, times: seconds(0, 0, 2, 6, 8)},
		{name: "the original URL may redirect to a new target",
			steps: []step{to(301, "/new"), sends(ev), answer(410, ""), to(301, "/newer"), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/newer", "host.test/newer"}},
		{name: "if the target is no longer an event stream, the original URL is tried",
			steps: []step{to(301, "/new"), sends(ev), answer(200, "parked", "Content-Type", "text/html"), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/"}},
		{name: "if the target redirects to an invalid URL, the original URL is tried",
			steps: []step{to(301, "/new"), sends(ev), to(301, "ftp://host.test/"), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/"}},
		{name: "two refusals end the stream",
			steps: []step{to(301, "/new"), sends(ev), answer(410, ""), answer(404, "")},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/"}, times: seconds(0, 0, 2, 6),
			err: "client: the server answered 404 Not Found"},
		{name: "the original URL redirects to the target that is gone",
			steps: []step{to(301, "/new"), sends(ev), answer(404, ""), to(301, "/new"), answer(404, "")},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/new"}, times: seconds(0, 0, 2, 6, 6),
			err: "client: the server answered 404 Not Found"},
		{name: "an unreachable target and the original URL are tried alternately",
			steps: []step{to(301, "/new"), sends(ev), nil, nil, nil, answer(404, ""), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "refused", "refused", "refused", "host.test/", "host.test/new", "host.test/new"},
			times: seconds(0, 0, 2, 6, 14, 30, 60, 62)},
		{name: "the original URL works again",
			steps: []step{to(301, "/new"), sends(ev), nil, sends(ev)},
			want:  []string{"host.test/", "host.test/new", "refused", "host.test/", "host.test/"}},
		{name: "an event stream at the original URL ends the move",
			steps: []step{to(301, "/new"), sends(ev), nil, sends(ev), answer(404, "")},
			want:  []string{"host.test/", "host.test/new", "refused", "host.test/", "host.test/"}, err: "client: the server answered 404 Not Found"},
		{name: "a refusal before the last event stream does not count",
			steps: []step{to(301, "/new"), sends(ev), answer(404, ""), to(301, "/newer"), sends(ev), answer(404, ""), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/", "host.test/newer", "host.test/newer", "host.test/", "host.test/"}},
		{name: "an answer with Retry-After is retried at the same URL",
			steps: []step{to(301, "/new"), sends(ev), retry503("Retry-After", "20"), sends(ev)},
			want:  []string{"host.test/", "host.test/new", "host.test/new", "host.test/new", "host.test/new"}, times: seconds(0, 0, 2, 22, 24)},
		{name: "204 from the target ends the stream",
			steps: []step{to(301, "/new"), sends(ev)}, want: []string{"host.test/", "host.test/new", "host.test/new"}},
		{name: "OnStatus decides about the target, too",
			steps: []step{to(301, "/new"), sends(ev), answer(404, "")}, opts: []Option{OnStatus(func(*http.Response) error { return errChanged })},
			want: []string{"host.test/", "host.test/new", "host.test/new"}, err: errChanged.Error()},
		{name: "attempts at both URLs count together",
			steps: []step{to(301, "/new"), sends(ev), nil, nil}, opts: []Option{Retry(RetryPolicy{Jitter: Off, MaxAttempts: 2})},
			want: []string{"host.test/", "host.test/new", "refused", "refused"},
			err:  `client: gave up after 2 attempts to reconnect: client: request: Get "http://host.test": connection refused`},

		{name: "strict: every redirect is remembered, as the request of the standard does",
			steps: []step{to(301, "/a"), to(302, "/b"), to(307, "/c"), sends(ev)}, opts: []Option{Strict()},
			want: []string{"host.test/", "host.test/a", "host.test/b", "host.test/c", "host.test/c"}},
		{name: "strict: a target that is gone ends the stream",
			steps: []step{to(301, "/new"), sends(ev), answer(404, "")}, opts: []Option{Strict()},
			want: []string{"host.test/", "host.test/new", "host.test/new"}, err: "client: the server answered 404 Not Found"},
		{name: "strict: an unreachable target is retried",
			steps: []step{to(301, "/new"), sends(ev), nil, sends(ev)}, opts: []Option{Strict()},
			want: []string{"host.test/", "host.test/new", "refused", "host.test/new", "host.test/new"}},
		{name: "NoReconnect tries no second URL",
			steps: []step{to(301, "/new"), sends(ev)}, opts: []Option{NoReconnect()}, want: []string{"host.test/", "host.test/new"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, tt.steps...)
				_, err := collect(t.Context(), s, tt.opts...)
				if got := s.requested(); !slices.Equal(got, tt.want) {
					t.Errorf("requests went to\n  %q, want\n  %q", got, tt.want)
				}
				if got := s.sofar(); tt.times != nil && !slices.Equal(got, tt.times) {
					t.Errorf("requests came at %v, want %v", got, tt.times)
				}
				if got := errText(err); got != tt.err {
					t.Errorf("the stream ended with %q, want %q", got, tt.err)
				}
			})
		})
	}
}

func TestRedirectErrors(t *testing.T) {
	for _, tt := range []struct {
		name, location, want string
	}{
		{"another scheme", "ftp://user:hidden@host.test/x?token=hidden", `client: redirect: from http://host.test/: to the scheme "ftp": only http and https are followed`},
		{"a script", "javascript:alert(1)", `client: redirect: from http://host.test/: to the scheme "javascript": only http and https are followed`},
		{"a file", "file:///etc/passwd", `client: redirect: from http://host.test/: to the scheme "file": only http and https are followed`},
		{"no host", "https:///x", `client: redirect: from http://host.test/: to a URL without a host`},
		{"no URL", "http://host.test:hidden/", `client: redirect: from http://host.test/: the Location is not a URL`},
		{"no Location", "", "client: the server answered 302 Found without a Location"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				url := host + "/?token=hidden"
				for name, opts := range map[string][]Option{"plain": nil, "strict": {Strict()}, "first": {Retry(RetryPolicy{RetryFirst: true})}} {
					s := newScript(t, to(302, tt.location))
					var errs []string
					for _, err := range Follow[string](t.Context(), url, append(opts, HTTPClient(s.HTTP))...) {
						errs = append(errs, errText(err))
						if e, ok := errors.AsType[*RedirectError](err); ok != (tt.location != "") || ok && e.From != host+"/" {
							t.Errorf("%s: %#v, want a *RedirectError from %s/", name, err, host)
						}
					}
					if !slices.Equal(errs, []string{tt.want}) || len(s.sofar()) != 1 {
						t.Errorf("%s: Follow yields %q after %d requests, want %q after 1", name, errs, len(s.sofar()), tt.want)
					}
				}
				s := newScript(t, sends("data: x\n\n"), to(302, tt.location))
				if _, err := collect(t.Context(), s); errText(err) != strings.Replace(tt.want, "host.test/:", "host.test:", 1) {
					t.Errorf("after a success Follow ends with %q, want %q", errText(err), tt.want)
				}
				if n := len(s.sofar()); n != 2 {
					t.Errorf("%d requests, want 2", n)
				}
				if _, err := Once[string](t.Context(), url, HTTPClient(newScript(t, to(302, tt.location)).HTTP)); errText(err) != tt.want {
					t.Errorf("Once returns %q, want %q", errText(err), tt.want)
				}
			})
		})
	}
}

func TestRedirectLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, opts := range map[string][]Option{"plain": nil, "strict": {Strict()}} {
			loop := slices.Repeat([]step{to(301, "/a"), to(302, "/b")}, 30)
			s := newScript(t, append([]step{sends("data: x\n\n")}, loop...)...)
			_, err := collect(t.Context(), s, opts...)
			if _, ok := errors.AsType[*RedirectError](err); !ok || errText(err) != "client: redirect: from http://host.test/b: stopped after 20 redirects" {
				t.Errorf("%s: the stream ended with %v, want a *RedirectError", name, err)
			}
			if n := len(s.sofar()); n != 1+21 {
				t.Errorf("%s: %d requests, want 22: one, and one that is redirected twenty times", name, n)
			}
		}
		// The maximum number of redirects is followed.
		s := newScript(t, append(slices.Repeat([]step{to(302, "/a")}, 20), sends("data: x\n\n"))...)
		if data, err := collect(t.Context(), s, NoReconnect()); err != nil || len(data) != 1 {
			t.Errorf("after twenty redirects: %q, %v; want an event", data, err)
		}
	})
}

// The caller's CheckRedirect still decides, and the caller's client is not changed.
func TestRedirectCheckRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		var answer error
		follow := func(opts ...Option) (*script, error) {
			s := newScript(t, to(301, "/new"), to(302, "/newer"), sends("data: x\n\n"))
			asked = nil
			s.HTTP.CheckRedirect = func(r *http.Request, via []*http.Request) error {
				asked = append(asked, r.URL.Path)
				if len(via) == 2 {
					return answer
				}
				return nil
			}
			before := *s.HTTP
			_, err := collect(t.Context(), s, opts...)
			if s.HTTP.Transport != before.Transport || s.HTTP.CheckRedirect == nil || s.HTTP.Timeout != before.Timeout {
				t.Error("the caller's http.Client was changed")
			}
			return s, err
		}
		for _, opts := range [][]Option{nil, {Strict()}} {
			answer = nil
			if s, err := follow(opts...); err != nil || len(s.requested()) != 4 || !slices.Equal(asked, []string{"/new", "/newer"}) {
				t.Errorf("allowed: %v, requests to %q, asked of %q", err, s.requested(), asked)
			}
			answer = errChanged
			s, err := follow(opts...)
			if e, ok := errors.AsType[*RedirectError](err); !ok || e.Err != errChanged || e.From != host+"/new" || len(s.requested()) != 2 {
				t.Errorf("refused: %v, requests to %q; want a *RedirectError from /new", err, s.requested())
			}
			answer = http.ErrUseLastResponse
			s, err = follow(opts...)
			if e, ok := errors.AsType[*StatusError](err); !ok || e.StatusCode != 302 || e.Header.Get("Location") != "/newer" || len(s.requested()) != 2 {
				t.Errorf("not followed: %v, requests to %q; want the 302", err, s.requested())
			}
		}
		s := newScript(t, to(302, "ftp://host.test/"))
		s.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := Exchange(t.Context(), host, HTTPClient(s.HTTP))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 302 || res.Header.Get("Location") != "ftp://host.test/" {
			t.Errorf("Exchange gives %s to %s, want the redirect as it is", res.Status, res.Header.Get("Location"))
		}
	})
}

func TestRedirectMethodsAndBodies(t *testing.T) {
	methods := func(s *script) (all []string) {
		for i, r := range s.requests {
			all = append(all, r.Method+" "+r.URL.Path+" "+s.bodies[i]+" "+r.Header.Get("Content-Type"))
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"a permanent redirect keeps the body, and is remembered with it", []step{to(308, "/new"), sends("data: x\n\n")},
			[]string{"POST / 1 application/json", "POST /new 1 application/json", "POST /new 1 application/json"}},
		{"a redirect that turns POST into GET is followed but not remembered", []step{to(301, "/new"), sends("data: x\n\n")},
			[]string{"POST / 1 application/json", "GET /new  ", "POST / 1 application/json"}},
		{"the chain before such a redirect is remembered", []step{to(308, "/a"), to(301, "/b"), to(308, "/c"), sends("data: x\n\n")},
			[]string{"POST / 1 application/json", "POST /a 1 application/json", "GET /b  ", "GET /c  ", "POST /a 1 application/json"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, tt.steps...)
			if _, err := collect(t.Context(), s, JSONBody(1)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if got := methods(s); !slices.Equal(got, tt.want) {
				t.Errorf("%s: requests %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

// A request to a remembered URL has no more headers than the redirected one had.
func TestRedirectHeaders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		kept  bool
	}{
		{"the same host", []step{to(301, "/new"), sends("data: x\n\n")}, true},
		{"another port", []step{to(301, "http://host.test:81/"), sends("data: x\n\n")}, true},
		{"a subdomain", []step{to(301, "http://a.host.test/"), sends("data: x\n\n")}, true},
		{"the same host in another case", []step{to(301, "http://HOST.test/"), sends("data: x\n\n")}, false},
		{"another host", []step{to(301, "http://other.test/"), sends("data: x\n\n")}, false},
		{"a host with the same suffix", []step{to(301, "http://myhost.test/"), sends("data: x\n\n")}, false},
		{"back to the first host through another", []step{to(301, "http://other.test/"), to(301, "http://host.test/chosen"), sends("data: x\n\n")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, tt.steps...)
				n := 0
				var seen []string
				_, err := collect(t.Context(), s, LastEventID("7"), Header("Cookie", "a=b"), Header("X-Key", "k"), OnRequest(func(r *http.Request) error {
					n++
					r.Header.Set("Authorization", "Bearer "+string(rune('0'+n)))
					seen = append(seen, r.URL.String())
					return nil
				}))
				if err != nil {
					t.Error(err)
				}
				last := len(s.requests) - 1
				hop, again := s.requests[last-1], s.requests[last]
				if s.requests[0].Header.Get("Authorization") != "Bearer 1" || hop.Host != again.Host || hop.URL.Path != again.URL.Path {
					t.Fatalf("requests to %q", s.requested())
				}
				auth, token := "", ""
				if tt.kept {
					auth, token = "Bearer 1", "Bearer 2"
				}
				if got := hop.Header.Get("Authorization"); got != auth {
					t.Errorf("the redirect carries Authorization %q, want %q", got, auth)
				}
				if got := again.Header.Get("Authorization"); got != token {
					t.Errorf("the next attempt carries Authorization %q, want %q", got, token)
				}
				for _, r := range []*http.Request{hop, again} {
					if got := r.Header.Get("Cookie"); (got != "") != tt.kept {
						t.Errorf("Cookie %q, want it kept: %v", got, tt.kept)
					}
					if r.Header.Get("X-Key") != "k" || r.Header.Get("Last-Event-ID") != "7" {
						t.Errorf("headers %v, want X-Key and Last-Event-ID", r.Header)
					}
				}
				// Once for each attempt, never for a redirect; the second has the new URL.
				if len(seen) != 2 || seen[0] != host || !strings.HasSuffix(seen[1], again.URL.Path) || seen[1] == host {
					t.Errorf("OnRequest saw %q", seen)
				}
			})
		})
	}
}

func TestRedirectHostHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for location, want := range map[string]string{"/new": "virtual.test/new", "http://other.test/new": "other.test/new"} {
			s := newScript(t, to(301, location), sends("data: x\n\n"))
			if _, err := collect(t.Context(), s, Header("Host", "virtual.test")); err != nil {
				t.Error(err)
			}
			if got := s.requested(); !slices.Equal(got, []string{"virtual.test/", want, want}) {
				t.Errorf("to %s: requests went to %q, want %q twice", location, got, want)
			}
		}
	})
}

// One subscription does not know what another has remembered.
func TestRedirectsAreRememberedPerStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := []step{to(301, "/new"), sends("data: x\n\n"), answer(204, "")}
		s := newScript(t, append(moved, moved...)...)
		events := Follow[string](t.Context(), host, HTTPClient(s.HTTP), Retry(exact))
		for range 2 {
			for _, err := range events {
				if err != nil {
					t.Error(err)
				}
			}
		}
		one := []string{"host.test/", "host.test/new", "host.test/new"}
		if got := s.requested(); !slices.Equal(got, append(one, one...)) {
			t.Errorf("requests went to %q, want %q twice", got, one)
		}
	})
}

// A transport that sends requests to another URL gets the URL of the redirect, not the
// one that it has made of it.
func TestRedirectWithRewritingTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, to(301, "/new"), sends("data: x\n\n"))
		base := s.HTTP.Transport
		rewriting := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Path = "/prefix" + r.URL.Path
			return base.RoundTrip(r)
		})}
		if _, err := collect(t.Context(), s, HTTPClient(rewriting)); err != nil {
			t.Error(err)
		}
		if got, want := s.requested(), []string{"host.test/prefix", "host.test/prefix/new", "host.test/prefix/new"}; !slices.Equal(got, want) {
			t.Errorf("requests went to %q, want %q", got, want)
		}
	})
}

func TestRedirectIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, to(301, "http://user:hidden@other.test/new?token=hidden"), sends("data: x\n\n"), sends("data: x\n\n"))
		var log bytes.Buffer
		if _, err := collect(t.Context(), s, Logger(slog.New(slog.NewTextHandler(&log, nil)))); err != nil {
			t.Error(err)
		}
		const want = `level=INFO msg="event stream moved" url=http://host.test to=http://other.test/new`
		if got := log.String(); strings.Count(got, want) != 1 || strings.Contains(got, "hidden") {
			t.Errorf("log\n%swant once, and no secrets:\n%s", got, want)
		}
	})
}

// The stream has no state outside: the default client is not changed.
func TestDefaultClientIsNotChanged(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/new" {
			http.Redirect(w, r, "/new", http.StatusMovedPermanently)
			return
		}
		sends("data: x\n\n")(w, r)
	}))
	defer server.Close()
	before := *http.DefaultClient
	for v, err := range Values[string](t.Context(), server.URL, NoReconnect()) {
		if v != "x" || err != nil {
			t.Errorf("Values yields %q, %v", v, err)
		}
	}
	if !reflect.DeepEqual(*http.DefaultClient, before) {
		t.Errorf("http.DefaultClient is %+v, was %+v", *http.DefaultClient, before)
	}
}

func TestRedirectCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, to(302, "/a"), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errChanged) })
		start := time.Now()
		if _, err := collect(ctx, s); err != errChanged || time.Since(start) != time.Second {
			t.Errorf("the loop ended after %v with %v, want the cause after 1s", time.Since(start), err)
		}
	})
}
