package answer

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	const page, other = "https://app.example", "https://other.example"
	for _, tt := range []struct {
		name                 string
		origins              []string
		origin               string
		allowed, credentials string
		varies               bool
	}{
		{"closed", nil, page, "", "", false},
		{"open", []string{"*"}, page, "*", "", false},
		{"open, request without an origin", []string{"*"}, "", "*", "", false},
		{"listed", []string{page}, page, page, "true", true},
		{"listed in other capitals", []string{"https://App.Example"}, page, page, "true", true},
		{"not listed", []string{page}, other, "", "", true},
		{"listed, request without an origin", []string{page}, "", "", "", true},
		{"listed beside *", []string{"*", page}, page, page, "true", true},
		{"not listed beside *", []string{"*", page}, other, "*", "", true},
		{"longer than one listed", []string{page}, "https://app.example.evil", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := NewCORS(tt.origins)
			if err != nil {
				t.Fatal(err)
			}
			request := func(method string) *http.Request {
				r := httptest.NewRequest(method, "/", nil)
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				return r
			}
			check := func(what string, h http.Header) {
				t.Helper()
				if got := h.Get("Access-Control-Allow-Origin"); got != tt.allowed {
					t.Errorf("%s: Allow-Origin %q, want %q", what, got, tt.allowed)
				}
				if got := h.Get("Access-Control-Allow-Credentials"); got != tt.credentials {
					t.Errorf("%s: Allow-Credentials %q, want %q", what, got, tt.credentials)
				}
				if got := slices.Contains(h.Values("Vary"), "Origin"); got != tt.varies {
					t.Errorf("%s: Vary %q; varies by Origin: %v, want %v", what, h.Values("Vary"), got, tt.varies)
				}
				exposed := strings.Contains(h.Get("Access-Control-Expose-Headers"), "Stream-Heartbeat")
				if exposed != (tt.allowed != "") {
					t.Errorf("%s: Expose-Headers %q", what, h.Get("Access-Control-Expose-Headers"))
				}
			}

			w := httptest.NewRecorder()
			if !c.Admit(w, request("GET"), []string{"GET"}) {
				t.Errorf("GET is refused with %d", w.Code)
			}
			check("GET", w.Header())

			w = httptest.NewRecorder()
			if c.Admit(w, request("DELETE"), []string{"GET"}) {
				t.Error("DELETE is admitted")
			}
			check("405", w.Header())

			w = httptest.NewRecorder()
			r := request("OPTIONS")
			r.Header.Set("Access-Control-Request-Method", "GET")
			r.Header.Set("Access-Control-Request-Headers", "last-event-id, x-token")
			if c.Admit(w, r, []string{"GET", "HEAD"}) || w.Code != http.StatusNoContent {
				t.Errorf("preflight: status %d, want 204", w.Code)
			}
			check("preflight", w.Header())
			wantMethods, wantHeaders, wantAge := "GET, HEAD, OPTIONS", "last-event-id, x-token", "7200"
			if tt.allowed == "" || tt.origin == "" {
				wantMethods, wantHeaders, wantAge = "", "", ""
			}
			for name, want := range map[string]string{"Methods": wantMethods, "Headers": wantHeaders} {
				if got := w.Header().Get("Access-Control-Allow-" + name); got != want {
					t.Errorf("preflight: Allow-%s %q, want %q", name, got, want)
				}
			}
			if got := w.Header().Get("Access-Control-Max-Age"); got != wantAge {
				t.Errorf("preflight: Max-Age %q, want %q", got, wantAge)
			}
		})
	}
}

func TestNewCORS(t *testing.T) {
	for _, origin := range []string{"", "app.example", "https://a.example/", "https://a.example/path", "https://a.example?q", "https://a.example#f", "https://u@a.example", "null"} {
		if _, err := NewCORS([]string{"*", origin}); err == nil || !strings.Contains(err.Error(), `"`+origin+`"`) {
			t.Errorf("NewCORS(%q) = %v, want an error that quotes it", origin, err)
		}
	}
}

func TestAdmit(t *testing.T) {
	methods := []string{"GET", "POST", ""}[:2] // with room for one more, which is the caller's
	for _, tt := range []struct {
		method string
		status int // 0 if it is admitted
	}{
		{"GET", 0}, {"POST", 0},
		{"OPTIONS", 204},
		{"HEAD", 405}, {"PUT", 405}, {"PURGE", 405}, {"get", 405},
	} {
		w := httptest.NewRecorder()
		admitted := CORS{}.Admit(w, httptest.NewRequest(tt.method, "/", nil), methods)
		if admitted != (tt.status == 0) || !admitted && w.Code != tt.status {
			t.Errorf("%s: admitted %v with status %d, want %d", tt.method, admitted, w.Code, tt.status)
		}
		if got, want := w.Header().Get("Allow"), "GET, POST, OPTIONS"; !admitted && got != want {
			t.Errorf("%s: Allow %q, want %q", tt.method, got, want)
		}
	}
	if got := methods[:3]; !slices.Equal(got, []string{"GET", "POST", ""}) {
		t.Errorf("Admit changed its argument to %q", got)
	}
}
