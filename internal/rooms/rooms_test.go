package rooms

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fluxwire-go/fluxwire"

// rooms says what each room may import of ours, and which rooms alone may
// import what of others'.
var rooms = map[string][]string{
	"sse":                {},
	"internal/window":    {},
	"internal/socket":    {},
	"internal/buildinfo": {},
	"internal/show":      {},
	"internal/sleep":     {},
	"internal/reading":   {"sse", "eventlog"},
	"streams":            {"sse", "internal/window"},
	"streams/rx":         {"streams"},
	"eventlog":           {"sse", "internal/window"},
	"hub":                {"sse", "streams", "eventlog", "internal/window", "internal/reading", "internal/show", "internal/sleep"},

	"handlers":                  {"sse", "streams", "hub", "internal/socket", "internal/reading", "handlers/internal/answer", "handlers/internal/session", "handlers/internal/carry"},
	"handlers/echov4":           {"handlers", "handlers/internal/answer"},
	"handlers/internal/answer":  {"sse"},
	"handlers/internal/session": {"sse", "internal/reading", "internal/show"},
	"handlers/internal/carry":   {"sse", "streams", "eventlog", "hub", "internal/socket", "internal/reading", "internal/sleep", "handlers/internal/session"},

	"client":           {"sse", "streams", "internal/show", "internal/sleep"},
	"metrics":          {"hub", "handlers", "internal/buildinfo"},
	"web":              {},
	"internal/service": {"sse", "streams", "streams/rx", "hub", "handlers", "handlers/echov4", "metrics", "web"},
	"internal/cli":     {"client", "sse", "internal/service", "internal/buildinfo", "internal/show"},
	"":                 {"internal/cli"},

	// For tests alone: the rooms above may import these in their tests only.
	"eventlog/logtest": {"eventlog"},
	"internal/memnet":  {},
	"internal/nginx":   {"internal/require", "internal/testkit"},
	"internal/pages":   {"client", "internal/require", "internal/service", "internal/service/servicetest", "internal/testkit", "sse"},
	"internal/require": {},
	"internal/rooms":   {},
	"internal/testkit": {"sse"},

	"internal/service/servicetest": {"handlers", "internal/memnet", "internal/service", "internal/testkit"},
}

var importers = map[string][]string{
	"github.com/reactivex/rxgo":           {"streams/rx", "internal/service"},
	"github.com/labstack/echo":            {"handlers/echov4", "internal/service"},
	"github.com/prometheus/client_golang": {"metrics", "internal/service"},
	"testing":                             {"eventlog/logtest", "internal/nginx", "internal/pages", "internal/require", "internal/service/servicetest", "internal/testkit"},
	"github.com/alecthomas/kong":          {"internal/cli"},
	"go.yaml.in/yaml":                     {"internal/cli"},
	"github.com/nats-io":                  {},
	"github.com/stretchr/testify":         {},
}

// standardOnly are the rooms that need nothing but the standard library.
var standardOnly = []string{"sse", "internal/window", "internal/reading", "internal/socket", "streams", "eventlog", "hub", "handlers", "handlers/internal/answer", "handlers/internal/session", "handlers/internal/carry", "client", "internal/buildinfo", "internal/show", "internal/sleep"}

type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,Standard,Imports,Deps"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	packages := make(map[string]goPackage)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

func room(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, module)
	return strings.TrimPrefix(rest, "/"), ok && (rest == "" || rest[0] == '/')
}

