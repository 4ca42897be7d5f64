package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is how many redirects one request may meet: what the Fetch standard
// allows (HTTP-redirect fetch). The CheckRedirect of an [http.Client] sets another
// limit.
const maxRedirects = 20

// A RedirectError is a redirect that is not followed: there were too many, it leads
// to what is no http or https URL, or the CheckRedirect of the [http.Client] is
// against it. Coming again does not mend it: a stream ends with it, [Strict] or not.
//
// A redirect that names no Location at all is a [*StatusError].
type RedirectError struct {
	// From is the URL that redirected, without user and query.
	From string
	// Err is why it is not followed; CheckRedirect's own error if that refused.
	Err error
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("client: redirect: from %s: %v", e.From, e.Err)
}

func (e *RedirectError) Unwrap() error { return e.Err }

// checkRedirect has own, if there is one, decide about each redirect, then looks
// at where it goes. It leaves all requests, the first included, in hops.
func (c *config) checkRedirect(own func(*http.Request, []*http.Request) error, hops *[]*http.Request) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		var err error
		switch {
		case own != nil:
			err = own(req, via)
		case len(via) > maxRedirects:
			err = fmt.Errorf("stopped after %d redirects", maxRedirects)
		}
		switch u := req.URL; {
		case err == http.ErrUseLastResponse:
			return err // the caller wants the redirect itself, wherever it leads
		case err != nil:
		case u.Scheme != "http" && u.Scheme != "https":
			err = fmt.Errorf("to the scheme %q: only http and https are followed", u.Scheme)
		case u.Host == "":
			err = errors.New("to a URL without a host")
		}
		if err != nil {
			return &RedirectError{place(via[len(via)-1].URL), err}
		}
		if c.idParam != "" {
			if id := via[0].URL.Query().Get(c.idParam); id != "" {
				setParam(req.URL, c.idParam, id)
			}
		}
		*hops = append(slices.Clone(via), req)
		return nil
	}
}

// An address is where a request goes.
type address struct {
	url  *url.URL
	host string // the Host header, if it is not the URL's
	// foreign is set for a host that redirects lead to and that must not see what
	// was meant for ours.
	foreign bool
}

// home is the address that the caller gave.
func (c *config) home() address { return address{url: c.url, host: c.header.Get("Host")} }

// redirected is the address of the request q, which was redirected here from a.
func (c *config) redirected(a address, q *http.Request) address {
	return address{q.URL, q.Host, a.foreign || !within(q.URL.Hostname(), c.url.Hostname())}
}

// within reports whether host is ours or below it, letter by letter: where net/http,
// when it follows a redirect, leaves the sensitive headers in.
func within(host, ours string) bool {
	return host == ours || !strings.ContainsAny(host, ":%") && strings.HasSuffix(host, "."+ours)
}

// stripSensitive takes out of h what net/http takes out when a redirect leads to a
// foreign host.
func stripSensitive(h http.Header) {
	for _, key := range []string{"Authorization", "Www-Authenticate", "Cookie", "Cookie2", "Proxy-Authorization", "Proxy-Authenticate"} {
		h.Del(key)
	}
}

// A route is where the attempts of one stream go.
type route struct {
	moved   *address // where redirects that are to be remembered lead; nil = nowhere
	away    bool     // the next attempt goes there, and not home
	refused bool     // the last attempt at the other address was turned away for good
}

// next is the address of the next attempt.
func (s *stream) next() address {
	if s.route.away {
		return *s.route.moved
	}
	return s.home()
}

// arrived remembers how an event stream was reached: by the requests hops, if there
// was a redirect.
func (s *stream) arrived(ctx context.Context, hops []*http.Request) {
	s.route.refused = false
	to, moved := s.next(), false
	for i := 1; i < len(hops); i++ {
		q := hops[i]
		if !s.remembers(q.Response.StatusCode) || q.Method != hops[i-1].Method {
			break
		}
		to, moved = s.redirected(to, q), true
	}
	switch {
	case moved:
		s.route.moved, s.route.away = &to, true
		s.logger.LogAttrs(ctx, slog.LevelInfo, "event stream moved", slog.String("url", place(s.url)), slog.String("to", place(to.url)))
	case !s.route.away:
		s.route.moved = nil
	}
}

// remembers reports whether later attempts begin where a redirect of that status
// leads. By the letter of the standard all do: a stream is asked for again with the
// same request, to whose list of URLs each redirect has added one.
func (s *stream) remembers(status int) bool {
	return s.strict || status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect
}

// missed turns to the other address, if there are two, after an attempt that found
// no event stream: a place that has vanished may have moved once more, and one that
// cannot be reached may come back. The stream ends when both, one after the other,
// say no.
func (s *stream) missed(o outcome) outcome {
	r := &s.route
	_, answered := errors.AsType[*StatusError](o.err)
	switch {
	case r.moved == nil, o.err == nil, o.final, s.strict:
	case !o.again && r.refused: // now both have
	case o.again && answered: // it is there, and asks for time
	default:
		r.away, r.refused, o.again = !r.away, !o.again, true
	}
	return o
}
