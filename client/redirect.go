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

	"github.com/fluxwire-go/fluxwire/internal/show"
)

// maxRedirects is how many redirects are followed for one request: the limit of the
// Fetch standard (HTTP-redirect fetch). The CheckRedirect of an [http.Client] can set
// another limit.
const maxRedirects = 20

// A RedirectError is a redirect that is not followed: there were too many, its target
// is not an http or https URL, or the CheckRedirect of the [http.Client] refused it. It
// ends a stream without a retry, [Strict] or not.
//
// A redirect without a Location header is a [*StatusError].
type RedirectError struct {
	// From is the URL that redirected, without user and query.
	From string
	// Err is why it is not followed; the error of CheckRedirect if that refused.
	Err error
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("client: redirect: from %s: %v", e.From, e.Err)
}

func (e *RedirectError) Unwrap() error { return e.Err }

// checkRedirect returns a CheckRedirect function that calls own, if it is not nil, and
// then checks the target. It stores all requests, beginning with the first, in hops.
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
			return err // the caller wants the redirect itself as the answer
		case err != nil:
		case u.Scheme != "http" && u.Scheme != "https":
			err = fmt.Errorf("to the scheme %q: only http and https are followed", u.Scheme)
		case u.Host == "":
			err = errors.New("to a URL without a host")
		}
		if err != nil {
			return &RedirectError{show.URL(via[len(via)-1].URL), err}
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

// An address is the target of a request.
type address struct {
	url  *url.URL
	host string // the Host header, if it differs from the URL
	// foreign means that a redirect has led to a host that must not get the
	// sensitive headers of the first request.
	foreign bool
}

// home returns the address that the caller gave.
func (c *config) home() address { return address{url: c.url, host: c.header.Get("Host")} }

// redirected returns the address of the request q, to which a was redirected.
func (c *config) redirected(a address, q *http.Request) address {
	return address{q.URL, q.Host, a.foreign || !within(q.URL.Hostname(), c.url.Hostname())}
}

// within reports whether host is ours or a subdomain of it, compared byte by byte: the
// hosts for which net/http keeps the sensitive headers when it follows a redirect.
func within(host, ours string) bool {
	return host == ours || !strings.ContainsAny(host, ":%") && strings.HasSuffix(host, "."+ours)
}

// stripSensitive removes from h the headers that net/http removes when a redirect leads
// to a foreign host.
func stripSensitive(h http.Header) {
	for _, key := range []string{"Authorization", "Www-Authenticate", "Cookie", "Cookie2", "Proxy-Authorization", "Proxy-Authenticate"} {
		h.Del(key)
	}
}

// A route holds the addresses that the attempts of one stream go to.
type route struct {
	moved   *address // target of the remembered redirects; nil if there are none
	away    bool     // the next attempt goes to moved, not home
	refused bool     // the last attempt, at the other address, was refused for good
}

// next returns the address of the next attempt.
func (s *stream) next() address {
	if s.route.away {
		return *s.route.moved
	}
	return s.home()
}

// arrived records how an event stream was reached: by the requests hops, if there was a
// redirect.
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
		s.logger.LogAttrs(ctx, slog.LevelInfo, "event stream moved", slog.String("url", show.URL(s.url)), slog.String("to", show.URL(to.url)))
	case !s.route.away:
		s.route.moved = nil
	}
}

// remembers reports whether later attempts go directly to the target of a redirect with
// that status. By the letter of the standard they always do: it repeats the same
// request, and each redirect has added its target to that request's list of URLs.
func (s *stream) remembers(status int) bool {
	return s.strict || status == http.StatusMovedPermanently || status == http.StatusPermanentRedirect
}

// missed decides what follows an attempt that found no event stream. If redirects are
// remembered, it alternates between the original and the redirected address: a target
// that is gone may have moved again, and one that cannot be reached may come back. The
// stream ends when both have refused, one after the other.
func (s *stream) missed(o outcome) outcome {
	r := &s.route
	_, answered := errors.AsType[*StatusError](o.err)
	switch {
	case r.moved == nil, o.err == nil, o.final, s.strict:
	case !o.again && r.refused: // both have refused
	case o.again && answered: // it works, and asks to wait
	default:
		r.away, r.refused, o.again = !r.away, !o.again, true
	}
	return o
}
