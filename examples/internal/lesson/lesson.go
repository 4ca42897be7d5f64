// Package lesson checks the output of the lessons.
package lesson

import (
	"os"
	"testing"
)

// Prints runs main and fails t unless main writes want to the standard output. Two
// lessons of one process must not run at the same time, because a process has only one
// standard output.
func Prints(t *testing.T, main func(), want string) {
	t.Helper()
	if got := printed(t, main); got != want {
		t.Errorf("main printed\n%swant\n%s", got, want)
	}
}

// printed returns what main writes to the standard output. It redirects the output to a
// file, because nothing would read a pipe while main runs.
func printed(t *testing.T, main func()) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "stdout")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	stdout := os.Stdout
	os.Stdout = f
	func() {
		defer func() { os.Stdout = stdout }()
		main()
	}()
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
