package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cors answers the questions of the CORS protocol (Fetch standard, section 3.2).
type cors struct {
	any     bool
	origins []string
}

func newCORS(origins []string) (cors, error) {
	var c cors
	for _, o := range origins {
		if o == "*" {
			c.any = true
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			return cors{}, fmt.Errorf(`handlers: config: Origins: %q is no origin: write scheme, host and port alone, as in "https://app.example", or "*"`, o)
		}
		c.origins = append(c.origins, strings.ToLower(o))
	}
	return c, nil
}

// headers adds what lets a page of the request's origin read the answer.
func (c cors) headers(h http.Header, r *http.Request) {
	if !c.any && len(c.origins) == 0 {
		return
	}
	origin := r.Header.Get("Origin")
	listed := origin != "" && slices.Contains(c.origins, strings.ToLower(origin))
	switch {
	case listed:
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case c.any:
		if len(c.origins) > 0 {
			h.Add("Vary", "Origin")
		}
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Add("Vary", "Origin")
		return
	}
	h.Set("Access-Control-Expose-Headers", "Stream-Heartbeat, Retry-After")
}

// preflight adds the answer to a preflight request, if r is one.
func (c cors) preflight(h http.Header, r *http.Request, methods string) {
	if r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" || h.Get("Access-Control-Allow-Origin") == "" {
		return
	}
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", methods)
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "7200") // two hours, the longest that Chromium keeps it
}

// Methods serves next for the methods listed (such as "GET, POST") under the
// Server's CORS rules: it answers OPTIONS and preflight requests itself, and
// any other method with 405 and Allow. HEAD is served where GET is listed.
func (s *Server) Methods(methods string, next http.Handler) http.Handler {
	var allowed []string
	for m := range strings.SplitSeq(methods, ",") {
		allowed = append(allowed, strings.TrimSpace(m))
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.admit(w, r, allowed) {
			next.ServeHTTP(w, r)
		}
	})
}

// admit sets the CORS headers and reports whether r's method is among the
// allowed; if not, it has answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, allowed []string) bool {
	h := w.Header()
	s.cors.headers(h, r)
	if slices.Contains(allowed, r.Method) {
		return true
	}
	list := strings.Join(append(slices.Clip(allowed), http.MethodOptions), ", ")
	h.Set("Allow", list)
	if r.Method == http.MethodOptions {
		s.cors.preflight(h, r, list)
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	WriteProblem(w, &Problem{
		Status: http.StatusMethodNotAllowed,
		Detail: fmt.Sprintf("%s is not served here; use %s", r.Method, list),
	})
	return false
}
