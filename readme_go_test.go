//go:build unix

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// imports are what a fragment may use without saying where it is from.
var imports = map[string]string{
	"context":  "context",
	"errors":   "errors",
	"fmt":      "fmt",
	"http":     "net/http",
	"httptest": "net/http/httptest",
	"io":       "io",
	"json":     "encoding/json",
	"log":      "log",
	"os":       "os",
	"runtime":  "runtime",
	"slices":   "slices",
	"slog":     "log/slog",
	"strconv":  "strconv",
	"strings":  "strings",
	"sync":     "sync",
	"synctest": "testing/synctest",
	"testing":  "testing",
	"time":     "time",

	"echo":       "github.com/labstack/echo/v4",
	"echov4":     "github.com/fluxwire-go/fluxwire/handlers/echov4",
	"prometheus": "github.com/prometheus/client_golang/prometheus",
	"rxgo":       "github.com/reactivex/rxgo/v2",

	"client":   "github.com/fluxwire-go/fluxwire/client",
	"eventlog": "github.com/fluxwire-go/fluxwire/eventlog",
	"handlers": "github.com/fluxwire-go/fluxwire/handlers",
	"hub":      "github.com/fluxwire-go/fluxwire/hub",
	"metrics":  "github.com/fluxwire-go/fluxwire/metrics",
	"rx":       "github.com/fluxwire-go/fluxwire/streams/rx",
	"sse":      "github.com/fluxwire-go/fluxwire/sse",
	"streams":  "github.com/fluxwire-go/fluxwire/streams",
}

// wrapper is the program around a fragment that consists of statements: what they
// may use without saying where it comes from.
const wrapper = `package main

func main() {
	srv, err := handlers.New(handlers.Config{})
	if err == nil {
		err = fragment(context.Background(), srv, http.NewServeMux(), echo.New())
	}
	if err != nil {
		log.Fatal(err)
	}
}

func fragment(ctx context.Context, srv *handlers.Server, mux *http.ServeMux, e *echo.Echo) error {
	%s
	return nil
}
`

// goSource returns the file that is compiled for a block of Go: the block itself
// if it is a file, else with a package clause and imports, and in the wrapper if
// it is statements. What statements declare need not be used.
func goSource(text string) (string, error) {
	parse := func(text string) (*ast.File, error) {
		return parser.ParseFile(token.NewFileSet(), "block.go", text, 0)
	}
	if _, err := parse(text); err == nil {
		return text, checkFormat(text)
	}
	if err := checkFormat(text); err != nil {
		return "", err
	}
	file := "package main\n\n" + text
	f, err := parse(file)
	if err != nil {
		file = fmt.Sprintf(wrapper, text)
		if f, err = parse(file); err != nil {
			return "", err
		}
		var used strings.Builder
		for _, name := range declared(f) {
			fmt.Fprintf(&used, "\t_ = %s\n", name)
		}
		file = fmt.Sprintf(wrapper, text+used.String())
	}
	if len(f.Imports) > 0 {
		return file, nil
	}
	var lines []string
	for _, name := range f.Unresolved {
		if path := imports[name.Name]; path != "" {
			lines = append(lines, fmt.Sprintf("import %q\n", path))
		}
	}
	slices.Sort(lines)
	clause, rest, _ := strings.Cut(file, "\n")
	return clause + "\n" + strings.Join(slices.Compact(lines), "") + rest, nil
}

