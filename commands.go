package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fluxwire-go/fluxwire/internal/cli"
)

// run is the program, with all that it touches given to it: args without the
// program's name, the environment, and where it writes. Its first argument may
// name a command; without one it is the service. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return runService(ctx, args, env, stdout, stderr)
	}
	name, args := args[0], args[1:]
	if name == "help" { // help tail is tail --help
		if len(args) == 0 {
			args = []string{"serve"}
		}
		name, args = args[0], append(args[1:], "--help")
	}
	if name == "serve" {
		return runService(ctx, args, env, stdout, stderr)
	}
	i := slices.IndexFunc(cli.Commands, func(c cli.Command) bool { return c.Name == name })
	if i < 0 {
		fmt.Fprintf(stderr, "fluxwire: unknown command %q (fluxwire --help lists the commands)\n", name)
		return 2
	}
	return cli.Commands[i].Run(ctx, cli.Env{Stdout: stdout, Stderr: stderr}, args)
}
