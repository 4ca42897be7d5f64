package require_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/require"
)

func TestProgram(t *testing.T) {
	path, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path)
	inPath := program(t, filepath.Join(path, "both"), 0o755)
	program(t, filepath.Join(elsewhere, "both"), 0o755)
	placed := program(t, filepath.Join(elsewhere, "placed"), 0o755)
	program(t, filepath.Join(elsewhere, "data"), 0o644)

	const skipped = "SKIPPED, NOTHING WAS CHECKED: "
	for _, tt := range []struct {
		what   string
		all    string // FLUXWIRE_REQUIRE_ALL
		name   string
		places []string
		want   outcome
	}{
		{"one in PATH comes before those placed", "", "both", []string{filepath.Join(elsewhere, "both")}, outcome{path: inPath}},
		{"the first of the places counts that has it", "", "placed", []string{filepath.Join(path, "placed"), placed}, outcome{path: placed}},
		{
			"a missing one skips, and says which package brings it", "", "go", []string{"/nowhere/go"},
			outcome{skip: skipped + "require: program go: not found in PATH, /nowhere/go: install Debian's package golang-go; FLUXWIRE_REQUIRE_ALL=1 makes this a failure"},
		},
		{
			"a file that is not executable does not count", "0", "data", []string{filepath.Join(elsewhere, "data")},
			outcome{skip: skipped + "require: program data: not found in PATH, " + filepath.Join(elsewhere, "data") + ": install Debian's package data; FLUXWIRE_REQUIRE_ALL=1 makes this a failure"},
		},
		{
			"a missing one fails where all are required", "1", "nginx", nil,
			outcome{fail: "require: program nginx: not found in PATH: install Debian's package nginx; FLUXWIRE_REQUIRE_ALL=1 lets no test be skipped"},
		},
		{"all required and there is one", "1", "both", nil, outcome{path: inPath}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Setenv(require.All, tt.all)
			if got := call(t, tt.name, tt.places...); got != tt.want {
				t.Errorf("Program(t, %q, %q):\n got %+v\nwant %+v", tt.name, tt.places, got, tt.want)
			}
		})
	}
}

// An outcome is what Program or File did: one of the three is set.
type outcome struct{ path, skip, fail string }

func TestFile(t *testing.T) {
	there := program(t, filepath.Join(t.TempDir(), "module.so"), 0o644)
	const lost = "require: stat /nowhere/module.so: no such file or directory: install Debian's package libmodule; FLUXWIRE_REQUIRE_ALL=1 "
	for _, tt := range []struct {
		what, all, path string
		want            outcome
	}{
		{"one that is there", "1", there, outcome{path: there}},
		{"a missing one skips", "", "/nowhere/module.so", outcome{skip: "SKIPPED, NOTHING WAS CHECKED: " + lost + "makes this a failure"}},
		{"a missing one fails where all are required", "1", "/nowhere/module.so", outcome{fail: lost + "lets no test be skipped"}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Setenv(require.All, tt.all)
			got := outcomeOf(t, func(tb testing.TB) string { return require.File(tb, tt.path, "libmodule") })
			if got != tt.want {
				t.Errorf("File(t, %q, libmodule):\n got %+v\nwant %+v", tt.path, got, tt.want)
			}
		})
	}
}

// call calls Program with a test of its own.
func call(t *testing.T, name string, places ...string) outcome {
	return outcomeOf(t, func(tb testing.TB) string { return require.Program(tb, name, places...) })
}

// outcomeOf calls f with a test of its own.
func outcomeOf(t *testing.T, f func(testing.TB) string) outcome {
	tb := &testTB{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != stopped {
				panic(r)
			}
		}()
		tb.path = f(tb)
	}()
	return tb.outcome
}

// testTB is a test that keeps what it is told, and stops as a test does: what
// follows the call does not run.
type testTB struct {
	testing.TB
	outcome
}

const stopped = "the test has stopped"

func (tb *testTB) Skipf(format string, args ...any) {
	tb.skip = fmt.Sprintf(format, args...)
	panic(stopped)
}

func (tb *testTB) Fatalf(format string, args ...any) {
	tb.fail = fmt.Sprintf(format, args...)
	panic(stopped)
}

func program(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
