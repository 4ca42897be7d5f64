package handlers

import (
	"net/http"
	"strings"
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

func TestCORS(t *testing.T) {
	const page, other = "https://app.example", "https://other.example"
	for _, tt := range []struct {
		name                   string
		origins                []string
		origin                 string
		allowed, credentials   string
		varies, answersAnybody bool
	}{
		{"closed", nil, page, "", "", false, false},
		{"open", []string{"*"}, page, "*", "", false, true},
		{"open, no origin", []string{"*"}, "", "*", "", false, true},
		{"listed", []string{page}, page, page, "true", true, false},
		{"listed, by other capitals", []string{"https://App.Example"}, page, page, "true", true, false},
		{"not listed", []string{page}, other, "", "", true, false},
		{"listed beside *", []string{"*", page}, page, page, "true", true, false},
		{"not listed beside *", []string{"*", page}, other, "*", "", true, false},
		{"a prefix of one listed", []string{page}, "https://app.example.evil", "", "", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, Config{Origins: tt.origins}, silent, func(h *harness) {
				check := func(what string, a *reply) {
					t.Helper()
					if got := a.Header.Get("Access-Control-Allow-Origin"); got != tt.allowed {
						t.Errorf("%s: Allow-Origin %q, want %q", what, got, tt.allowed)
					}
					if got := a.Header.Get("Access-Control-Allow-Credentials"); got != tt.credentials {
						t.Errorf("%s: Allow-Credentials %q, want %q", what, got, tt.credentials)
					}
					if got := strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Origin"); got != tt.varies && tt.origin != "" {
						t.Errorf("%s: Vary %q", what, a.Header.Values("Vary"))
					}
					exposed := strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Stream-Heartbeat")
					if exposed != (tt.allowed != "") {
						t.Errorf("%s: Expose-Headers %q", what, a.Header.Get("Access-Control-Expose-Headers"))
					}
				}
				var header []string
				if tt.origin != "" {
					header = []string{"Origin", tt.origin}
				}
				a := h.get("/", header...)
				check("GET", a)
				a.leave()
				check("an error", h.get("/", append(header, "Accept", "text/html")...))

				a = h.do("OPTIONS", "/", append(header, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "last-event-id, x-token")...)
				check("preflight", a)
				wantMethods, wantHeaders := "GET, HEAD, OPTIONS", "last-event-id, x-token"
				if tt.allowed == "" || tt.origin == "" {
					wantMethods, wantHeaders = "", ""
				}
				if got := a.Header.Get("Access-Control-Allow-Methods"); got != wantMethods {
					t.Errorf("preflight: Allow-Methods %q, want %q", got, wantMethods)
				}
				if got := a.Header.Get("Access-Control-Allow-Headers"); got != wantHeaders {
					t.Errorf("preflight: Allow-Headers %q, want %q", got, wantHeaders)
				}
			})
		})
	}
}

func TestMethodsOfOtherHandlers(t *testing.T) {
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

func TestConfigErrorsNameEveryField(t *testing.T) {
	_, err := New(Config{WriteTimeout: -1, Retry: -1, MaxEvent: -1, Origins: []string{"app.example"}})
	if err == nil {
		t.Fatal("New = nil error")
	}
	for _, field := range []string{"WriteTimeout", "Retry", "MaxEvent", "Origins", `"app.example"`} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("error %q says nothing of %s", err, field)
		}
	}
	for _, origin := range []string{"", "https://a.example/", "https://a.example/path", "https://u@a.example", "null"} {
		if _, err := New(Config{Origins: []string{origin}}); err == nil {
			t.Errorf("origin %q is accepted", origin)
		}
	}
}
