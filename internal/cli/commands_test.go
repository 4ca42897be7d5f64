//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// command runs the program in this process, as launch does, to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	var out, errs strings.Builder
	code = run(ctx, args, lookup(nil), &out, &errs)
	return code, out.String(), errs.String()
}

func TestServe(t *testing.T) {
	p := launch(t, []string{"serve", "--addr=127.0.0.1:0"}, nil)
	if status, body := testkit.Fetch(t, testkit.Client(t, nil), p.url+"/healthz/live"); status != http.StatusOK {
		t.Errorf("GET /healthz/live = %d %q, want 200", status, body)
	}
}

// Two runs of tail print the same as one: the second resumes where the first says that
// it left off. Pings of the command ping are among the events.
func TestTailOfTheService(t *testing.T) {
	s := servicetest.Serve(t, service.Config{})
	for _, message := range []string{"one", "two", "three"} {
		if code, stdout, stderr := command(t, "ping", s.URL, "--message", message); code != 0 || stdout != "sent ping!\n" || stderr != "" {
			t.Fatalf("ping %s: exit code %d, standard output %q, standard error %q; want 0, the answer, nothing", message, code, stdout, stderr)
		}
	}
	tail := func(want []string, args ...string) (stderr string) {
		t.Helper()
		code, stdout, stderr := command(t, append([]string{"tail", "-o", "ndjson", "--event", "pong"}, args...)...)
		var got []string
		for dec := json.NewDecoder(strings.NewReader(stdout)); ; {
			var ev struct{ ID, Event, Data string }
			if err := dec.Decode(&ev); err == io.EOF {
				break
			} else if err != nil || ev.ID == "" || ev.Event != "pong" {
				t.Fatalf("tail %q prints %q: %+v, %v; want lines of JSON, each with an id", args, stdout, ev, err)
			}
			got = append(got, ev.Data)
		}
		if code != 0 || !slices.Equal(got, want) {
			t.Fatalf("tail %q: exit code %d, pongs %q, standard error %q; want 0, %q", args, code, got, stderr, want)
		}
		return stderr
	}
	stderr := tail([]string{"one", "two"}, "--take", "2", s.URL+"/stream-sse?earliest")
	_, id, ok := strings.Cut(stderr, "resume with --last-event-id ")
	if !ok {
		t.Fatalf("standard error %q, want it to say where to resume", stderr)
	}
	tail([]string{"three"}, "--take", "1", "--last-event-id", strings.TrimSpace(id), s.URL+"/stream-sse")
	// The service ends a stream after take events, with stream.complete.
	if stderr := tail([]string{}, s.URL+"/stream-flux?take=1"); !strings.HasSuffix(stderr, "fluxwire: the stream is complete\n") {
		t.Errorf("tail of a stream that ends: standard error %q, want that it is complete", stderr)
	}
	// With an id that cannot be read it starts at the oldest event.
	if stderr := tail([]string{"one"}, "--take=1", "--last-event-id=none", s.URL+"/stream-sse"); !strings.Contains(stderr, "\nfluxwire: gap: events may be missing") {
		t.Errorf("tail from an id that cannot be read: standard error %q, want it to report a gap", stderr)
	}

	code, _, stderr := command(t, "tail", s.URL+"/nowhere")
	if code != 3 || !strings.Contains(stderr, "404 Not Found") || !strings.Contains(stderr, "nothing is served at /nowhere") {
		t.Errorf("tail of a path that is not there: exit code %d, standard error %q; want 3 and the problem", code, stderr)
	}
	code, _, stderr = command(t, "ping", s.URL, "--message", strings.Repeat("x", 70_000))
	if code != 1 || !strings.Contains(stderr, "message is longer than 65536 bytes") {
		t.Errorf("ping with a long message: exit code %d, standard error %q; want 1 and the problem", code, stderr)
	}
	gone := testkit.FreeAddr(t)
	for _, name := range []string{"tail", "ping"} {
		if code, _, stderr := command(t, name, gone); code != 1 || !strings.Contains(stderr, "connection refused") {
			t.Errorf("%s without a server: exit code %d, standard error %q; want 1 and the reason", name, code, stderr)
		}
	}
}
