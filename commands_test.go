//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/service"
)

// command runs the program in this process, as launch does, to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs strings.Builder
	code = run(ctx, args, lookup(nil), &out, &errs)
	return code, out.String(), errs.String()
}

func TestServeIsACommand(t *testing.T) {
	p := launch(t, []string{"serve", "--addr=127.0.0.1:0"}, nil)
	if status, body := fetch(t, newClient(t, nil), p.url+"/healthz/live"); status != http.StatusOK {
		t.Errorf("GET /healthz/live = %d %q, want 200", status, body)
	}
}

// Two runs of tail are one: the second goes on where the first says that it
// left off. What was sent by the command ping is among it.
func TestTailOfTheService(t *testing.T) {
	s := serve(t, service.Config{})
	for _, message := range []string{"one", "two", "three"} {
		if code, stdout, stderr := command(t, "ping", s.url, "--message", message); code != 0 || stdout != "sent ping!\n" || stderr != "" {
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
	stderr := tail([]string{"one", "two"}, "--take", "2", s.url+"/stream-sse?earliest")
	_, id, ok := strings.Cut(stderr, "resume with --last-event-id ")
	if !ok {
		t.Fatalf("standard error %q, want it to say where to go on", stderr)
	}
	tail([]string{"three"}, "--take", "1", "--last-event-id", strings.TrimSpace(id), s.url+"/stream-sse")
	// The service counts as well, and tells that it is done.
	if stderr := tail([]string{}, s.url+"/stream-flux?take=1"); !strings.HasSuffix(stderr, "fluxwire: the stream is complete\n") {
		t.Errorf("tail of a stream that ends: standard error %q, want that it is complete", stderr)
	}
	// With an id that is none it goes on from the oldest event.
	if stderr := tail([]string{"one"}, "--take=1", "--last-event-id=none", s.url+"/stream-sse"); !strings.Contains(stderr, "\nfluxwire: gap: events may be missing") {
		t.Errorf("tail from an id that is none: standard error %q, which says nothing of a gap", stderr)
	}

	code, _, stderr := command(t, "tail", s.url+"/nowhere")
	if code != 3 || !strings.Contains(stderr, "404 Not Found") || !strings.Contains(stderr, "nothing is served at /nowhere") {
		t.Errorf("tail of a path that is not there: exit code %d, standard error %q; want 3 and the problem", code, stderr)
	}
	code, _, stderr = command(t, "ping", s.url, "--message", strings.Repeat("x", 70_000))
	if code != 1 || !strings.Contains(stderr, "message is longer than 65536 bytes") {
		t.Errorf("ping with a long message: exit code %d, standard error %q; want 1 and the problem", code, stderr)
	}
	gone := freeAddr(t)
	for _, name := range []string{"tail", "ping"} {
		if code, _, stderr := command(t, name, gone); code != 1 || !strings.Contains(stderr, "connection refused") {
			t.Errorf("%s where nobody serves: exit code %d, standard error %q; want 1 and the reason", name, code, stderr)
		}
	}
}

// TestTailAsAProcess ends it in the ways that a shell does.
func TestTailAsAProcess(t *testing.T) {
	path := build(t)
	s := serve(t, service.Config{})
	client := newClient(t, nil)
	// follow starts it on /events, and has it print a first event.
	follow := func(t *testing.T) (cmd *exec.Cmd, out *os.File, stderr *bytes.Buffer) {
		t.Helper()
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		stderr = new(bytes.Buffer)
		cmd = exec.Command(path, "tail", s.url+"/events?earliest", "--quiet")
		cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, in, stderr
		err = cmd.Start()
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		t.Cleanup(func() { stuck.Stop() })
		ping(t, client, s.url, "first")
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasSuffix(line, " message first\n") {
			t.Fatalf("printed %q, %v; want the first event", line, err)
		}
		return cmd, out, stderr
	}

	t.Run("its reader leaves", func(t *testing.T) {
		cmd, out, stderr := follow(t)
		out.Close()
		ping(t, client, s.url, "second")
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("it ended with %v, standard error %q; want exit code 0, nothing", err, stderr)
		}
	})
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, _, stderr := follow(t)
			cmd.Process.Signal(signal)
			if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 || stderr.Len() > 0 {
				t.Errorf("it ended with %v, standard error %q; want exit code 130, nothing", cmd.ProcessState, stderr)
			}
		})
	}
	t.Run("a second signal, while its output is stuck", func(t *testing.T) {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close() // nobody reads it
		stuck := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			events := strings.Repeat("data: x\n\n", 8<<10)
			for err := error(nil); err == nil; { // until every buffer on the way is full
				http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second / 4))
				_, err = io.WriteString(w, events)
			}
			close(stuck)
			<-r.Context().Done()
		}))
		defer server.Close()
		cmd := exec.Command(path, "tail", server.URL)
		cmd.Env, cmd.Stdout = []string{}, in
		err = cmd.Start()
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		<-stuck
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		defer cmd.Process.Kill()
		eventually(t, "it has ended", func() bool {
			cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-ended:
				return true
			default:
				return false
			}
		})
	})
}
