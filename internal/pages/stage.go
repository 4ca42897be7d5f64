//go:build unix

package pages

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// documented matches the address that the pages write for the service.
var documented = regexp.MustCompile(`https?://localhost:8080`)

// A stage is what the blocks of one page have in common.
type stage struct {
	t    *testing.T // the page's test, at the end of which everything is stopped
	root string     // of the repository

	code *build // of CheckGo

	// Of CheckShell: a service that runs while the page is checked.
	startNginx func(t *testing.T, upstream, directives string) string
	files      string // where "sh files" writes
	command    string // starts the service
	running    *process
}

func newStage(t *testing.T, root string) *stage {
	t.Helper()
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, root: root, files: t.TempDir(), command: "go run ."}
	t.Cleanup(s.stop)
	return s
}

// A process is the service of a page, as its users start it.
type process struct {
	url    string
	banner []string        // what it prints
	log    *testkit.Buffer // what it logs, from level debug
	stop   func() error    // by the signal that a terminal sends
}

// service returns the service, which it starts if it does not run yet.
func (s *stage) service(t *testing.T) *process {
	t.Helper()
	if s.running == nil {
		s.start(t)
	}
	return s.running
}

// start starts the service, on an address of its own.
func (s *stage) start(t *testing.T, env ...string) {
	t.Helper()
	s.stop()
	ctx, kill := context.WithCancelCause(context.Background())
	cmd := shell(ctx, "exec "+s.command)
	cmd.Dir = s.root
	cmd.Env = slices.Concat(os.Environ(), []string{"FLUXWIRE_ADDR=127.0.0.1:0", "FLUXWIRE_LOG_LEVEL=debug"}, env)
	log := new(testkit.Buffer)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.running = &process{log: log, stop: func() error {
		late := time.AfterFunc(testkit.Patience, func() { kill(errors.New("it still runs after an interrupt")) })
		defer late.Stop()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		cmd.Wait() // go run calls an interrupt a failure
		return context.Cause(ctx)
	}}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		s.running.banner = append(s.running.banner, lines.Text())
		if url := address.FindString(lines.Text()); url != "" && s.running.url == "" {
			s.running.url = url
		}
		// The last line is the third command to try.
		if strings.Contains(lines.Text(), "stream-flux?take=") {
			return
		}
	}
	s.running = nil
	t.Fatalf("%s: %v\n%s", s.command, cmd.Wait(), log)
}

var address = regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)

// stop ends the service, if there is one.
func (s *stage) stop() {
	if s.running == nil {
		return
	}
	if err := s.running.stop(); err != nil {
		s.t.Errorf("%s: %v", s.command, err)
	}
	s.running = nil
}

// startService starts the service by the block's command.
func (s *stage) startService(t *testing.T, b *block) {
	s.command = strings.TrimSpace(b.text)
	files, err := os.ReadDir(s.files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		s.command = strings.ReplaceAll(s.command, f.Name(), filepath.Join(s.files, f.Name()))
	}
	s.start(t)
	out := b.output()
	if out == nil {
		return
	}
	p := newProgress(out.text)
	for _, line := range s.running.banner {
		p.line(s.asDocumented(line))
	}
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

// serveRoute starts the service again with one more line in its table of streams.
func (s *stage) serveRoute(t *testing.T, b *block) {
	s.start(t, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+s.overlay(t, b))
}

// asDocumented returns what the service or a client of it has printed, with the
// address that the pages have.
func (s *stage) asDocumented(line string) string {
	if s.running == nil {
		return line
	}
	_, host, _ := strings.Cut(s.running.url, "//")
	return strings.ReplaceAll(line, host, "localhost:8080")
}

// atService returns text with the address of the service, which is started if the
// text has that address.
func (s *stage) atService(t *testing.T, text string) string {
	t.Helper()
	if !documented.MatchString(text) {
		return text
	}
	return documented.ReplaceAllString(text, s.service(t).url)
}
