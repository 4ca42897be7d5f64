//go:build unix

package pages

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
)

// compiling is how long a command may take to print what it is said to print. It
// may have to be compiled first.
const compiling = 5 * time.Minute

// runShell runs a block's commands, and checks what they print if that follows.
func (s *stage) runShell(t *testing.T, b *block) {
	if b.kind == "sh" && b.before != nil && firstTerminal(b) != nil {
		return // has run with it
	}
	if strings.Contains(b.text, "curl ") {
		require.Program(t, "curl")
	}
	sc := script{text: s.atService(t, b.text), dir: s.root, env: os.Environ()}
	if out := b.output(); out != nil {
		sc.want = out.text
	}
	if b.kind == "sh first-terminal" {
		second := b.after
		for second != nil && firstTerminal(second) != b {
			second = second.after
		}
		if second == nil {
			t.Fatal("no sh block follows that would be the second terminal")
		}
		sc.meanwhile = func(t *testing.T) {
			other := script{text: s.atService(t, second.text), dir: s.root, env: sc.env}
			if out := second.output(); out != nil {
				other.want = out.text
			}
			s.script(t, other)
		}
	}
	s.script(t, sc)
}

// firstTerminal returns the block that runs while b does, if there is one.
func firstTerminal(b *block) *block {
	above := b.before
	if above != nil && above.kind == "text output" {
		above = above.before
	}
	if b.kind == "sh" && above != nil && above.kind == "sh first-terminal" {
		return above
	}
	return nil
}

// runDry runs commands of which the go command only prints what it would do.
func (s *stage) runDry(t *testing.T, b *block) {
	s.script(t, script{text: b.text, dir: s.root, env: append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -n")})
}

// runConsumer runs commands in a module that lies beside a clone of this one.
func (s *stage) runConsumer(t *testing.T, b *block) {
	dir := t.TempDir()
	if err := os.Symlink(s.root, filepath.Join(dir, "fluxwire")); err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app")
	if err := os.Mkdir(app, 0o755); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(s.root, "examples/echo-app/*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("examples/echo-app/*.go: %q, %v; want sources", sources, err)
	}
	for _, path := range append(sources, filepath.Join(s.root, "go.sum")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(app, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := shell(t.Context(), "go mod init example.com/app\n"+b.text)
	cmd.Dir = app
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	// A workspace needs to know the requirements of our requirements, and building
	// this module does not: they may be missing on this machine.
	missing := strings.Contains(string(out), "lookup disabled by GOPROXY=off") && !strings.Contains(string(out), "fluxwire@")
	if missing && os.Getenv(require.All) != "1" {
		t.Skipf("SKIPPED, NOTHING WAS CHECKED: modules are missing, go list -m all brings them\n%s", out)
	}
	t.Errorf("%s%v\n%s", b.text, err, out)
}

// writeFiles runs a block's commands in a directory of their own.
func (s *stage) writeFiles(t *testing.T, b *block) {
	program, _, _ := strings.Cut(b.text, " ")
	require.Program(t, program)
	s.script(t, script{text: b.text, dir: s.files, env: os.Environ()})
}

// A script is commands to run by sh.
type script struct {
	text, dir string
	env       []string
	want      string             // what it prints; not checked if ""
	meanwhile func(t *testing.T) // runs once the first line has been printed
}

// script runs a script to its end, or until it has printed what it should.
func (s *stage) script(t *testing.T, sc script) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), compiling)
	defer cancel()
	cmd := shell(ctx, sc.text)
	cmd.Dir, cmd.Env = sc.dir, sc.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := newProgress(sc.want)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !p.satisfied() {
		if p.line(s.asDocumented(lines.Text())); sc.meanwhile != nil {
			sc.meanwhile(t)
			sc.meanwhile = nil
		}
		if p.satisfied() {
			break
		}
	}
	left := p.satisfied()
	if left {
		cmd.Cancel()
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v", compiling)
	}
	if !left && err != nil {
		t.Errorf("%s%v\n%s", sc.text, err, &stderr)
	}
	if err := p.end(); sc.want != "" && err != nil {
		t.Errorf("%s%v", sc.text, err)
	}
}

// shell returns a command whose cancellation kills every process that it has
// started, too.
func shell(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
