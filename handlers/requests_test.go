package handlers

import (
	"net/http"
	"testing"
)

func TestMethods(t *testing.T) {
	virtual(t, Config{Origins: []string{"*"}}, silent, func(h *harness) {
		a := h.do("HEAD", "/")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" || a.Header.Get("Stream-Heartbeat") != "15" {
			t.Errorf("HEAD: %d %v", a.StatusCode, a.Header)
		}
		if a := h.do("HEAD", "/", "Accept", "text/html"); a.StatusCode != 406 {
			t.Errorf("HEAD for text/html: %d, want 406", a.StatusCode)
		}
		a = h.do("OPTIONS", "/")
		if got, want := a.Header.Get("Allow"), "GET, HEAD, OPTIONS"; a.StatusCode != 204 || got != want {
			t.Errorf("OPTIONS: %d, Allow %q; want 204, %q", a.StatusCode, got, want)
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PURGE"} {
			a := h.do(method, "/")
			if got, want := a.Header.Get("Allow"), "GET, HEAD, OPTIONS"; got != want {
				t.Errorf("%s: Allow %q, want %q", method, got, want)
			}
			a.problem(405, method, "GET, HEAD, OPTIONS")
		}
		if n := h.srv.Stats().Routes["s"].Opened; n != 0 {
			t.Errorf("%d streams were opened", n)
		}
	})
}

// Package answer tests the rules of CORS. This tests that every response has its headers.
func TestCORS(t *testing.T) {
	const page = "https://app.example"
	virtual(t, Config{Origins: []string{page}}, silent, func(h *harness) {
		check := func(what string, a *reply) {
			t.Helper()
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != page {
				t.Errorf("%s: Allow-Origin %q, want %q", what, got, page)
			}
		}
		a := h.get("/", "Origin", page)
		check("GET", a)
		a.leave()
		check("an error", h.get("/", "Origin", page, "Accept", "text/html"))
		a = h.do("OPTIONS", "/", "Origin", page, "Access-Control-Request-Method", "GET")
		check("preflight", a)
		if got, want := a.Header.Get("Access-Control-Allow-Methods"), "GET, HEAD, OPTIONS"; got != want {
			t.Errorf("preflight: Allow-Methods %q, want %q", got, want)
		}
	})
}

func TestServerMethods(t *testing.T) {
	mount := func(s *Server) http.Handler {
		return s.Methods(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Method)) }), "GET", "POST")
	}
	virtual(t, Config{Origins: []string{"*"}}, mount, func(h *harness) {
		for _, method := range []string{"GET", "POST"} {
			a := h.do(method, "/")
			if got := a.rest(); got != method || a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %q %v", method, got, a.Header)
			}
		}
		a := h.do("OPTIONS", "/", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
		if got, want := a.Header.Get("Access-Control-Allow-Methods"), "GET, POST, HEAD, OPTIONS"; got != want {
			t.Errorf("Allow-Methods %q, want %q", got, want)
		}
		h.do("DELETE", "/").problem(405, "DELETE")
	})
}

func TestFilter_nil(t *testing.T) {
	defer func() {
		if v := recover(); v != "handlers: Filter: nil function: it would choose every event for every client" {
			t.Errorf("Filter(nil) panics with %v", v)
		}
	}()
	Filter(nil)
}
