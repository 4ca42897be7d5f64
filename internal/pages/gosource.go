//go:build unix

package pages

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// imports are what a fragment may use without an import declaration.
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

// wrapper is the program around a fragment that consists of statements: they may use
// the parameters of its function fragment.
const wrapper = `
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

// goSource returns the file that is compiled for a block of Go: the block itself if
// it is a file, else the block with a package clause and imports, and in the wrapper
// if it is statements. What statements declare need not be used. Unless place is "",
// which is file:line, the compiler reports errors as if the text began there.
func goSource(text, place string) (string, error) {
	if place != "" {
		place = "//line " + place + "\n"
	}
	parse := func(text string) (*ast.File, error) {
		return parser.ParseFile(token.NewFileSet(), "block.go", text, 0)
	}
	if _, err := parse(text); err == nil {
		return place + text, checkFormat(text)
	}
	if err := checkFormat(text); err != nil {
		return "", err
	}
	const clause = "package main\n"
	file := "\n" + place + text
	f, err := parse(clause + file)
	if err != nil {
		wrapped := fmt.Sprintf(wrapper, place+text)
		if f, err = parse(clause + wrapped); err != nil {
			return "", err
		}
		var used strings.Builder
		for _, name := range declared(f) {
			fmt.Fprintf(&used, "\t_ = %s\n", name)
		}
		file = fmt.Sprintf(wrapper, place+text+used.String())
	}
	if len(f.Imports) > 0 {
		return clause + file, nil
	}
	var lines []string
	for _, name := range f.Unresolved {
		if path := imports[name.Name]; path != "" {
			lines = append(lines, fmt.Sprintf("import %q\n", path))
		}
	}
	slices.Sort(lines)
	return clause + strings.Join(slices.Compact(lines), "") + file, nil
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
