package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// tail is the command that follows an event stream. It runs once.
type tail struct {
	URL string `arg:"" help:"Where the stream is. http:// may be left out."`

	Output       string   `short:"o" default:"text" placeholder:"FORM" help:"Print text, or ndjson: each event as a line of JSON, {\"id\",\"event\",\"data\"}. Data that is a JSON object or array is printed unchanged, other data as a string; an id or event that is missing is left out."`
	Event        []string `sep:"none" placeholder:"NAME" help:"Print only events with this name; message is the name of events without one. May be repeated."`
	Take         int      `type:"positive" placeholder:"N" help:"Stop after printing N events."`
	LastEventID  string   `placeholder:"ID" help:"Begin after the event with this id."`
	PositionFile string   `type:"filename" placeholder:"FILE" help:"Keep the position in FILE, and resume there the next time. --last-event-id then only says where to begin the first time."`
	Comments     bool     `help:"Print comments and heartbeats too; as text only."`
	Quiet        bool     `help:"Print only errors on the standard error."`

	Header headers `short:"H" placeholder:"'KEY: VALUE'" help:"Add a header to every request, or those in @FILE, one a line. May be repeated."`
	Data   *string `type:"content" short:"d" placeholder:"DATA" help:"Send this body, or the content of @FILE, with every request; as a form, unless a header Content-Type says otherwise."`
	Method string  `placeholder:"METHOD" help:"The method of the requests (default GET; POST with a body)."`

	NoReconnect bool          `help:"Make one connection, and stop when it ends."`
	Retry       time.Duration `type:"positive" default:"2s" placeholder:"TIME" help:"Wait this long before the first attempt to reconnect, unless the server names a time."`
	MaxAttempts int           `type:"positive" placeholder:"N" help:"Give up after N attempts to reconnect have failed in a row (default: never)."`
	MaxEvent    int           `type:"positive" default:"1048576" placeholder:"BYTES" help:"Refuse events larger than this."`
	Strict      bool          `help:"Follow the HTML standard to the letter: print stream.* events instead of obeying them, do not reconnect after a status other than 200, and repeat a first connection that fails."`

	env   Env
	print printer
	stop  context.CancelCauseFunc

	sent     bool // a request was made, so the command line is right
	position positionStore
	enough   bool  // --take was reached
	end      error // why the last connection ended, until the next attempt
}

// Help implements [kong.HelpProvider].
func (*tail) Help() string {
	return `The standard output gets the events: id, name and data on one line, or the lines
of the data indented below. Whatever a terminal might act on is escaped. After a
lost connection tail connects again with the id of the last event. The standard
error reports connections and gaps.

Exit codes:

    0    the stream is complete, --take was reached, the connection was closed
         (with --no-reconnect), or nobody reads the standard output any more
    1    any other failure: no connection, a connection that is lost for good,
         or a FILE of --position-file that is damaged, in use or not writable
    2    the command line is wrong; nothing was sent
    3    the server refused: a status other than 200, or not an event stream
    4    the server ended the stream because its source failed (stream.error)
    130  a signal (SIGINT, SIGTERM) ended the command`
}

func (t *tail) check() error {
	var errs []error
	if t.Output != "text" && t.Output != "ndjson" {
		errs = append(errs, fmt.Errorf("--output: unknown form %q (want text or ndjson)", t.Output))
	}
	if t.Comments && t.Output == "ndjson" {
		errs = append(errs, errors.New("--comments: lines of JSON cannot hold comments: leave out --comments or --output ndjson"))
	}
	return errors.Join(errs...)
}

func (t *tail) run(ctx context.Context, env Env) (err error) {
	t.env = env
	t.URL = withScheme(t.URL)
	t.print = printer{w: env.Stdout, json: t.Output == "ndjson"}
	t.position.id = t.LastEventID
	if t.PositionFile != "" {
		if t.position.file, err = client.OpenPositionFile(t.PositionFile); err != nil {
			return errors.New(reason(err))
		}
		defer t.position.file.Close() // it holds only the lock
	}
	return t.report(ctx, t.printEvents(ctx))
}

// printEvents prints the events until there are no more, or no more are wanted.
func (t *tail) printEvents(ctx context.Context) error {
	ctx, t.stop = context.WithCancelCause(ctx)
	defer t.stop(nil)
	printed := 0
	for ev, err := range client.Follow[string](ctx, t.URL, t.options()...) {
		if err != nil {
			return err
		}
		if len(t.Event) == 0 || slices.Contains(t.Event, show.EventName(ev.Event)) {
			if err := t.print.event(ev); err != nil {
				return err
			}
			printed++
		}
		if t.Take > 0 && printed == t.Take {
			// The client saves an event as handled when the loop asks for the
			// next one, so do not leave the loop here.
			t.enough = true
			t.stop(nil)
		}
	}
	return nil
}

