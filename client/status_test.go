package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestStatusError(t *testing.T) {
	problem := `{"type":"https://example.com/taken","title":"Name taken","status":409,"detail":"choose another","instance":"/a","alternatives":["b"]}`
	for _, tt := range []struct {
		name    string
		answer  step
		text    string
		problem *sse.Problem
	}{
		{"a problem is read", answer(409, problem, "Content-Type", "application/problem+json; charset=utf-8"),
			"client: the server answered 409 Conflict: Name taken: choose another",
			&sse.Problem{Type: "https://example.com/taken", Title: "Name taken", Status: 409, Detail: "choose another", Instance: "/a", Extensions: map[string]json.RawMessage{"alternatives": json.RawMessage(`["b"]`)}}},
		{"members of a wrong type are ignored", answer(400, `{"title":7,"status":"x","detail":"still here"}`, "Content-Type", "application/problem+json"),
			"client: the server answered 400 Bad Request: still here", &sse.Problem{Type: "about:blank", Detail: "still here"}},
		{"only a title", answer(400, `{"title":"Bad"}`, "Content-Type", "application/problem+json"),
			"client: the server answered 400 Bad Request: Bad", &sse.Problem{Type: "about:blank", Title: "Bad"}},
		{"an invalid problem", answer(400, `[1]`, "Content-Type", "application/problem+json"),
			"client: the server answered 400 Bad Request: [1]", nil},
		{"JSON is not a problem", answer(400, `{"title":"x"}`, "Content-Type", "application/json"),
			`client: the server answered 400 Bad Request: {"title":"x"}`, nil},
		{"text becomes one line", answer(404, "no\n such\tpage\xff\n"), "client: the server answered 404 Not Found: no such page\uFFFD", nil},
		{"no text", answer(500, ""), "client: the server answered 500 Internal Server Error", nil},
		{"long text is cut between characters", answer(500, strings.Repeat("a", 199)+"éé"),
			"client: the server answered 500 Internal Server Error: " + strings.Repeat("a", 199) + " …", nil},
		{"a redirect without a Location", answer(301, ""), "client: the server answered 301 Moved Permanently without a Location", nil},
		{"not modified", answer(304, ""), "client: the server answered 304 Not Modified", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, tt.answer, tt.answer)
				_, once := Once[string](t.Context(), host, HTTPClient(s.HTTP))
				_, stream := collect(t.Context(), s)
				for call, err := range map[string]error{"Once": once, "Follow": stream} {
					e, ok := errors.AsType[*StatusError](err)
					if !ok || err.Error() != tt.text {
						t.Errorf("%s: %#v (%v), want a *StatusError: %s", call, err, err, tt.text)
						continue
					}
					if !reflect.DeepEqual(e.Problem, tt.problem) {
						t.Errorf("%s: problem %+v, want %+v", call, e.Problem, tt.problem)
					}
					if want := fmt.Sprint(e.StatusCode, " ", http.StatusText(e.StatusCode)); e.Status != want || e.Header.Get("Date") == "" {
						t.Errorf("%s: status %q, headers %v", call, e.Status, e.Header)
					}
				}
			})
		})
	}
}

func TestFollowRequiresStatus200(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{201, 202, 206, 299} {
			s := newScript(t, answer(status, "data: x\n\n", "Content-Type", "text/event-stream"))
			data, err := collect(t.Context(), s)
			if e, ok := errors.AsType[*StatusError](err); !ok || e.StatusCode != status || data != nil {
				t.Errorf("status %d: %q, %v; want a *StatusError", status, data, err)
			}
		}
	})
}

func TestErrorBodyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			answer(500, strings.Repeat("x", maxErrorBody+1)),
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				play(w, r, "not he", "re")
				<-r.Context().Done()
			})
		_, err := Once[string](t.Context(), host, HTTPClient(s.HTTP))
		if e, ok := errors.AsType[*StatusError](err); !ok || len(e.Body) != 64<<10 {
			t.Errorf("%T with %d bytes, want a *StatusError with 64 KiB", err, len(e.Body))
		}
		start := time.Now()
		_, err = collect(t.Context(), s)
		if took := time.Since(start); took != 5*time.Second || errText(err) != "client: the server answered 404 Not Found: not here" {
			t.Errorf("an unfinished error came after %v as %v, want it after 5s", took, err)
		}
	})
}

func TestOnStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errMine := errors.New("sold out")
		var seen []string
		hook := OnStatus(func(res *http.Response) error {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
			}
			seen = append(seen, res.Status+" "+string(body))
			if res.StatusCode == http.StatusServiceUnavailable {
				return errMine
			}
			return nil
		})
		s := newScript(t,
			answer(http.StatusOK, "fine"), answer(http.StatusConflict, "taken"), answer(http.StatusServiceUnavailable, "gone"),
			sends("data: x\n\n"), answer(http.StatusBadGateway, "later"), answer(http.StatusServiceUnavailable, "gone"))
		if v, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), hook); v != "fine" || err != nil {
			t.Errorf("Once = %q, %v", v, err)
		}
		_, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), hook)
		if e, ok := errors.AsType[*StatusError](err); !ok || string(e.Body) != "taken" {
			t.Errorf("Once: %v, want the *StatusError, its body unread by the hook", err)
		}
		if _, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), hook); err != errMine {
			t.Errorf("Once: %v, want the hook's error", err)
		}
		if data, err := collect(t.Context(), s, hook); err != errMine || !slices.Equal(data, []string{"x"}) {
			t.Errorf("Follow: %q, %v; want [x] and the hook's error, without a retry", data, err)
		}
		if want := []string{"409 Conflict taken", "503 Service Unavailable gone", "502 Bad Gateway later", "503 Service Unavailable gone"}; !slices.Equal(seen, want) {
			t.Errorf("the hook saw %q, want %q", seen, want)
		}
	})
}
