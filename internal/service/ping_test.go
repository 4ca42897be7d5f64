package service

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

const form = "application/x-www-form-urlencoded"

func newService(t *testing.T, cfg Config) *Service {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPing(t *testing.T) {
	long := strings.Repeat("é", maxMessage/2)
	for _, tt := range []struct {
		name, method, query, kind, body string
		status                          int
		message                         string // "" means that no message is sent
	}{
		{"GET", "GET", "", "", "", 200, "pong!"},
		{"POST", "POST", "", "", "", 200, "pong!"},
		{"HEAD asks, and sends nothing", "HEAD", "", "", "", 200, ""},
		{"a message in the query", "GET", "message=a+b", "", "", 200, "a b"},
		{"a message in the query of a POST", "POST", "message=a", "", "", 200, "a"},
		{"a message in a form", "POST", "", form, "message=a%0Ab", 200, "a\nb"},
		{"the form goes before the query", "POST", "message=query", form, "message=form", 200, "form"},
		{"an empty message is the default one", "GET", "message=", "", "", 200, "pong!"},
		{"as long as it may be, in a form", "POST", "", form, "message=" + url.QueryEscape(long), 200, long},
		{"as long as it may be, in the query", "GET", "message=" + url.QueryEscape(long), "", "", 200, long},
		{"too long", "POST", "", form, "message=" + strings.Repeat("a", maxMessage+1), 413, ""},
		{"far too long", "POST", "", form, "message=" + strings.Repeat("a", 10*maxMessage), 413, ""},
		{"no UTF-8", "GET", "message=%ff", "", "", 400, ""},
		{"a broken form", "POST", "", form, "message=%zz", 400, ""},
		{"a broken query", "GET", "message=%zz", "", "", 400, ""},
		{"another body is not looked at", "POST", "", "application/json", `{"message":"a"}`, 200, "pong!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, Config{})
				defer s.builtin.live.Close()
				defer s.builtin.pongs.Close()
				cursor := s.builtin.pongs.Feed().Subscribe(hub.Live(), hub.PolicyToOldest, hub.Filter{})

				r := httptest.NewRequest(tt.method, "/ping?"+tt.query, strings.NewReader(tt.body))
				if tt.kind != "" {
					r.Header.Set("Content-Type", tt.kind)
				}
				rec := httptest.NewRecorder()
				s.public.ServeHTTP(rec, r)
				b, err := cursor.Poll()
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for ev, err := range sse.NewDecoder(bytes.NewReader(b.Frames)).Events() {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(ev.Data))
				}
				if rec.Code != tt.status {
					t.Errorf("status %d, want %d: %s", rec.Code, tt.status, rec.Body)
				}
				if tt.status == 200 && tt.method != "HEAD" && rec.Body.String() != "sent ping!" {
					t.Errorf("body %q, want %q", rec.Body, "sent ping!")
				}
				if tt.status >= 400 && rec.Header().Get("Content-Type") != "application/problem+json" {
					t.Errorf("an error is told as %q", rec.Header().Get("Content-Type"))
				}
				if want := tt.message; want == "" && len(got) != 0 || want != "" && (len(got) != 1 || got[0] != want) {
					t.Errorf("sent %.80q, want %.80q", got, want)
				}
			})
		})
	}
}

func TestPingByMultipartForm(t *testing.T) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("message", "from a form")
	w.Close()
	r := httptest.NewRequest("POST", "/ping", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	message, err := pingMessage(httptest.NewRecorder(), r)
	if message != "from a form" || err != nil {
		t.Errorf("pingMessage = %q, %v", message, err)
	}
}