// TestRooms checks that imports flow one way: each room imports only the rooms
// that it may, and RxGo, Echo and the Prometheus client stay where they belong.
func TestRooms(t *testing.T) {
	all := list(t, "-deps", module+"/...")
	seen := 0
	for path, p := range all {
		name, ours := room(path)
		if !ours || strings.HasPrefix(name, "examples/") {
			continue
		}
		allowed, known := rooms[name]
		if !known {
			t.Errorf("%s is not in the table of rooms: enter it there, or move it", path)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if other, ours := room(imported); ours && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s; it may import %q of ours", name, other, allowed)
			}
			for prefix, may := range importers {
				if (imported == prefix || strings.HasPrefix(imported, prefix+"/")) && !slices.Contains(may, name) {
					t.Errorf("%s imports %s; only %q may", name, imported, may)
				}
			}
		}
	}
	if seen != len(rooms) {
		t.Errorf("%d rooms found, %d in the table", seen, len(rooms))
	}
	for _, name := range standardOnly {
		for _, dep := range all[module+"/"+name].Deps {
			if _, ours := room(dep); !ours && !all[dep].Standard {
				t.Errorf("%s depends on %s; it is for the standard library only", name, dep)
			}
		}
	}
	// RxGo links an assertion library and testing into whatever imports it.
	for _, name := range []string{"sse", "streams", "eventlog", "hub", "client", "handlers", "metrics"} {
		for _, dep := range all[module+"/"+name].Deps {
			if dep == "testing" || strings.HasPrefix(dep, "github.com/reactivex/") {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
}

// The walls inside the house of the server: what must never be, whatever a room may
// import. A change that breaks one of them makes the parts of a stream depend on each
// other in a circle again, so that none can be tested or replaced alone.
var walls = []struct {
	rule    string
	room    string
	files   []string // of the room; nil is all
	imports []string // that they must not have, of the standard library or ours
	names   []string // that they must not use: types, or pkg.Name of another package
	only    []string // pkg.Name: nothing else of that package may be used
	alone   bool     // they have no goroutine and no channel
}{
	{
		rule:    "what HTTP asks of an answer, such as CORS, knows no server and no stream",
		room:    "handlers/internal/answer",
		imports: []string{"handlers", "handlers/internal/session", "handlers/internal/carry", "hub", "streams", "eventlog", "internal/reading", "internal/socket", "sync"},
	},
	{
		rule:    "the formats, and what a stream says at its end, know no driver",
		room:    "handlers/internal/session",
		imports: []string{"handlers", "handlers/internal/carry", "handlers/internal/answer", "internal/socket"},
	},
	{
		rule:    "a session does no I/O, and has no lock, goroutine, context, logger or topic",
		alone:   true,
		room:    "handlers/internal/session",
		imports: []string{"net", "net/http", "io", "os", "sync", "sync/atomic", "context", "log/slog", "math/rand/v2", "hub", "streams", "eventlog"},
	},
	{
		rule: "a session reads no clock: of package time it has durations alone",
		room: "handlers/internal/session",
		only: []string{"time.Duration"},
	},
	{
		rule:  "the driver that blocks knows no shard",
		room:  "handlers/internal/carry",
		files: []string{"blocking.go", "follow.go", "pacer.go", "peer.go"},
		names: []string{"Shard", "NewShard", "Group", "group", "Sockets", "kernel"},
	},
	{
		rule:  "the shard knows no driver that blocks, and no response",
		room:  "handlers/internal/carry",
		files: []string{"shard.go", "group.go"},
		names: []string{"Blocking", "NewBlocking", "Config", "Peer", "Response", "Array", "follower", "http.ResponseWriter"},
	},
	{
		rule:  "the books on a stream know no driver",
		room:  "handlers/internal/carry",
		files: []string{"stream.go", "counts.go"},
		names: []string{"Blocking", "Shard", "group", "conn", "Peer", "Response"},
	},
	{
		rule:    "the drivers, and so the array and the shard, know no handler, no server and no request",
		room:    "handlers/internal/carry",
		imports: []string{"handlers", "handlers/internal/answer", "handlers/echov4"},
		names:   []string{"http.Request", "http.Handler", "http.Server"},
	},
	{
		rule:    "the shard reads a topic as its reader shows it, and knows no hub",
		room:    "handlers/internal/carry",
		files:   []string{"shard.go", "group.go", "stream.go", "counts.go", "blocking.go", "peer.go"},
		imports: []string{"hub"},
	},
	{
		rule:    "what hub shows to drivers knows neither hub nor drivers",
		room:    "internal/reading",
		imports: []string{"hub", "handlers", "handlers/internal/session", "handlers/internal/carry"},
	},
}

// TestWalls checks what must never be inside the rooms of the server.
func TestWalls(t *testing.T) {
	all := list(t, module+"/handlers/...", module+"/internal/reading")
	for _, wall := range walls {
		t.Run(wall.rule, func(t *testing.T) {
			p, ok := all[module+"/"+wall.room]
			if !ok {
				t.Fatalf("there is no room %s", wall.room)
			}
			files := wall.files
			if files == nil {
				files = p.GoFiles
			}
			for _, name := range files {
				if !slices.Contains(p.GoFiles, name) {
					t.Fatalf("%s has no file %s: the wall stands elsewhere now", wall.room, name)
				}
				file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				for _, spec := range file.Imports {
					path, _ := strconv.Unquote(spec.Path.Value)
					if other, ours := room(path); ours {
						path = other
					}
					if slices.Contains(wall.imports, path) {
						t.Errorf("%s/%s imports %s", wall.room, name, path)
					}
				}
				ast.Inspect(file, func(n ast.Node) bool {
					switch n.(type) {
					case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt:
						if wall.alone {
							t.Errorf("%s/%s has a goroutine or a channel", wall.room, name)
						}
					}
					return true
				})
				for _, used := range usedIn(file) {
					pkg, _, _ := strings.Cut(used, ".")
					restricted := slices.ContainsFunc(wall.only, func(only string) bool { return strings.HasPrefix(only, pkg+".") && pkg != used })
					if slices.Contains(wall.names, used) || restricted && !slices.Contains(wall.only, used) {
						t.Errorf("%s/%s uses %s", wall.room, name, used)
					}
				}
			}
		})
	}
}

// usedIn returns the names that file uses: those of its own package, and pkg.Name of
// others. The names of fields and methods are not among them.
func usedIn(file *ast.File) (names []string) {
	fields := make(map[*ast.Ident]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			fields[n.Sel] = true
			if x, ok := n.X.(*ast.Ident); ok {
				names = append(names, x.Name+"."+n.Sel.Name)
			}
		case *ast.KeyValueExpr:
			if x, ok := n.Key.(*ast.Ident); ok {
				fields[x] = true
			}
		case *ast.Field:
			for _, x := range n.Names {
				fields[x] = true
			}
		case *ast.FuncDecl:
			if n.Recv != nil {
				fields[n.Name] = true
			}
		case *ast.Ident:
			if !fields[n] {
				names = append(names, n.Name)
			}
		}
		return true
	})
	return names
}
