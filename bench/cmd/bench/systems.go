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

// floorName is the system that is no system of cmd/server's, but a program in C.
const floorName = "floor"

// before ends the name of a system that another version of Fluxwire runs.
const before = "-before"

// everySystem is what is compared unless asked otherwise.
var everySystem = []string{"fluxwire", "fluxwire-portable", "subject", "nethttp", "nethttp-coalesce", "r3labs", "go-sse", "centrifuge", "nchan", floorName}

// names are the systems there are.
func names() []string { return append(system.Names(), floorName) }

// ours are Fluxwire's: what they must never do fails the benchmark.
func ours(name string) bool { return strings.HasPrefix(name, "fluxwire") || name == "subject" }

// peer reports whether name is what Fluxwire is compared with.
func peer(name string) bool { return !ours(name) && name != floorName }

// foreign systems are other people's: when one fails, that is a finding.
func foreign(name string) bool { return peer(name) && !strings.HasPrefix(name, "nethttp") }

// keeps reports whether a system has a history, so that clients resume.
func keeps(name string) bool { return strings.HasPrefix(name, "fluxwire") }

// missing tells what this machine has not, for a system to run, or nil.
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

// server is the command of a server of system with args. It, or what it starts, is on
// core 0. nchan is a program that cmd/server starts and hands the events: cmd/server
// itself is then part of the load.
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
