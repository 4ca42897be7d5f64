//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
)

// documented matches the address that the pages write for the service.
var documented = regexp.MustCompile(`https?://localhost:8080`)

// compiling is how long a command may take to print what it is said to print. It
// may have to be compiled first.
const compiling = 5 * time.Minute

// A session is what the blocks of one page have in common: a service that runs
// while they are checked, and a module of their own.
type session struct {
	t       *testing.T // the page's test, at the end of which all is over
	root    string     // of the repository
	given   *block     // declarations for the fragments of the page, or nil
	files   string     // where "sh files" writes
	command string     // starts the service
	running *process
	mod     *goModule
}

func newSession(t *testing.T, blocks []block) *session {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, root: root, files: t.TempDir(), command: "go run ."}
	t.Cleanup(s.stop)
	for i := range blocks {
		if blocks[i].kind == "go given" {
			s.given = &blocks[i]
		}
	}
	return s
}

func (s *session) module(t *testing.T) *goModule {
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
func (s *session) service(t *testing.T) *process {
	t.Helper()
	if s.running == nil {
		s.start(t)
	}
	return s.running
}

// start starts the service, on an address of its own.
func (s *session) start(t *testing.T, env ...string) {
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
func (s *session) stop() {
	if s.running == nil {
		return
	}
	if err := s.running.stop(); err != nil {
		s.t.Errorf("%s: %v", s.command, err)
	}
	s.running = nil
}

// startService starts the service by the block's command.
func (s *session) startService(t *testing.T, b *block) {
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
func (s *session) asDocumented(line string) string {
	if s.running == nil {
		return line
	}
	_, host, _ := strings.Cut(s.running.url, "//")
	return strings.ReplaceAll(line, host, "localhost:8080")
}

// atService returns text with the address of the service, which is started if
// there is one in it.
func (s *session) atService(t *testing.T, text string) string {
	t.Helper()
	if !documented.MatchString(text) {
		return text
	}
	return documented.ReplaceAllString(text, s.service(t).url)
}

// writeFiles runs a block's commands in a directory of their own.
func (s *session) writeFiles(t *testing.T, b *block) {
	program, _, _ := strings.Cut(b.text, " ")
	require.Program(t, program)
	s.script(t, script{text: b.text, dir: s.files, env: os.Environ()})
}

// addRoute starts the service again with one more line in its table of streams.
func (s *session) addRoute(t *testing.T, b *block) {
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

// runShell runs a block's commands, and checks what they print if that follows.
func (s *session) runShell(t *testing.T, b *block) {
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

// runDry runs commands without what the go command would do.
func (s *session) runDry(t *testing.T, b *block) {
	s.script(t, script{text: b.text, dir: s.root, env: append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -n")})
}

// runConsumer runs commands in a module that lies beside a clone of this one.
func (s *session) runConsumer(t *testing.T, b *block) {
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
	s.script(t, script{
		text: "go mod init example.com/app\n" + b.text,
		dir:  app,
		env:  append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK="),
	})
}

// checkOutput leaves the work to the block before, which must be one that prints.
func (s *session) checkOutput(t *testing.T, b *block) {
	if b.before == nil || !slices.Contains([]string{"go", "sh", "sh service", "sh first-terminal"}, b.before.kind) {
		t.Error("nothing before this block prints")
	}
}

// A script is commands to run by sh.
type script struct {
	text, dir string
	env       []string
	want      string             // what it prints; not checked if ""
	meanwhile func(t *testing.T) // runs once the first line has been printed
}

// script runs a script to its end, or until it has printed what it should.
func (s *session) script(t *testing.T, sc script) {
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

// shell returns a command that, when it is cancelled, takes all with it that it
// has started.
func shell(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// A progress compares what is printed, line by line, with what is wanted.
type progress struct {
	want []string
	open bool // more may follow
	got  []string
}

func newProgress(want string) *progress {
	p := &progress{want: strings.Split(strings.TrimSuffix(want, "\n"), "\n")}
	if n := len(p.want) - 1; p.want[n] == "…" {
		p.want, p.open = p.want[:n], true
	}
	return p
}

func (p *progress) line(s string) { p.got = append(p.got, strings.TrimSuffix(s, "\r")) }

// satisfied reports whether nothing more has to be read.
func (p *progress) satisfied() bool { return p.open && len(p.got) >= len(p.want) }

// end returns how what was printed differs from what was wanted.
func (p *progress) end() error {
	if p.open && len(p.got) > len(p.want) {
		p.got = p.got[:len(p.want)]
	}
	if slices.EqualFunc(p.got, p.want, func(a, b string) bool { return steady(a) == steady(b) }) {
		return nil
	}
	return errors.New("printed\n" + strings.Join(p.got, "\n") + "\nand the page says\n" + strings.Join(p.want, "\n"))
}

// volatile is what changes from run to run, and what is compared in its place.
var volatile = []struct {
	match *regexp.Regexp
	name  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "<time>"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "<clock>"},
	{regexp.MustCompile(`^Date: .*`), "Date: <date>"},
	{regexp.MustCompile(`^retry: \d+$`), "retry: <ms>"},
	{regexp.MustCompile(`"retry":\d+`), `"retry":<ms>`},
	{regexp.MustCompile(`^id: \d+\.[0-9a-z]+$`), "id: <position>"},
	{regexp.MustCompile(`"id":"\d+\.[0-9a-z]+"`), `"id":"<position>"`},
	{regexp.MustCompile(`^\d+\.[0-9a-z]+ periodic-event `), "<position> periodic-event "},
	{regexp.MustCompile(`^id: \d+$`), "id: <n>"},
	{regexp.MustCompile(`"id":"\d+"`), `"id":"<n>"`},
	{regexp.MustCompile(`"sequence":\d+`), `"sequence":<n>`},
	{regexp.MustCompile(`^(fluxwire_\S+) \d+$`), "$1 <n>"},
}

// steady returns line without what is volatile.
func steady(line string) string {
	for _, v := range volatile {
		line = v.match.ReplaceAllString(line, v.name)
	}
	return line
}

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		got        []string
		satisfied  bool
		ok         bool
	}{
		{"the same lines", "a\nb\n", []string{"a", "b"}, false, true},
		{"a carriage return is none of the line", "a\n", []string{"a\r"}, false, true},
		{"other times and ids", "id: 1\nSSE - 04:07:58.228\n", []string{"id: 27", "SSE - 23:59:00.001"}, false, true},
		{"another status", "HTTP/1.1 200 OK\n", []string{"HTTP/1.1 204 No Content"}, false, false},
		{"a line too few", "a\nb\n", []string{"a"}, false, false},
		{"a line too many", "a\n", []string{"a", "b"}, false, false},
		{"more that may follow", "a\n…\n", []string{"a", "b"}, true, true},
		{"more that need not follow", "a\n…\n", []string{"a"}, true, true},
		{"too few though more may follow", "a\nb\n…\n", []string{"a"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgress(tt.want)
			for _, line := range tt.got {
				p.line(line)
			}
			if got := p.satisfied(); got != tt.satisfied {
				t.Errorf("satisfied() = %v after %q of %q, want %v", got, tt.got, tt.want, tt.satisfied)
			}
			if err := p.end(); (err == nil) != tt.ok {
				t.Errorf("end() = %v after %q of %q, want ok = %v", err, tt.got, tt.want, tt.ok)
			}
		})
	}
}
