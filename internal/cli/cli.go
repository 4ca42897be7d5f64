// Package cli holds the commands of the program that are clients: tail follows an
// event stream, ping sends a message to a running service. [Commands] lists them.
//
// What a server sends reaches the terminal only with everything escaped that a
// terminal might act on.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // any other failure: no connection, or one that was lost for good
	exitUsage       = 2   // the command line is wrong; nothing was sent
	exitRefused     = 3   // an answer that is no event stream
	exitStreamError = 4   // the server's own word that its source failed
	exitInterrupted = 130 // as shells have it for SIGINT
)

// An Env is what a command touches beside the network.
type Env struct {
	Stdout, Stderr io.Writer
	// Client makes the requests. Defaults to [http.DefaultClient].
	Client *http.Client
}

// A Command is one word after the program's name, and what it does.
type Command struct {
	Name, About string
	// Usage is what --help prints.
	Usage string
	run   func(ctx context.Context, env Env, args []string) error
}

// Commands are all there are.
var Commands = []Command{
	{"tail", "follows an event stream, of this or any other server", tailUsage, runTail},
	{"ping", "sends a message to everybody who follows a running service", pingUsage, runPing},
}

// Run runs the command with args, which are without its name, and returns the
// exit code. What goes wrong is one line on the standard error. The end of ctx
// ends the command, with the code 130; a standard output that nobody reads any more
// ends it with 0.
func (c Command) Run(ctx context.Context, env Env, args []string) int {
	if env.Client == nil {
		env.Client = http.DefaultClient
	}
	if _, ok := env.Stdout.(*os.File); ok {
		defer ownSignals(ctx)()
	}
	err := c.run(ctx, env, args)
	switch e, _ := errors.AsType[*exitError](err); {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		if _, err := io.WriteString(env.Stdout, c.Usage); err != nil && !unread(err) {
			return exitFailed
		}
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case e == nil:
		complain(env.Stderr, err.Error())
		return exitFailed
	case e.code == exitUsage:
		complain(env.Stderr, fmt.Sprintf("%s: %v (fluxwire %[1]s --help lists the flags)", c.Name, e.err))
		return e.code
	default:
		complain(env.Stderr, e.Error())
		if e.hint != "" {
			complain(env.Stderr, e.hint)
		}
		return e.code
	}
}

// ownSignals makes a closed pipe an error of the write, where the Go runtime
// would end the process, and has a second signal end the process at once: a write
// to a pipe that nobody empties waits, whatever becomes of ctx. The function it
// returns ends the latter.
func ownSignals(ctx context.Context) (stop func() bool) {
	signal.Ignore(syscall.SIGPIPE)
	return context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })
}

// An exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
	hint string // what to do now, if there is something; a line of its own
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func wrongUsage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// complain writes one line to the standard error. When not even that can be
// written there is nobody to tell.
func complain(stderr io.Writer, text string) {
	fmt.Fprintf(stderr, "fluxwire: %s\n", oneLine(text))
}

// optionAdvice is what the client tells programs to do.
var optionAdvice = regexp.MustCompile(`: (use )?the option \w+( sets another limit)?$`)

// reason is err without the names of packages and their options, which mean nothing
// here.
func reason(err error) string {
	text := ": " + optionAdvice.ReplaceAllString(err.Error(), "")
	for _, prefix := range []string{"client: ", "sse: read: "} {
		text = strings.ReplaceAll(text, ": "+prefix, ": ")
	}
	switch text = strings.TrimPrefix(text, ": "); text {
	case io.EOF.Error():
		return "the server closed the connection"
	case io.ErrUnexpectedEOF.Error():
		return "the connection was cut"
	}
	return text
}

// unread reports whether the error of a write to the standard output says that
// its reader has gone, as head does when it has enough.
func unread(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// parse reads flags that may stand before and after the other arguments, which
// it returns.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	fs.SetOutput(io.Discard)
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, wrongUsage("%w", err)
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
}

// positive returns the function of a flag that sets dst to a value above zero.
func positive[T int | time.Duration](dst *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		switch {
		case err != nil:
			return errors.New("parse error")
		case v <= 0:
			return errors.New("it must be more than 0")
		}
		*dst = v
		return nil
	}
}

// withScheme returns url with http:// in front if it has no scheme, as curl does.
func withScheme(url string) string {
	if strings.Contains(url, "://") {
		return url
	}
	return "http://" + url
}
