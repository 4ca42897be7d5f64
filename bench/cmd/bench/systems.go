package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fluxwire-go/fluxwire/bench/floor"
	"github.com/fluxwire-go/fluxwire/bench/internal/system"
)

// floorName is the name of the floor, a program in C that cmd/server does not know.
const floorName = "floor"

// before ends the name of a system that another version of Fluxwire runs.
const before = "-before"

// everySystem lists the systems that are compared by default.
var everySystem = []string{"fluxwire", "fluxwire-portable", "subject", "nethttp", "nethttp-coalesce", "r3labs", "go-sse", "centrifuge", "nchan", floorName}

// names are the names of all systems.
func names() []string { return append(system.Names(), floorName) }

// ours reports whether a system is Fluxwire's. What these must never do fails the
// benchmark.
func ours(name string) bool { return strings.HasPrefix(name, "fluxwire") || name == "subject" }

// peer reports whether name is what Fluxwire is compared with.
func peer(name string) bool { return !ours(name) && name != floorName }

// foreign reports whether a system is other people's. A failure of one is only listed.
func foreign(name string) bool { return peer(name) && !strings.HasPrefix(name, "nethttp") }

// keeps reports whether a system has a history, so that clients resume.
func keeps(name string) bool { return strings.HasPrefix(name, "fluxwire") }

// missing returns an error that names what this machine lacks to run a system, or nil.
func missing(name string) error {
	if name == floorName {
		if _, err := exec.LookPath("cc"); err != nil {
			return errors.New("floor: there is no C compiler called cc; on Debian: apt-get install gcc libc6-dev")
		}
		return nil
	}
	return system.Missing(name)
}

// build puts the programs for systems into dir.
func build(ctx context.Context, dir string, systems []string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator),
		"github.com/fluxwire-go/fluxwire/bench/cmd/server", "github.com/fluxwire-go/fluxwire/bench/cmd/load")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if !slices.Contains(systems, floorName) {
		return nil
	}
	source := filepath.Join(dir, "floor.c")
	if err := os.WriteFile(source, floor.Source, 0o600); err != nil {
		return err
	}
	cmd = exec.CommandContext(ctx, "cc", "-O2", "-o", filepath.Join(dir, floorName), source)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build: floor: %w", err)
	}
	return nil
}

// server is the command of a server of system with args. It runs on core 0. For nchan
// cmd/server starts nginx there and sends it the events: cmd/server itself is then part
// of the load.
func server(ctx context.Context, dir, name string, args []string) *exec.Cmd {
	switch name {
	case floorName:
		return pinned(ctx, 0, filepath.Join(dir, floorName), args...)
	case "nchan":
		args = append([]string{"-system", name}, args...)
		if pinning(0) {
			args = append(args, "-core", "0")
		}
		cmd := pinned(ctx, 1, filepath.Join(dir, "server"), args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		return cmd
	}
	program := "server"
	if now, ok := strings.CutSuffix(name, before); ok {
		name, program = now, program+before
	}
	return pinned(ctx, 0, filepath.Join(dir, program), append([]string{"-system", name}, args...)...)
}
