package web

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func get(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHandler_files(t *testing.T) {
	want := map[string]string{
		"/":            "text/html; charset=utf-8",
		"/app.js":      "text/javascript; charset=utf-8",
		"/style.css":   "text/css; charset=utf-8",
		"/favicon.svg": "image/svg+xml",
	}
	if got := len(Paths()); got != len(want) {
		t.Errorf("there are %d paths, want %d", got, len(want))
	}
	for _, path := range Paths() {
		res := get(t, "GET", path)
		if got := res.Header.Get("Content-Type"); res.StatusCode != 200 || got != want[path] {
			t.Errorf("GET %s: %d, %q, want 200, %q", path, res.StatusCode, got, want[path])
		}
		for name, value := range map[string]string{"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := res.Header.Get(name); got != value {
				t.Errorf("GET %s: %s is %q, want %q", path, name, got, value)
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("GET %s: the policy is %q", path, csp)
		}
		name := strings.TrimPrefix(path, "/")
		if name == "" {
			name = "index.html"
		}
		if b, err := fs.ReadFile(files, name); err != nil || string(b) != body(t, res) {
			t.Errorf("GET %s is not %s: %v", path, name, err)
		}
	}
}

func TestHandler_notModified(t *testing.T) {
	tags := map[string]bool{}
	for _, path := range Paths() {
		tag := get(t, "GET", path).Header.Get("ETag")
		tags[tag] = true
		res := get(t, "GET", path, "If-None-Match", tag)
		if b := body(t, res); res.StatusCode != http.StatusNotModified || b != "" || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s with %s: %d, %d bytes, want 304, none, and the policy", path, tag, res.StatusCode, len(b))
		}
		if res := get(t, "GET", path, "If-None-Match", `"other"`); res.StatusCode != 200 {
			t.Errorf("GET %s with another tag: %d, want 200", path, res.StatusCode)
		}
	}
	if len(tags) != len(Paths()) {
		t.Errorf("%d files have the tags %v", len(Paths()), tags)
	}
}

func TestHandler_methodsAndPaths(t *testing.T) {
	if res := get(t, "HEAD", "/"); res.StatusCode != 200 || body(t, res) != "" || res.ContentLength < 1000 {
		t.Errorf("HEAD /: %d, length %d, want 200, the length, and no body", res.StatusCode, res.ContentLength)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if res := get(t, method, "/"); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s /: %d, Allow %q, want 405, GET, HEAD", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/web.go", "/index.html/", "/../web.go", "/missing"} {
		if res := get(t, "GET", path); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, res.StatusCode)
		}
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	for _, tt := range []struct{ name, api, want string }{
		{"none is the page's own origin", "", "connect-src 'self';"},
		{"an https origin with a path", "https://other.example/base/", "connect-src 'self' https://other.example;"},
		{"a port", "http://127.0.0.1:8080", "connect-src 'self' http://127.0.0.1:8080;"},
		{"user and password are left out", "https://me:secret@other.example/", "connect-src 'self' https://other.example;"},
		{"a relative one is the page's own origin", "/other/", "connect-src 'self';"},
		{"another scheme is refused", "ws://other.example/", "connect-src 'self';"},
		{"a scheme for scripts is refused", "javascript:alert(1)", "connect-src 'self';"},
		{"a directive cannot be added", "https://a.example;script-src *", "connect-src 'self';"},
		{"nor a source", "https://a.example *", "connect-src 'self';"},
		{"nor a policy", "https://a.example,default-src *", "connect-src 'self';"},
		{"nor a wildcard", "https://*", "connect-src 'self';"},
		{"a literal that policies cannot name is refused", "http://[::1]:8080/", "connect-src 'self';"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := policy(tt.api)
			if !strings.Contains(got, "; "+tt.want) || strings.Count(got, ";") != strings.Count(policy(""), ";") || strings.Contains(got, ",") {
				t.Errorf("policy(%q) = %q, want %q in it and nothing else", tt.api, got, tt.want)
			}
		})
	}
}

// The policy forbids these too, but only where a browser runs.
func TestPage_selfContained(t *testing.T) {
	page := body(t, get(t, "GET", "/"))
	for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if m[1] != "ping" && !slices.Contains(Paths(), "/"+m[1]) {
			t.Errorf("the page refers to %q: want a relative URL of a file that is served", m[1])
		}
	}
	for _, inline := range []string{"<style", " style=", " onclick=", " onload=", "<script>"} {
		if strings.Contains(page, inline) {
			t.Errorf("the page has %q in it", inline)
		}
	}
	if css := body(t, get(t, "GET", "/style.css")); strings.Contains(css, "url(") || strings.Contains(css, "@import") {
		t.Error("the style loads something")
	}
	if js := body(t, get(t, "GET", "/app.js")); strings.Count(js, "\n") >= 450 {
		t.Errorf("app.js has %d lines: it is meant to be read in one go", strings.Count(js, "\n"))
	}
	_, noscript, _ := strings.Cut(page, "<noscript>")
	noscript, _, _ = strings.Cut(noscript, "</noscript>")
	if got := strings.Count(noscript, "curl "); got != 3 {
		t.Errorf("without scripts the page shows %d curl commands, want 3", got)
	}
}
