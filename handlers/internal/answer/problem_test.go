package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestWriteProblem(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		status int
		body   string
	}{
		{"title is the status's", &sse.Problem{Status: 409, Detail: "busy"}, 409, `{"title":"Conflict","status":409,"detail":"busy"}`},
		{"wrapped", fmt.Errorf("opening: %w", &sse.Problem{Status: 404}), 404, `{"title":"Not Found","status":404}`},
		{"all fields", &sse.Problem{Type: "https://a.example/late", Title: "Too late", Status: 410, Detail: "gone", Parameter: "since", Offered: []string{"latest"}}, 410,
			`{"type":"https://a.example/late","title":"Too late","status":410,"detail":"gone","parameter":"since","offered":["latest"]}`},
		{"extensions, without those that are not JSON", &sse.Problem{Status: 402, Extensions: map[string]json.RawMessage{"balance": json.RawMessage("30"), "cost": json.RawMessage("{")}}, 402,
			`{"title":"Payment Required","status":402,"balance":30}`},
		{"a nil problem", (*sse.Problem)(nil), 500, `{"title":"Internal Server Error","status":500}`},
		{"status defaults to 500", &sse.Problem{Detail: "lost"}, 500, `{"title":"Internal Server Error","status":500,"detail":"lost"}`},
		{"a status that is not an error's", &sse.Problem{Status: 200}, 500, `{"title":"Internal Server Error","status":500}`},
		{"another error's text is not told", errors.New("password: 1234"), 500, `{"title":"Internal Server Error","status":500}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteProblem(w, tt.err)
			if got := w.Body.String(); w.Code != tt.status || got != tt.body+"\n" {
				t.Errorf("%d %s, want %d %s", w.Code, got, tt.status, tt.body)
			}
			for name, want := range map[string]string{
				"Content-Type":           "application/problem+json",
				"Content-Length":         strconv.Itoa(w.Body.Len()),
				"Cache-Control":          "no-store",
				"X-Content-Type-Options": "nosniff",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestProblemOfLeavesTheErrorAsItIs(t *testing.T) {
	p := &sse.Problem{Extensions: map[string]json.RawMessage{"cost": json.RawMessage("{")}}
	ProblemOf(p)
	if p.Status != 0 || p.Title != "" || len(p.Extensions) != 1 {
		t.Errorf("it is %+v now", p)
	}
}
