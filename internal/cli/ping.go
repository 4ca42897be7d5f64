package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
)

// ping is the command that sends a message to a service.
type ping struct {
	URL     string        `arg:"" optional:"" default:"http://localhost:8080" help:"Where the service is."`
	Message string        `placeholder:"TEXT" help:"What to send (default pong!)."`
	Header  headers       `short:"H" placeholder:"'KEY: VALUE'" help:"Add a header to the request, or those in @FILE, one a line. May be repeated."`
	Timeout time.Duration `type:"positive" default:"10s" placeholder:"TIME" help:"Give up after this time."`
}

// Help implements [kong.HelpProvider].
func (*ping) Help() string {
	return `The message goes to everybody who follows /events or /stream-sse. The standard
output gets the answer of the service.

Exit codes:

    0    the message was sent
    1    it was not; the standard error says why
    2    the command line is wrong; nothing was sent
    130  a signal (SIGINT, SIGTERM) ended the command`
}

func (p *ping) run(ctx context.Context, env Env) error {
	service, err := url.Parse(withScheme(p.URL))
	if err != nil {
		return wrongUsage("%w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("no answer within %v", p.Timeout))
	defer cancel()
	sent := false
	form := url.Values{"message": {p.Message}}.Encode()
	options := append(p.Header.options(), client.HTTPClient(env.Client), client.ConnectTimeout(client.Off), onRequest(&sent), client.Body(formType, func() (io.Reader, error) {
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
