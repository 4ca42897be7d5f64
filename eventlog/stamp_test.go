package eventlog_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func TestStampsDifferWithinAProcess(t *testing.T) {
	seen := map[uint32]bool{0: true}
	for range 10_000 {
		m, err := eventlog.NewMemory(eventlog.MemoryConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if seen[stampOf(m)] {
			t.Fatalf("the stamp %d is 0 or that of another log", stampOf(m))
		}
		seen[stampOf(m)] = true
	}
}

// A process that is restarted has other stamps from the first log on, even if both
// were started in the same moment.
func TestStampsDifferBetweenProcesses(t *testing.T) {
	const print = "FLUXWIRE_TEST_PRINT_STAMP"
	if os.Getenv(print) != "" {
		m := newMemory(t, eventlog.MemoryConfig{})
		os.Stdout.WriteString("stamp " + eventlog.Pos{Stamp: stampOf(m)}.String() + "\n")
		return
	}
	seen := map[string]bool{}
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStampsDifferBetweenProcesses$")
		cmd.Env = append(os.Environ(), print+"=1")
		out, err := cmd.Output()
		stamp, _, ok := strings.Cut(strings.TrimPrefix(string(out), "stamp "), "\n")
		if err != nil || !ok || !strings.HasPrefix(stamp, "0.") {
			t.Fatalf("the process says %q, %v", out, err)
		}
		if seen[stamp] {
			t.Errorf("two processes have the stamp %s", stamp)
		}
		seen[stamp] = true
	}
}
