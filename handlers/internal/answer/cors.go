package answer

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fluxwire-go/fluxwire/sse"
)

// CORS answers the questions of the CORS protocol (Fetch standard, section
// 3.2). The zero CORS lets no page of another origin read anything.
type CORS struct {
	any     bool
	origins []string
}

// NewCORS returns a CORS that lets pages of origins read the response, such as
// "https://app.example"; "*" is every origin. Pages of origins that are listed
// may send credentials, pages that only "*" admits may not.
func NewCORS(origins []string) (CORS, error) {
	var c CORS
	for _, o := range origins {
		if o == "*" {
			c.any = true
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			return CORS{}, fmt.Errorf(`%q is not an origin: write only scheme, host and port, as in "https://app.example", or "*"`, o)
		}
		c.origins = append(c.origins, strings.ToLower(o))
	}
	return c, nil
}

// Headers adds what lets a page of r's origin read the response.
func (c CORS) Headers(h http.Header, r *http.Request) {
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

// preflight adds the answer to a preflight request, if r is one. Headers must
// have been called.
func (c CORS) preflight(h http.Header, r *http.Request, methods string) {
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

// Admit sets the CORS headers and reports whether r's method is one of methods.
// If not, it has written the response: 204 to OPTIONS, with the answer to a
// preflight request, and 405 to any other method.
func (c CORS) Admit(w http.ResponseWriter, r *http.Request, methods []string) bool {
	h := w.Header()
	c.Headers(h, r)
	if slices.Contains(methods, r.Method) {
		return true
	}
	list := strings.Join(append(slices.Clip(methods), http.MethodOptions), ", ")
	h.Set("Allow", list)
	if r.Method == http.MethodOptions {
		c.preflight(h, r, list)
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	WriteProblem(w, &sse.Problem{
		Status: http.StatusMethodNotAllowed,
		Detail: fmt.Sprintf("%s is not served here; use %s", r.Method, list),
	})
	return false
}
