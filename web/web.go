// Package web is the page of the service: plain HTML, CSS and JavaScript, embedded,
// without a build step and without files from other hosts.
//
// [Handler] serves it. Every URL in the page is relative, so it works under any
// path prefix as long as the page's own URL ends in a slash; with
// ?api=https://other.example/base/ it shows the streams of another origin.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

//go:embed index.html app.js style.css favicon.svg
var files embed.FS

// types holds the media types of the files. They are written here because the system's
// table may have other ones.
var types = map[string]string{
	"index.html":  "text/html; charset=utf-8",
	"app.js":      "text/javascript; charset=utf-8",
	"style.css":   "text/css; charset=utf-8",
	"favicon.svg": "image/svg+xml",
}

// Paths are the paths that [Handler] answers, for a router that wants each one
// registered. The first is the page.
func Paths() []string { return []string{"/", "/app.js", "/style.css", "/favicon.svg"} }

type file struct {
	body []byte
	etag string
	typ  string
}

// Handler serves the page at / and its files beside it, to GET and HEAD; another
// method gets 405, another path 404. Under a prefix it needs [http.StripPrefix]. It
// may serve any number of requests at once.
//
// Every answer has an ETag of its content and Cache-Control: no-cache, so that a
// browser asks each time, and shows a new version at once. The page may load
// scripts, styles and pictures from its own origin only, never inline, and connect
// to its own origin, or to the one that ?api= names.
func Handler() http.Handler {
	served := make(map[string]file)
	for _, path := range Paths() {
		name := strings.TrimPrefix(path, "/")
		if name == "" {
			name = "index.html"
		}
		body, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded at build time: it cannot be missing
		}
		sum := sha256.Sum256(body)
		served[path] = file{body, `"` + hex.EncodeToString(sum[:12]) + `"`, types[name]}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "web: "+r.Method+" is not allowed here; use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.typ)
		h.Set("ETag", f.etag)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", policy(r.URL.Query().Get("api")))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		// ServeContent answers If-None-Match, ranges and HEAD.
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	})
}

// plainHost matches the hosts that a policy can name: a name or an IPv4 address, and a
// port. With any other host a query could add a directive to the policy.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

// policy returns the page's Content-Security-Policy. An api that is not an http
// or https URL with a plain host is left out: the page then cannot reach it.
func policy(api string) string {
	origin := ""
	if u, err := url.Parse(api); err == nil && (u.Scheme == "http" || u.Scheme == "https") && plainHost.MatchString(u.Host) {
		origin = " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'" + origin +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}
