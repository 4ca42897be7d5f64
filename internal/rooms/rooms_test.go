package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
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
	"handlers/internal/carry":   {"sse", "streams", "eventlog", "hub", "internal/socket", "internal/reading", "handlers/internal/session"},

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
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps"}, args...)...)
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