// report says on the standard error how the stream ended and how to resume. It returns
// err with its exit code, or nil if nothing has failed.
func (t *tail) report(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*outputError](err); ok && unread(e) {
		return nil // the reader has enough
	}
	failed, unsaved := errors.AsType[*client.PositionError](err)
	switch {
	case ctx.Err() != nil:
		if unsaved {
			complain(t.env.Stderr, reason(failed))
		}
	case t.enough:
		if unsaved {
			return errors.New(reason(failed))
		}
		err = nil
	case err == nil && t.end == nil:
		t.note("the stream is complete")
		return nil
	case err == nil:
		t.note("%s", reason(t.end)) // --no-reconnect
	case !t.sent && !unsaved:
		return wrongUsage("%s", reason(err))
	default:
		return t.failed(err)
	}
	if hint := t.hint(); hint != "" {
		complain(t.env.Stderr, hint)
	}
	return err
}

func (t *tail) failed(err error) error {
	e := &exitError{code: exitFailed, err: errors.New(reason(err)), hint: t.hint()}
	switch tooLarge, ok := errors.AsType[*sse.EventTooLargeError](err); {
	case is[*client.StatusError](err), is[*client.ContentTypeError](err):
		e.code = exitRefused
	case is[*client.StreamError](err):
		e.code = exitStreamError
	case ok:
		e.err = fmt.Errorf("an event is larger than %d bytes: raise --max-event", tooLarge.Limit)
	}
	return e
}

// hint says how to resume after the last event. It is empty if there is nothing to
// say; a position file needs no hint.
func (t *tail) hint() string {
	id := t.position.id
	// An id that cannot be printed cannot be typed.
	if t.Quiet || t.PositionFile != "" || id == "" || id == t.LastEventID || escape(id) != id {
		return ""
	}
	equals := " "
	if strings.HasPrefix(id, "-") {
		equals = "=" // or it would look like a flag
	}
	return "resume with --last-event-id" + equals + shellWord(id)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func (t *tail) options() []client.Option {
	options := append(t.Header.options(),
		client.HTTPClient(t.env.Client),
		client.LastEventID(t.LastEventID),
		client.Resume(&t.position),
		client.Retry(client.RetryPolicy{Delay: t.Retry, MaxAttempts: t.MaxAttempts}),
		client.MaxEvent(t.MaxEvent),
		onRequest(&t.sent),
		client.OnConnect(func(res *http.Response) { t.note("connected to %s", show.URL(res.Request.URL)) }),
		client.OnDisconnect(func(err error) { t.end = err }),
		client.OnRetry(func(err error, wait time.Duration) {
			t.end = nil
			t.note("%s; connecting again in %v", reason(err), wait.Round(10*time.Millisecond))
		}),
		client.OnGap(func(g sse.Gap) { t.note("%s", gapText(g)) }),
	)
	if t.Comments {
		options = append(options, client.OnComment(func(text string) {
			if t.enough {
				return // it came after the last event that was wanted
			}
			if err := t.print.comment(text); err != nil {
				t.stop(err)
			}
		}))
	}
	if t.Method != "" {
		options = append(options, client.Method(t.Method))
	}
	if t.Data != nil {
		options = append(options, client.Body(formType, func() (io.Reader, error) {
			return strings.NewReader(*t.Data), nil
		}))
	}
	if t.NoReconnect {
		options = append(options, client.NoReconnect())
	}
	if t.Strict {
		options = append(options, client.Strict())
	}
	return options
}

// note reports what happens to the stream, unless --quiet is set.
func (t *tail) note(format string, args ...any) {
	if !t.Quiet {
		complain(t.env.Stderr, fmt.Sprintf(format, args...))
	}
}

func gapText(g sse.Gap) string {
	text := "gap: events may be missing"
	switch {
	case g.Missed == nil:
	case *g.Missed == 1:
		text = "gap: 1 event is missing"
	default:
		text = fmt.Sprintf("gap: %d events are missing", *g.Missed)
	}
	if g.From != "" {
		text += " after " + word(g.From)
	}
	if g.Reason != "" {
		text += ": " + string(g.Reason)
	}
	return text
}

// shellWord returns s quoted for a shell, if it needs quotes.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@%+=-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