// declared returns the names that the statements of a wrapped fragment declare,
// not counting those in blocks of their own.
func declared(f *ast.File) (names []string) {
	body := f.Decls[len(f.Decls)-1].(*ast.FuncDecl).Body
	for _, stmt := range body.List {
		assign, ok := stmt.(*ast.AssignStmt)
		if !ok || assign.Tok != token.DEFINE {
			continue
		}
		for _, left := range assign.Lhs {
			if id, ok := left.(*ast.Ident); ok && id.Name != "_" {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

// checkFormat checks that text is as gofmt would write it.
func checkFormat(text string) error {
	formatted, err := format.Source([]byte(text))
	if err != nil {
		return err
	}
	if string(formatted) != text {
		return fmt.Errorf("gofmt would write it like this:\n%s", formatted)
	}
	return nil
}

// goModule is a module of its own that uses ours as anybody's would: by a
// replacement, and without the network.
type goModule struct{ dir string }

// Its go.mod lists what ours does, as go mod tidy would: with less the go command
// reads the requirements of requirements, which need not be on this machine.
func newGoModule(t *testing.T, root string) *goModule {
	t.Helper()
	m := &goModule{t.TempDir()}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		m.write(t, name, string(text))
	}
	m.run(t, "mod", "edit", "-module=example.com/page", "-require=github.com/fluxwire-go/fluxwire@v0.0.0",
		"-replace=github.com/fluxwire-go/fluxwire="+root)
	return m
}

func (m *goModule) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the go command in m and fails t if it fails.
func (m *goModule) run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = m.dir
	cmd.Env = offline()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
}

// offline is the environment of the go command in a module of its own.
func offline() []string {
	return append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
}

// compile compiles a block of Go, and runs its tests.
func (s *stage) compile(t *testing.T, b *block) {
	source, err := goSource(b.text)
	if err != nil {
		t.Fatal(err)
	}
	m, dir := s.module(t), fmt.Sprintf("line%d", b.line)
	if b.kind != "go test" {
		m.write(t, dir+"/block.go", source)
		s.writeGiven(t, b, dir)
		m.run(t, "vet", "-unreachable=false", "./"+dir) // a fragment may end with return
		return
	}
	tested := 0
	for above := b.before; above != nil && above.kind != "go test"; above = above.before {
		if above.kind != "go stream" {
			continue
		}
		tested++
		dir := fmt.Sprintf("%s-line%d", dir, above.line)
		stream, err := goSource(above.text)
		if err != nil {
			t.Fatal(err)
		}
		m.write(t, dir+"/stream.go", stream)
		m.write(t, dir+"/stream_test.go", source)
		m.run(t, "test", "./"+dir)
	}
	if tested == 0 {
		t.Fatal("there is no go stream above that it could test")
	}
}

// writeGiven puts the page's declarations beside a fragment.
func (s *stage) writeGiven(t *testing.T, b *block, dir string) {
	t.Helper()
	if s.given == nil || b.kind != "go" || strings.HasPrefix(b.text, "package ") {
		return
	}
	given, err := goSource(s.given.text)
	if err != nil {
		t.Fatal(err)
	}
	s.mod.write(t, dir+"/given.go", given)
}

// runGo compiles a program, or what becomes one in the wrapper, and runs it if
// output follows.
func (s *stage) runGo(t *testing.T, b *block) {
	s.compile(t, b)
	out := b.output()
	if out == nil {
		return
	}
	source, err := goSource(s.atService(t, b.text))
	if err != nil {
		t.Fatal(err)
	}
	m, dir := s.module(t), fmt.Sprintf("run%d", b.line)
	m.write(t, dir+"/main.go", source)
	s.writeGiven(t, b, dir)
	s.script(t, script{text: "go run ./" + dir, dir: m.dir, env: offline(), want: out.text})
}

// checkExcerpt checks that a block stands in a file as it is, on whole lines.
func (s *stage) checkExcerpt(t *testing.T, b *block) {
	text, err := os.ReadFile(filepath.Join(s.root, b.file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains("\n"+string(text), "\n"+b.text) {
		t.Errorf("the block is not in %s as it stands here; copy it again", b.file)
	}
}

func TestGoSource(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a file stays as it is", "package x\n", "package x\n"},
		{"declarations get a package clause", "var x = 1\n", "package main\n\nvar x = 1\n"},
		{"and what they need", "var x = errors.New(strconv.Itoa(1))\n", "package main\nimport \"errors\"\nimport \"strconv\"\n\nvar x = errors.New(strconv.Itoa(1))\n"},
		{"but not what they declare", "var log = 1\nvar x = log + 1\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := goSource(tt.text)
			if tt.want == "" {
				tt.want = "package main\n\n" + tt.text
			}
			if err != nil || got != tt.want {
				t.Errorf("goSource(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, text, want string }{
		{"statements are wrapped", "fmt.Println(ctx)\n", "echo.Echo) error {\n\tfmt.Println(ctx)\n"},
		{"with their imports", "fmt.Println(ctx)\n", "import \"fmt\"\n"},
		{"and what they declare counts as used", "x, _ := 1, 2\nif y := x; y > 1 {\n}\n", "}\n\t_ = x\n\n\treturn nil\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := goSource(tt.text); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("goSource(%q) = %q, %v; want %q in it", tt.text, got, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, text string }{
		{"what does not parse is refused", "x :=\n"},
		{"what gofmt would change is refused", "x  := 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := goSource(tt.text); err == nil {
				t.Errorf("goSource(%q) = %q, want an error", tt.text, got)
			}
		})
	}
}
