//go:build unix

package cli

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecondSignal checks what main does with signals: the first one begins the
// drain delay, a second one ends the process without waiting for its end.
func TestSecondSignal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fluxwire")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/fluxwire-go/fluxwire").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(path, "--addr=127.0.0.1:0", "--drain-delay=1h")
	cmd.Env = []string{}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "stream-flux?take=") {
		// the last line of the welcome comes when the service listens
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	// The first signal is handled at some time after it is sent: send more until
	// one is the second.
	for signals := 1; ; signals++ {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if signals < 2 || !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("after %d signals: %v, want the second or a later SIGTERM to end it", signals, cmd.ProcessState)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}
