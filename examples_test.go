package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestEchoApp builds and tests the module of its own in examples/echo-app as its
// users would: with the Go command alone, and from its own go.mod.
func TestEchoApp(t *testing.T) {
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = "examples/echo-app"
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s in %s: %v (if go.mod is out of date, run go mod tidy there)\n%s", args[0], cmd.Dir, err, out)
		}
	}
}
