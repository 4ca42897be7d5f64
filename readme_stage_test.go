//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// documented matches the address that the pages write for the service.
var documented = regexp.MustCompile(`https?://localhost:8080`)

// A stage is what the blocks of one page have in common: a service that runs
// while they are checked, and a module of their own.
type stage struct {
	t       *testing.T // the page's test, at the end of which all is over
	root    string     // of the repository
	given   *block     // declarations for the fragments of the page, or nil
	files   string     // where "sh files" writes
	command string     // starts the service
	running *process
	mod     *goModule
}

func newStage(t *testing.T, blocks []block) *stage {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, root: root, files: t.TempDir(), command: "go run ."}
	t.Cleanup(s.stop)
	for i := range blocks {
		if blocks[i].kind == "go given" {
			s.given = &blocks[i]
		}
	}
	return s
}

func (s *stage) module(t *testing.T) *goModule {
	if s.mod == nil {
		s.mod = newGoModule(s.t, s.root)
	}
	return s.mod
}

// A process is the service of a page, as its users start it.
type process struct {
	url    string
	banner []string     // what it prints
	log    *buffer      // what it logs, from debug on
	stop   func() error // by the signal that a terminal sends
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
	log := new(buffer)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.running = &process{log: log, stop: func() error {
		late := time.AfterFunc(patience, func() { kill(errors.New("it runs on after an interrupt")) })
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

// asDocumented returns what the service or a client of it has printed, with the
// address that the pages have.
func (s *stage) asDocumented(line string) string {
	if s.running == nil {
		return line
	}
	_, host, _ := strings.Cut(s.running.url, "//")
	return strings.ReplaceAll(line, host, "localhost:8080")
}

// atService returns text with the address of the service, which is started if
// there is one in it.
func (s *stage) atService(t *testing.T, text string) string {
	t.Helper()
	if !documented.MatchString(text) {
		return text
	}
	return documented.ReplaceAllString(text, s.service(t).url)
}

// addRoute starts the service again with one more line in its table of streams.
func (s *stage) addRoute(t *testing.T, b *block) {
	stream := b.before
	for stream != nil && stream.kind != "go stream" {
		stream = stream.before
	}
	if stream == nil {
		t.Fatal("there is no go stream above that it could serve")
	}
	path := filepath.Join(s.root, "internal/service/streams.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const table = "return []streamRoute{\n"
	before, after, ok := strings.Cut(string(text), table)
	if !ok {
		t.Fatalf("%s has no table of streams that begins with %q", path, table)
	}
	function, err := goSource(stream.text)
	if err != nil {
		t.Fatal(err)
	}
	// The function is put beside streams.go rather than in it: there it would need
	// its imports merged, which an editor does for its user.
	dir := s.t.TempDir()
	changed, added := filepath.Join(dir, "streams.go"), filepath.Join(dir, "added.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		path: changed,
		filepath.Join(filepath.Dir(path), "added.go"): added,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	for name, text := range map[string]string{
		changed: before + table + b.text + after,
		added:   strings.Replace(function, "package main", "package service", 1),
		file:    string(overlay),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(t, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+file)
}
