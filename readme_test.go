//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kinds lists the info strings that the fenced blocks of our pages may have, and
// what each block is checked by. The address http://localhost:8080 (or https) in
// a block is that of a service which runs while the page is checked.
var kinds = map[string]func(*stage, *testing.T, *block){
	// A program is compiled, and run if output follows. Declarations are compiled;
	// statements are put into a function (see wrapper) and treated as a program.
	// What a fragment needs to import is found by its names.
	"go": (*stage).runGo,
	// Declarations that every "go" fragment of the page may use. It stands in an
	// HTML comment, for they are of no interest to a reader.
	"go given": (*stage).compile,
	// An excerpt of a file, which is compiled and tested where it stands.
	"go file": (*stage).checkExcerpt,
	// Declarations that "go test" and "go route" use too.
	"go stream": (*stage).compile,
	// A test of each "go stream" above it, back to the last "go test".
	"go test": (*stage).compile,
	// A line for the table in internal/service/streams.go. The service is started
	// again with it, and with the first "go stream" above it.
	"go route": (*stage).addRoute,

	// Commands that are run by sh at the top of the repository.
	"sh": (*stage).runShell,
	// The command that starts the service; the rest of the page runs against it.
	"sh service": (*stage).startService,
	// Commands that write files, which are put where "sh service" finds them.
	"sh files": (*stage).writeFiles,
	// Commands that run while the next block does.
	"sh first-terminal": (*stage).runShell,
	// Commands of which the go command only says what it would do (its flag -n):
	// run in full, tests that run tests would never end.
	"sh dry": (*stage).runDry,
	// Commands that are run in a module beside a clone of this one, of which the
	// source is examples/echo-app.
	"sh consumer": (*stage).runConsumer,

	// What the block before prints. A last line "…" means that more follows; what
	// changes from run to run (see volatile) need not be the same.
	"text output": (*stage).checkOutput,
	// Lines that the service logs when a client has opened and left /stream-sse.
	// Values need not be the same, but for level and msg.
	"text log": (*stage).checkLog,
	// A drawing of rooms, which are there.
	"text flow": (*stage).checkFlow,
	// A drawing that nothing can check.
	"text figure": func(*stage, *testing.T, *block) {},
	// An event stream as bytes: it is decoded.
	"text event-stream": (*stage).checkEventStream,
	// A JSON value.
	"json": (*stage).checkJSON,
	// A location that an nginx serves while a stream is read through it.
	"nginx": (*stage).checkNginx,
	// A script of a page: its streams are opened, its events arrive.
	"js": (*stage).checkScript,
}

// TestPages checks every fenced block of every page.
func TestPages(t *testing.T) {
	for _, path := range pages(t) {
		t.Run(path, func(t *testing.T) {
			t.Parallel() // much of the time is spent waiting for ticks
			blocks, err := readPage(path)
			if err != nil {
				t.Fatal(err)
			}
			s := newStage(t, blocks)
			for i := range blocks {
				b := &blocks[i]
				t.Run(fmt.Sprintf("line%d", b.line), func(t *testing.T) {
					kinds[b.kind](s, t, b)
				})
			}
		})
	}
}

// pages returns the paths of all pages of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(paths, "README.md") {
		t.Fatalf("pages: README.md is missing, found %q", paths)
	}
	return paths
}

// readPage returns the blocks of a page, each of a known kind. A README without
// blocks is an error: it would check nothing.
func readPage(path string) ([]block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	blocks, _, err := parseBlocks(path, string(text))
	if err != nil {
		return nil, err
	}
	var errs []error
	if len(blocks) == 0 && path == "README.md" {
		errs = append(errs, errors.New("README.md: no fenced block was found"))
	}
	for _, b := range blocks {
		if kinds[b.kind] == nil {
			errs = append(errs, fmt.Errorf("%s: the info string %q is not known; use one of %q, see kinds in readme_test.go",
				b.place(), b.kind, slices.Sorted(maps.Keys(kinds))))
		}
	}
	return blocks, errors.Join(errs...)
}

// What makes TestPages fail, apart from what its blocks do.
func TestReadPage(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a README without a block is refused", "# Title\n", "no fenced block"},
		{"a block without an info string is refused", "```\nx\n```\n", `README.md:1: the info string "" is not known`},
		{"an unknown info string is refused", "```go rnu\nx\n```\n", `"go rnu" is not known`},
		{"a block that is not closed is refused", "text\n\n```go\nx\n", "README.md:3: the block is not closed"},
		{"a known one is fine", "```go\nx\n```\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("README.md", []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readPage("README.md")
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("readPage(%q): %v, want no error", tt.text, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("readPage(%q): %v, want an error with %q", tt.text, err, tt.want)
			}
		})
	}
}
