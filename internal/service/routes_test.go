package service

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOperations(t *testing.T) {
	get := func(h http.Handler, path string) (*http.Response, string) {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Origin", "https://app.example")
		h.ServeHTTP(rec, r)
		body, _ := io.ReadAll(rec.Result().Body)
		return rec.Result(), string(body)
	}
	beside := newService(t, Config{Origins: []string{"*"}})
	apart := newService(t, Config{Origins: []string{"*"}, AdminAddr: "127.0.0.1:0"})
	for _, tt := range []struct {
		name string
		h    http.Handler
		path string
		code int
		says string
	}{
		{"alive", beside.public, "/healthz/live", 200, "ok\n"},
		{"ready", beside.public, "/healthz/ready", 200, "ok\n"},
		{"metrics", beside.public, "/metrics", 200, "go_goroutines"},
		{"no pprof on the public address", beside.public, "/debug/pprof/", 404, ""},
		{"alive, apart", apart.admin, "/healthz/live", 200, "ok\n"},
		{"metrics, apart", apart.admin, "/metrics", 200, "process_open_fds"},
		{"pprof, apart", apart.admin, "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"no streams there", apart.admin, "/stream-sse", 404, ""},
		{"no health on the public side then", apart.public, "/healthz/live", 404, ""},
		{"no metrics either", apart.public, "/metrics", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := get(tt.h, tt.path)
			if res.StatusCode != tt.code || !strings.Contains(body, tt.says) {
				t.Errorf("%s: %d %.200q, want %d and %q", tt.path, res.StatusCode, body, tt.code, tt.says)
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s is open to pages of %s", tt.path, got)
			}
		})
	}
	if err := beside.streams.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if res, body := get(beside.public, "/healthz/ready"); res.StatusCode != 503 || !strings.Contains(body, "shutting down") {
		t.Errorf("ready while draining: %d %s", res.StatusCode, body)
	}
	if res, _ := get(beside.public, "/healthz/live"); res.StatusCode != 200 {
		t.Errorf("alive while draining: %d", res.StatusCode)
	}
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	s := newService(t, Config{})
	for _, tt := range []struct {
		method, path string
		code         int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"POST", "/stream-sse", 405, "GET, HEAD, OPTIONS"},
		{"BREW", "/stream-sse", 405, ""},
		{"DELETE", "/ping", 405, "GET, POST, HEAD, OPTIONS"},
		{"POST", "/", 405, ""},
		{"POST", "/metrics", 405, ""},
	} {
		rec := httptest.NewRecorder()
		s.public.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, nil))
		if rec.Code != tt.code || rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %q, want %d and a problem", tt.method, tt.path, rec.Code, rec.Header().Get("Content-Type"), tt.code)
		}
		if got := rec.Header().Get("Allow"); tt.code == 405 && (got == "" || tt.allow != "" && got != tt.allow) {
			t.Errorf("%s %s: Allow %q, want %q", tt.method, tt.path, got, tt.allow)
		}
	}
}
