// Package cli is the command line of the program: serve runs the service, tail
// follows an event stream, ping sends a message to a running service, version
// prints the version. [Run] is the whole program; the type commands lists the
// commands.
//
// Flags, environment variables, keys of the configuration file and help come from
// one description: the tags of the fields that hold the values.
//
// Text from a server reaches the terminal only after everything that a terminal
// might act on has been escaped.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // any other failure: no connection, an address in use, an unreadable file
	exitUsage       = 2   // the command line, a variable or the configuration file is wrong
	exitRefused     = 3   // the answer is not an event stream
	exitStreamError = 4   // the server said that its source failed
	exitInterrupted = 130 // the code that shells use for SIGINT
)

// An Env is what a command uses besides its arguments and the network.
type Env struct {
	// Environ is the environment, as [os.Environ] returns it.
	Environ        []string
	Stdout, Stderr io.Writer
	// Client makes the requests. Defaults to [http.DefaultClient].
	Client *http.Client

	sources *sources // where the settings of the command come from
}

// Run runs the program with args, which do not include the program's name, and
// returns the exit code. Errors are lines on env.Stderr; all faults of the
// arguments, the environment and the configuration file are reported at once.
//
// When ctx ends, serve stops the service and returns 0; the other commands return
// 130. A command whose standard output has no reader any more returns 0.
func Run(ctx context.Context, env Env, args []string) int {
	if env.Client == nil {
		env.Client = http.DefaultClient
	}
	p := newParser(env)
	if len(args) > 0 && args[0] == "help" { // help tail means tail --help
		args = append(args[1:len(args):len(args)], "--help")
	}
	cmd, faults := p.parse(args)
	if len(faults) > 0 {
		return p.refuse(faults)
	}
	if cmd == nil { // --help
		if err := p.help(); err != nil && !unread(err) {
			return exitFailed
		}
		return exitOK
	}
	env.sources = p.sources
	err := cmd.run(ctx, env)
	switch e, _ := errors.AsType[*exitError](err); {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && (e == nil || !e.always):
		return exitInterrupted
	case e == nil:
		complain(env.Stderr, err.Error())
		return exitFailed
	case e.code == exitUsage:
		return p.refuse([]fault{{err: e.err}})
	default:
		complain(env.Stderr, e.Error())
		if e.hint != "" {
			complain(env.Stderr, e.hint)
		}
		return e.code
	}
}

// An exitError is an error with its own exit code.
type exitError struct {
	code   int
	err    error
	hint   string // what to do now, on a line of its own; may be empty
	always bool   // report the error even if a signal ended the command
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func wrongUsage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// complain writes one line to the standard error. It ignores the error of that
// write: there is nowhere left to report it.
func complain(stderr io.Writer, text string) {
	fmt.Fprintf(stderr, "fluxwire: %s\n", oneLine(text))
}

// optionAdvice matches advice that the client gives to programmers.
var optionAdvice = regexp.MustCompile(`: (use )?the option \w+( sets another limit)?$`)

// reason returns the text of err without the names of packages and their options,
// which mean nothing on a command line.
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

// unread reports whether a write to the standard output failed because its reader
// has gone, as head does when it has enough.
func unread(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

// withScheme returns url, with http:// in front if it has no scheme, as curl does.
func withScheme(url string) string {
	if strings.Contains(url, "://") {
		return url
	}
	return "http://" + url
}
