package cli

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server http.HandlerFunc
		args   []string
		code   int
		stdout string
		stderr string
		path   string
		body   string
	}{
		{"the usual message", answers(200, "text/plain", "sent ping!"), nil, 0, "sent ping!\n", "", "/ping", "message="},
		{"another message and URL", answers(200, "text/plain", "sent ping!"), []string{"--message", "a&b=ü", base + "/live/"}, 0, "sent ping!\n", "", "/live/ping", "message=a%26b%3D%C3%BC"},
		{"flags after the URL", answers(200, "text/plain", "ok"), []string{"stream.test", "--message=x"}, 0, "ok\n", "", "/ping", "message=x"},
		{"a hostile answer", answers(200, "text/plain", "\x1b[2J\nx"), nil, 0, "\\x1b[2J; x\n", "", "/ping", "message="},
		{"a problem", answers(413, "application/problem+json", `{"title":"Too Large","detail":"send less"}`), nil, 1, "",
			"fluxwire: the server answered 413 Request Entity Too Large: Too Large: send less\n", "/ping", "message="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{handlers: []http.HandlerFunc{tt.server}}
			r := play(t, s.serve, "ping", append(tt.args, "-H", "X-Key: k")...)
			if want := (result{tt.code, tt.stdout, tt.stderr}); r != want {
				t.Errorf("ping %q = %+v, want %+v", tt.args, r, want)
			}
			if len(s.requests) != 1 {
				t.Fatalf("%d requests, want 1", len(s.requests))
			}
			req := s.requests[0]
			if req.Method != "POST" || req.URL.Path != tt.path || s.bodies[0] != tt.body || req.Header.Get("Content-Type") != formType || req.Header.Get("X-Key") != "k" {
				t.Errorf("request %s %s %v %q, want a POST of the form %q to %s", req.Method, req.URL, req.Header, s.bodies[0], tt.body, tt.path)
			}
		})
	}
}

// ping waits for an answer for as long as --timeout says.
func TestPing_timeout(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server sees the client leave
		<-r.Context().Done()
	}
	for _, tt := range []struct {
		name      string
		args      []string
		interrupt time.Duration
		code      int
		took      time.Duration
		stderr    string
	}{
		{"ten seconds", nil, time.Hour, 1, 10 * time.Second, "fluxwire: no answer within 10s\n"},
		{"as long as it was told", []string{"--timeout=1m"}, time.Hour, 1, time.Minute, "fluxwire: no answer within 1m0s\n"},
		{"until a signal", nil, time.Second, 130, time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.interrupt)
				defer cancel()
				var stderr strings.Builder
				start := time.Now()
				code := inMemory(t, ctx, silent, Env{Stdout: io.Discard, Stderr: &stderr}, "ping", append(tt.args, base)...)
				// The rest, below a second, is Shutdown, which polls for open connections.
				if took := time.Since(start).Truncate(time.Second); code != tt.code || took != tt.took || stderr.String() != tt.stderr {
					t.Errorf("exit code %d after %v, standard error %q; want %d, %v, %q", code, took, &stderr, tt.code, tt.took, tt.stderr)
				}
			})
		})
	}
}
