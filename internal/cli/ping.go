package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
)

const pingUsage = `Usage: fluxwire ping [flags] [URL]

Sends a message to everybody who follows /events and /stream-sse of the service
at URL (default http://localhost:8080), and prints its answer.

  --message TEXT        what to send (default pong!)
  --header 'KEY: VALUE', -H
                        a header of the request, or @FILE, which holds one a line;
                        may be repeated
  --timeout DURATION    how long all of it may take (default 10s)

Exit codes: 0 it was sent; 1 it was not, and why is one line on the standard
error; 2 the command line is wrong; 130 a signal ended it.
`

func pingFlags(message *string, headers headers, timeout *time.Duration) *flag.FlagSet {
	*timeout = 10 * time.Second
	fs := flag.NewFlagSet("ping", flag.ContinueOnError)
	fs.StringVar(message, "message", "", "")
	fs.Func("header", "", headers.set)
	fs.Func("H", "", headers.set)
	fs.Func("timeout", "", positive(timeout, time.ParseDuration))
	return fs
}

func runPing(ctx context.Context, env Env, args []string) error {
	var message string
	var timeout time.Duration
	headers := make(headers)
	rest, err := parse(pingFlags(&message, headers, &timeout), args)
	switch {
	case err != nil:
		return err
	case len(rest) > 1:
		return wrongUsage("unknown argument %q after the URL", rest[1])
	}
	target := "http://localhost:8080"
	if len(rest) == 1 {
		target = withScheme(rest[0])
	}
	service, err := url.Parse(target)
	if err != nil {
		return wrongUsage("%w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	sent := false
	form := url.Values{"message": {message}}.Encode()
	options := append(headers.options(), client.HTTPClient(env.Client), client.ConnectTimeout(client.Off), onRequest(&sent), client.Body(formType, func() (io.Reader, error) {
		return strings.NewReader(form), nil
	}))
	answer, err := client.Once[string](ctx, service.JoinPath("ping").String(), options...)
	switch {
	case err != nil && !sent:
		return wrongUsage("%s", reason(err))
	case err != nil:
		return errors.New(reason(err))
	}
	_, err = fmt.Fprintln(env.Stdout, oneLine(answer))
	if err != nil && !unread(err) {
		return &outputError{err}
	}
	return nil
}
