// Fluxwire serves typed, reactive event streams over HTTP, and follows them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fluxwire-go/fluxwire/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends ctx; a second one ends the process at once, even
	// while a write to a pipe is stuck or a delay is running.
	context.AfterFunc(ctx, stop)
	// A closed pipe is an error of the write, which cli handles; it must not
	// end the process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(cli.Run(ctx, cli.Env{Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:]))
}
