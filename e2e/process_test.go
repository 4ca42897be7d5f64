//go:build unix

package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fluxwire")
	cmd := exec.Command(require.Program(t, "go"), "build", "-o", path, ".")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return path
}

// start starts the program as a process. If it still runs when t ends, it is killed.
func start(t *testing.T, path string, args []string, env map[string]string) (cmd *exec.Cmd, stdout, stderr *testkit.Buffer) {
	t.Helper()
	stdout, stderr = new(testkit.Buffer), new(testkit.Buffer)
	cmd = exec.Command(path, args...)
	cmd.Env = []string{}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, stdout, stderr
}

// The tests of internal/cli cover every command line in their own process; this one
// covers the real process.
func TestExitCodes(t *testing.T) {
	path := build(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range []struct {
		what           string
		args           []string
		env            map[string]string
		code           int
		stdout, stderr string // what they must contain; "" if they must be empty
	}{
		{"help", []string{"--help"}, nil, 0, "Usage:", ""},
		{"an unknown flag", []string{"--nope"}, nil, 2, "", "nope"},
		{"a wrong value in the environment", nil, map[string]string{"FLUXWIRE_HEARTBEAT": "soon"}, 2, "", "FLUXWIRE_HEARTBEAT"},
		{"an address in use", []string{"--addr", ln.Addr().String()}, nil, 1, "", "in use"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			cmd, stdout, stderr := start(t, path, tt.args, tt.env)
			stuck := time.AfterFunc(testkit.Patience, func() { cmd.Process.Kill() })
			defer stuck.Stop()
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, out := range []struct{ name, got, want string }{
				{"standard output", stdout.String(), tt.stdout},
				{"standard error", stderr.String(), tt.stderr},
			} {
				if !strings.Contains(out.got, out.want) || out.want == "" && out.got != "" {
					t.Errorf("%s is %q, want %q in it", out.name, out.got, out.want)
				}
			}
		})
	}
}

var welcome = regexp.MustCompile(`^Fluxwire serves event streams at (\S+)\n`)

// welcomed waits for the welcome and returns the URL in it.
func welcomed(t *testing.T, stdout *testkit.Buffer) (url string) {
	t.Helper()
	testkit.Eventually(t, "the program says where it serves", func() bool {
		m := welcome.FindStringSubmatch(stdout.String())
		if m != nil {
			url = m[1]
		}
		return m != nil
	})
	return url
}

// A signal ends a process that serves hundreds of clients of all kinds. Each client that
// reads gets a goodbye.
func TestSignal(t *testing.T) {
	path := build(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd, stdout, stderr := start(t, path, []string{"--addr=127.0.0.1:0", "--max-streams-per-client=0"}, nil)
			url := welcomed(t, stdout)
			addr := strings.TrimPrefix(url, "http://")
			client := testkit.Client(t, nil)

			// Clients that do not read, until the service cannot write to them.
			const stuck, pings = 3, 150
			var deaf []*net.TCPConn
			for range stuck {
				conn := dialRaw(t, addr)
				deaf = append(deaf, conn)
				conn.SetReadBuffer(4096)
				io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			testkit.Eventually(t, "the clients that do not read are there", func() bool { return testkit.Metric(t, client, url, "fluxwire_streams_open") == stuck })
			message := strings.Repeat("x", 64<<10)
			for range pings {
				testkit.Ping(t, client, url, message)
			}
			if sent := testkit.Metric(t, client, url, "fluxwire_events_sent_total"); sent >= stuck*pings {
				t.Fatalf("all %d events were sent: no client is stuck", sent)
			}
			// Connections without a stream.
			for _, request := range []string{"", "GET /events HT", "GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n"} {
				for range 10 {
					io.WriteString(dialRaw(t, addr), request)
				}
			}
			// Clients that read. (None reads /stream-flux in plain lines, which cannot
			// hold a goodbye.)
			var reading sync.WaitGroup
			var readers []*farewell
			for _, kind := range []struct{ path, accept string }{
				{"/events", "text/event-stream"},
				{"/stream-sse", "text/event-stream"},
				{"/stream-sse-mvc", "text/event-stream"},
				{"/stream-flux", "text/event-stream"},
				{"/events", "application/x-ndjson"},
				{"/stream-sse", "application/x-ndjson"},
				{"/stream-sse-mvc", "application/x-ndjson"},
			} {
				for range 60 {
					f := &farewell{path: kind.path + " as " + kind.accept}
					readers = append(readers, f)
					conn := dialRaw(t, addr)
					conn.SetDeadline(time.Now().Add(testkit.Patience))
					io.WriteString(conn, "GET "+kind.path+" HTTP/1.0\r\nHost: x\r\nAccept: "+kind.accept+"\r\n\r\n")
					reading.Go(func() {
						all, err := io.ReadAll(conn)
						f.told, f.err = bytes.Contains(all, []byte("stream.bye")) && bytes.Contains(all, []byte(`"reason":"shutdown"`)), err
					})
				}
			}
			open := stuck + len(readers)
			testkit.Eventually(t, "all streams are open", func() bool { return testkit.Metric(t, client, url, "fluxwire_streams_open") == open })

			signalled := time.Now()
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			killed := time.AfterFunc(testkit.Patience, func() { cmd.Process.Kill() })
			defer killed.Stop()
			err := cmd.Wait()
			took := time.Since(signalled)
			t.Logf("%d streams and 30 other connections, %d of them stuck: %v from the signal to the end", open, stuck, took)
			if err != nil {
				t.Errorf("the process ended with %v after %v, want exit code 0", err, took)
			}
			// The service promises a second. The machine may be busy, so this checks only
			// that the process does not wait for any client.
			if took > 5*time.Second {
				t.Errorf("the process took %v to end", took)
			}
			reading.Wait()
			lost := map[string]int{}
			for _, f := range readers {
				if !f.told || f.err != nil {
					lost[f.path]++
				}
			}
			if len(lost) > 0 {
				t.Errorf("clients without a goodbye, of 60 of each kind: %v", lost)
			}
			for _, conn := range deaf {
				// The kernel keeps no bytes for them either.
				conn.SetReadDeadline(time.Now().Add(testkit.Patience))
				if n, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("a client that did not read finds %d bytes, %v; want a reset", n, err)
				}
			}
			if got := stderr.String(); got != "" {
				t.Errorf("the log says\n%.3000s\nwant nothing", got)
			}
		})
	}
}

// A farewell is how the end of a stream reached its client.
type farewell struct {
	path string
	told bool
	err  error
}

func dialRaw(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}
