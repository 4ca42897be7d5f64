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
		{"PATH comes before the places", "", "both", []string{filepath.Join(elsewhere, "both")}, outcome{path: inPath}},
		{"the first place that has it", "", "placed", []string{filepath.Join(path, "placed"), placed}, outcome{path: placed}},
		{
			"missing: skip, name the package", "", "go", []string{"/nowhere/go"},
			outcome{skip: skipped + "require: program go: not found in PATH, /nowhere/go: install Debian's package golang-go; FLUXWIRE_REQUIRE_ALL=1 makes this a failure"},
		},
		{
			"a file that is not executable", "0", "data", []string{filepath.Join(elsewhere, "data")},
			outcome{skip: skipped + "require: program data: not found in PATH, " + filepath.Join(elsewhere, "data") + ": install Debian's package data; FLUXWIRE_REQUIRE_ALL=1 makes this a failure"},
		},
		{
			"missing: fail when all are required", "1", "nginx", nil,
			outcome{fail: "require: program nginx: not found in PATH: install Debian's package nginx; FLUXWIRE_REQUIRE_ALL=1 makes this a failure"},
		},
		{"all are required and it is there", "1", "both", nil, outcome{path: inPath}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Setenv(require.All, tt.all)
			if got := call(t, tt.name, tt.places...); got != tt.want {
				t.Errorf("Program(t, %q, %q):\n got %+v\nwant %+v", tt.name, tt.places, got, tt.want)
			}
		})
	}
}

// An outcome is the result of Program or File: one of the three is set.
type outcome struct{ path, skip, fail string }

func TestFile(t *testing.T) {
	there := program(t, filepath.Join(t.TempDir(), "module.so"), 0o644)
	const lost = "require: stat /nowhere/module.so: no such file or directory: install Debian's package libmodule; FLUXWIRE_REQUIRE_ALL=1 "
	for _, tt := range []struct {
		what, all, path string
		want            outcome
	}{
		{"present", "1", there, outcome{path: there}},
		{"missing: skip", "", "/nowhere/module.so", outcome{skip: "SKIPPED, NOTHING WAS CHECKED: " + lost + "makes this a failure"}},
		{"missing: fail when all are required", "1", "/nowhere/module.so", outcome{fail: lost + "makes this a failure"}},
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

// call calls Program with a fake test.
func call(t *testing.T, name string, places ...string) outcome {
	return outcomeOf(t, func(tb testing.TB) string { return require.Program(tb, name, places...) })
}

// outcomeOf calls f with a fake test.
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

// testTB is a fake test that records how it was ended. Like a real one it stops its
// goroutine there.
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
