//go:build unix

package pages

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

// A check checks one block. The blocks of a page are checked in their order.
type check func(s *stage, t *testing.T, b *block)

// A kind is an info string that a fenced block may have: what CheckGo and what
// CheckShell do with such a block. A nil check does nothing.
type kind struct{ golang, shell check }

// kinds lists the info strings. The address http://localhost:8080 (or https) in a
// block stands for a service that runs while the page is checked.
var kinds map[string]kind

func init() { // kinds refers to functions that refer to kinds
	kinds = map[string]kind{
		// A program, declarations, or statements, which are put into a function (see
		// wrapper). All are compiled; a program or statements with output below are run.
		// What a fragment has to import is found by its names.
		"go": {golang: (*stage).runGo},
		// Declarations that every "go" fragment of the page may use. The block stands in an
		// HTML comment, because a reader does not need it.
		"go given": {golang: compiled},
		// An excerpt of a file, which is compiled and tested in its own place.
		"go file": {golang: (*stage).checkExcerpt},
		// Declarations that "go test" and "go route" use too.
		"go stream": {golang: compiled},
		// A test of each "go stream" above it, back to the last "go test".
		"go test": {golang: compiled},
		// A line for the table in internal/service/streams.go, compiled there with the
		// nearest "go stream" above. For the shell blocks the service is started again with
		// both.
		"go route": {golang: (*stage).compileRoute, shell: (*stage).serveRoute},

		// Commands that sh runs at the top of the repository.
		"sh": {shell: (*stage).runShell},
		// The command that starts the service; the rest of the page runs against it.
		"sh service": {shell: (*stage).startService},
		// Commands that write files, which are put where "sh service" finds them.
		"sh files": {shell: (*stage).writeFiles},
		// Commands that run while the next block does.
		"sh first-terminal": {shell: (*stage).runShell},
		// Commands of which the go command only says what it would do (its flag -n): if
		// they were run, tests that run tests would never end.
		"sh dry": {shell: (*stage).runDry},
		// Commands that are run in a module beside a clone of this one, whose source is
		// examples/echo-app.
		"sh consumer": {shell: (*stage).runConsumer},

		// What the block before prints. A last line "…" means that more follows; what
		// changes from run to run (see volatile) need not be the same.
		"text output": {golang: (*stage).checkOutput},
		// Lines that the service logs when a client has opened and left /stream-sse.
		// Values need not be the same, except those of level and msg.
		"text log": {shell: (*stage).checkLog},
		// A drawing of rooms, which must exist.
		"text flow": {golang: (*stage).checkFlow},
		// A drawing that nothing can check.
		"text figure": {},
		// An event stream as bytes: it is decoded.
		"text event-stream": {golang: (*stage).checkEventStream},
		// A JSON value, or one on each line.
		"json": {golang: (*stage).checkJSON},
		// A location that an nginx serves while a stream is read through it.
		"nginx": {shell: (*stage).checkNginx},
		// A script of a page: its streams are opened, its events arrive.
		"js": {shell: (*stage).checkScript},
	}
}

// compiled is the check of a block that CheckGo has compiled with all the others.
func compiled(*stage, *testing.T, *block) {}

// CheckGo checks the blocks of every page of the repository at root that need
// nothing but the go command: all Go, and what can be read without running it. Each
// block is a subtest.
func CheckGo(t *testing.T, root string) {
	all := readAll(t, root)
	code := compile(t, root, all)
	t.Run("blocks", func(t *testing.T) {
		for _, p := range all {
			t.Run(p.path, func(t *testing.T) {
				t.Parallel() // a program spends most of its time waiting for ticks
				s := newStage(t, root)
				s.code = code
				p.check(s, t, func(k kind) check { return k.golang })
			})
		}
	})
}

// CheckShell checks the other blocks: those that need a shell, curl, openssl or
// nginx. startNginx starts an nginx in front of the server at upstream, which is
// host:port, with more directives in its location "/", and returns its URL.
func CheckShell(t *testing.T, root string, startNginx func(t *testing.T, upstream, directives string) (url string)) {
	for _, p := range readAll(t, root) {
		t.Run(p.path, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, root)
			s.startNginx = startNginx
			p.check(s, t, func(k kind) check { return k.shell })
		})
	}
}

// A page is one Markdown file.
type page struct {
	path   string // from the root
	blocks []block
}

// check runs the check that which chooses for each block, if it has one.
func (p *page) check(s *stage, t *testing.T, which func(kind) check) {
	for i := range p.blocks {
		b := &p.blocks[i]
		if check := which(kinds[b.kind]); check != nil {
			t.Run(fmt.Sprintf("line%d", b.line), func(t *testing.T) { check(s, t, b) })
		}
	}
}

// paths returns the paths of all pages, from the root.
func paths(root string) ([]string, error) {
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case path == "bench":
			return fs.SkipDir // a module of its own, whose commands take minutes; .ci/run runs them briefly
		case filepath.Ext(path) == ".md":
			found = append(found, path)
		}
		return nil
	})
	if err == nil && !slices.Contains(found, "README.md") {
		err = fmt.Errorf("pages: there is no README.md in %s", root)
	}
	return found, err
}

// readAll reads all pages.
func readAll(t *testing.T, root string) []*page {
	t.Helper()
	found, err := paths(root)
	if err != nil {
		t.Fatal(err)
	}
	var all []*page
	var errs []error
	for _, path := range found {
		p, err := readPage(root, path)
		all = append(all, p)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return all
}

// readPage returns a page whose blocks are all of a known kind. A README.md at the
// root without blocks is an error: it would check nothing.
func readPage(root, path string) (*page, error) {
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	blocks, _, err := parseBlocks(path, string(text))
	if err != nil {
		return nil, err
	}
	var errs []error
	if len(blocks) == 0 && path == "README.md" {
		errs = append(errs, errors.New("README.md: there is no fenced block"))
	}
	for _, b := range blocks {
		if _, known := kinds[b.kind]; !known {
			errs = append(errs, fmt.Errorf("%s: unknown info string %q: use one of %q, see kinds in internal/pages",
				b.place(), b.kind, slices.Sorted(maps.Keys(kinds))))
		}
	}
	return &page{path, blocks}, errors.Join(errs...)
}
