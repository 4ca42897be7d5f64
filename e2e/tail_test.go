//go:build unix

package e2e_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// tail as a process, ended in the ways that a shell ends it.
func TestTail_process(t *testing.T) {
	path := build(t)
	s := servicetest.Serve(t, service.Config{})
	client := testkit.Client(t, nil)
	// follow starts tail on /events, and waits until it has printed an event.
	follow := func(t *testing.T) (cmd *exec.Cmd, out *os.File, stderr *bytes.Buffer) {
		t.Helper()
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		stderr = new(bytes.Buffer)
		cmd = exec.Command(path, "tail", s.URL+"/events?earliest", "--quiet")
		cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, in, stderr
		err = cmd.Start()
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		stuck := time.AfterFunc(testkit.Patience, func() { cmd.Process.Kill() })
		t.Cleanup(func() { stuck.Stop() })
		testkit.Ping(t, client, s.URL, "first")
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasSuffix(line, " message first\n") {
			t.Fatalf("printed %q, %v; want the first event", line, err)
		}
		return cmd, out, stderr
	}

	t.Run("its reader leaves", func(t *testing.T) {
		cmd, out, stderr := follow(t)
		out.Close()
		testkit.Ping(t, client, s.URL, "second")
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
		testkit.Eventually(t, "it has ended", func() bool {
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
