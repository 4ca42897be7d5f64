package cli

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
)

// A run resumes where the previous one stopped, whatever stopped it.
func TestPositionFile(t *testing.T) {
	const wire = "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n"
	full := &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
	for _, tt := range []struct {
		name string
		wire string
		args []string
		out  io.Writer
		code int
		want string // where the next run resumes
	}{
		{"the connection is closed", wire, nil, nil, 0, "3"},
		{"as many as were asked for", wire, []string{"--take=2"}, nil, 0, "2"},
		{"an event that is not printed", wire, []string{"--event=x"}, nil, 0, "3"},
		{"an event that could not be printed", wire, nil, &brokenPipe{1, full}, 1, "1"},
		{"the reader has gone", wire, nil, &brokenPipe{1, syscall.EPIPE}, 0, "1"},
		{"a block without an event", "id: prime\n\n", nil, nil, 0, "prime"},
		{"a gap", wire + "id: 9\nevent: stream.gap\ndata: {}\n\n", nil, nil, 0, "9"},
		{"a reset", wire + "id\n\n", nil, nil, 0, "start"},
		{"the end", wire + "id: end\n" + complete, nil, nil, 0, "end"},
		{"a source that failed", wire + "event: stream.error\ndata\n\n", nil, nil, 4, "3"},
		{"an event too large", "id: 1\ndata: a\n\nid: 2\ndata: " + strings.Repeat("x", 100) + "\n\n", []string{"--max-event=50"}, nil, 1, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "position")
			s := &script{handlers: []http.HandlerFunc{sends(tt.wire)}}
			args := []string{"--position-file", file, "--last-event-id=start", "--no-reconnect", base}
			synctest.Test(t, func(t *testing.T) {
				var stderr strings.Builder
				if tt.out == nil {
					tt.out = io.Discard
				}
				code := inMemory(t, t.Context(), s.serve, Env{Stdout: tt.out, Stderr: &stderr}, "tail", append(tt.args, args...)...)
				if code != tt.code || strings.Contains(stderr.String(), "resume") {
					t.Errorf("exit code %d, standard error %q; want %d, no hint how to resume", code, &stderr, tt.code)
				}
			})
			if r := play(t, s.serve, "tail", args...); r.code != 0 {
				t.Errorf("the next run: exit code %d, standard error %q; want 0", r.code, r.stderr)
			}
			var ids []string
			for _, req := range s.requests {
				ids = append(ids, req.Header.Get("Last-Event-ID"))
			}
			if want := []string{"start", tt.want}; !slices.Equal(ids, want) {
				t.Errorf("asked to resume after %q, want %q", ids, want)
			}
		})
	}
}

func TestPositionFile_unreadable(t *testing.T) {
	dir := t.TempDir()
	damaged, used := filepath.Join(dir, "damaged"), filepath.Join(dir, "used")
	if err := os.WriteFile(damaged, []byte("7"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.OpenPositionFile(used)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for file, says := range map[string]string{
		damaged: "fluxwire: position: open: " + damaged + ": the file is damaged, or not a position file: restore it, or remove it to start without a position\n",
		used:    "fluxwire: position: open: " + used + ": the file is in use by another stream: give each a file of its own\n",
	} {
		s := &script{}
		r := play(t, s.serve, "tail", "--position-file", file, base)
		if r.code != 1 || r.stdout != "" || r.stderr != says || len(s.requests) != 0 {
			t.Errorf("exit code %d, standard output %q, standard error %q, %d requests; want 1, nothing, %q, none", r.code, r.stdout, r.stderr, len(s.requests), says)
		}
	}
}

// A position that could not be saved is reported, whatever ended the stream.
func TestPositionFile_unwritable(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
	}{
		{"in the middle", nil, 1},
		{"with as many as were asked for", []string{"--take=1"}, 1},
		{"at a signal", nil, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				server := func(w http.ResponseWriter, r *http.Request) {
					if err := os.RemoveAll(dir); err != nil {
						t.Error(err)
					}
					sends("id: 1\ndata: a\n\n")(w, r)
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
				var stdout io.Writer = io.Discard
				if tt.code == exitInterrupted {
					stdout = writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
				}
				var stderr strings.Builder
				start := time.Now()
				code := inMemory(t, ctx, server, Env{Stdout: stdout, Stderr: &stderr}, "tail", append(tt.args, "--quiet", "--position-file", filepath.Join(dir, "position"), base)...)
				if got := stderr.String(); code != tt.code || !oneLineOf(got) || !strings.HasPrefix(got, `fluxwire: position: save "1": `) || time.Since(start) > time.Second {
					t.Errorf("exit code %d after %v, standard error %q; want %d, at once, one line that the position was not saved", code, time.Since(start), got, tt.code)
				}
			})
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
