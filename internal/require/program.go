// Package require finds the programs that tests with real parts need. It skips or
// fails a test whose program is missing.
package require

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// All is the environment variable that, set to 1, makes a test fail instead of
// skipping it, for machines on which every test must run.
const All = "FLUXWIRE_REQUIRE_ALL"

// packages are the Debian packages whose names differ from their programs'.
var packages = map[string]string{"go": "golang-go"}

// Program returns the path of the program name: the first executable in PATH,
// else the first of the places named, for programs such as /usr/sbin/nginx that a
// user's PATH leaves out.
//
// If there is no such program, it skips t and says what is missing and which Debian
// package has it; with FLUXWIRE_REQUIRE_ALL=1 it fails t instead. It must be called
// from t's own goroutine.
func Program(t testing.TB, name string, places ...string) string {
	t.Helper()
	path, err := find(name, places)
	if err != nil {
		missing(t, err)
	}
	return path
}

// File is like [Program] for a file that is not a program, such as a module that a
// program loads. The Debian package pkg has it. File returns path.
func File(t testing.TB, path, pkg string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, fmt.Errorf("require: %w: install Debian's package %s", err, pkg))
	}
	return path
}

// missing skips t, or fails it if the environment says so.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(All) == "1" {
		t.Fatalf("%v; %s=1 makes this a failure", err, All)
	}
	t.Skipf("SKIPPED, NOTHING WAS CHECKED: %v; %s=1 makes this a failure", err, All)
}

func find(name string, places []string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path, nil
		}
	}
	looked := strings.Join(append([]string{"PATH"}, places...), ", ")
	return "", fmt.Errorf("require: program %s: not found in %s: install Debian's package %s", name, looked, cmp.Or(packages[name], name))
}
