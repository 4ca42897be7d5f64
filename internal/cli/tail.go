package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/sse"
)

const tailUsage = `Usage: fluxwire tail [flags] URL

Follows the event stream (text/event-stream) at URL and prints its events: id,
name and data on a line, or data of several lines indented below. What a terminal
might act on is escaped. A lost connection is made anew with the id of the last
event; the standard error tells of that and of gaps.

  --output FORM, -o     text, or ndjson: {"id","event","data"} as a line of JSON.
                        Data that is a JSON object or array stands there as it
                        is, any other as a string; an id or event that is not
                        there is left out (default text)
  --event NAME          print only events of this name, "message" for those
                        without one; may be repeated
  --take N              stop after N events that were printed
  --last-event-id ID    go on after this event
  --cursor FILE         keep in FILE how far it got, and go on there the next
                        time; --last-event-id then only says where to begin
  --comments            print comments and heartbeats, too; as text only
  --quiet               leave the standard error to errors

  --header 'KEY: VALUE', -H
                        a header of every request, or @FILE, which holds one a
                        line; may be repeated
  --data DATA, -d       a body to send, or @FILE, which holds it; as a form, if no
                        header Content-Type says otherwise
  --method METHOD       the request's method (default GET, with a body POST)

  --no-reconnect        make one connection; its end is the end
  --retry DURATION      wait before the first attempt to reconnect, unless the
                        server names a time (default 2s)
  --max-attempts N      attempts to reconnect that may fail in a row (default: any
                        number)
  --max-event BYTES     how large an event may be (default 1048576)
  --strict              keep to the letter of the HTML standard: stream.* events
                        are printed, not obeyed; a status other than 200 ends it
                        for good; a first connection that fails is made again

Exit codes:
  0    the stream is complete, --take was reached, with --no-reconnect the
       connection was closed, or nobody reads the standard output any more
  1    any other failure: no connection, one that was lost for good, a FILE of
       --cursor that is damaged, in use, or cannot be written
  2    the command line is wrong; nothing was sent
  3    the server refused: another status than 200, or no event stream
  4    the server ended the stream because its source failed (stream.error)
  130  a signal (SIGINT, SIGTERM) ended it
`

// A tail is one run of the command.
type tail struct {
	url         string
	output      string
	lastEventID string
	cursor      string
	events      []string
	take        int
	comments    bool
	quiet       bool
	headers     headers
	data        *string
	method      string
	noReconnect bool
	retry       client.RetryPolicy
	maxEvent    int
	strict      bool

	env   Env
	print printer
	stop  context.CancelCauseFunc

	sent     bool // a request, so that the command line was good
	position position
	enough   bool  // --take was reached
	end      error // why the last connection ended, until there is another attempt
}

func (t *tail) flags() *flag.FlagSet {
	t.headers = make(headers)
	fs := flag.NewFlagSet("tail", flag.ContinueOnError)
	for _, name := range []string{"output", "o"} {
		fs.StringVar(&t.output, name, "text", "")
	}
	for _, name := range []string{"header", "H"} {
		fs.Func(name, "", t.headers.set)
	}
	for _, name := range []string{"data", "d"} {
		fs.Func(name, "", t.setData)
	}
	fs.Func("event", "", func(name string) error {
		t.events = append(t.events, name)
		return nil
	})
	fs.Func("take", "", positive(&t.take, strconv.Atoi))
	fs.StringVar(&t.lastEventID, "last-event-id", "", "")
	fs.Func("cursor", "", func(name string) error {
		if t.cursor = name; name == "" {
			return errors.New("the name of the file is empty")
		}
		return nil
	})
	fs.BoolVar(&t.comments, "comments", false, "")
	fs.BoolVar(&t.quiet, "quiet", false, "")
	fs.StringVar(&t.method, "method", "", "")
	fs.BoolVar(&t.noReconnect, "no-reconnect", false, "")
	fs.Func("retry", "", positive(&t.retry.Delay, time.ParseDuration))
	fs.Func("max-attempts", "", positive(&t.retry.MaxAttempts, strconv.Atoi))
	fs.Func("max-event", "", positive(&t.maxEvent, strconv.Atoi))
	fs.BoolVar(&t.strict, "strict", false, "")
	return fs
}

func (t *tail) setData(s string) error {
	if name, ok := strings.CutPrefix(s, "@"); ok {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s = string(data)
	}
	t.data = &s
	return nil
}

func runTail(ctx context.Context, env Env, args []string) error {
	t := &tail{env: env}
	rest, err := parse(t.flags(), args)
	switch {
	case err != nil:
		return err
	case len(rest) == 0:
		return wrongUsage("the URL is missing")
	case len(rest) > 1:
		return wrongUsage("unknown argument %q after the URL", rest[1])
	case t.output != "text" && t.output != "ndjson":
		return wrongUsage("--output: %q is neither text nor ndjson", t.output)
	case t.comments && t.output == "ndjson":
		return wrongUsage("--comments: lines of JSON have no place for comments; leave one of them out")
	}
	t.url = withScheme(rest[0])
	t.print = printer{w: env.Stdout, json: t.output == "ndjson"}
	t.position.id = t.lastEventID
	if t.cursor != "" {
		if t.position.file, err = client.NewFileCursor(t.cursor); err != nil {
			return errors.New(reason(err))
		}
		defer t.position.file.Close() // all it holds is the lock
	}
	return t.conclude(ctx, t.follow(ctx))
}

// follow prints the events until there are no more, or no more are wanted.
func (t *tail) follow(ctx context.Context) error {
	ctx, t.stop = context.WithCancelCause(ctx)
	defer t.stop(nil)
	printed := 0
	for ev, err := range client.Follow[string](ctx, t.url, t.options()...) {
		if err != nil {
			return err
		}
		if len(t.events) == 0 || slices.Contains(t.events, nameOf(ev)) {
			if err := t.print.event(ev); err != nil {
				return err
			}
			printed++
		}
		if t.take > 0 && printed == t.take {
			// Who leaves the loop has not dealt with the event, who comes back has.
			t.enough = true
			t.stop(nil)
		}
	}
	return nil
}

// conclude tells where to go on, and makes of an error one with its exit code.
func (t *tail) conclude(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*outputError](err); ok && unread(e) {
		return nil // whoever wanted the events has enough: nothing to tell
	}
	failed, unsaved := errors.AsType[*client.CursorError](err)
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

// hint says how to go on after the last event, or is "". A cursor knows it by itself.
func (t *tail) hint() string {
	id := t.position.id
	// An id that cannot be shown cannot be typed.
	if t.quiet || t.cursor != "" || id == "" || id == t.lastEventID || escape(id) != id {
		return ""
	}
	return "resume with --last-event-id " + shellWord(id)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func (t *tail) options() []client.Option {
	options := append(t.headers.options(),
		client.HTTPClient(t.env.Client),
		client.LastEventID(t.lastEventID),
		client.Resume(&t.position),
		client.Retry(t.retry),
		onRequest(&t.sent),
		client.OnConnect(func(res *http.Response) { t.note("connected to %s", place(res.Request.URL)) }),
		client.OnDisconnect(func(err error) { t.end = err }),
		client.OnRetry(func(err error, wait time.Duration) {
			t.end = nil
			t.note("%s; connecting again in %v", reason(err), wait.Round(10*time.Millisecond))
		}),
		client.OnGap(func(g sse.Gap) { t.note("%s", gapText(g)) }),
	)
	if t.comments {
		options = append(options, client.OnComment(func(text string) {
			if t.enough {
				return // it has been read already
			}
			if err := t.print.comment(text); err != nil {
				t.stop(err)
			}
		}))
	}
	if t.method != "" {
		options = append(options, client.Method(t.method))
	}
	if t.data != nil {
		options = append(options, client.Body(formType, func() (io.Reader, error) {
			return strings.NewReader(*t.data), nil
		}))
	}
	if t.maxEvent > 0 {
		options = append(options, client.MaxEvent(t.maxEvent))
	}
	if t.noReconnect {
		options = append(options, client.NoReconnect())
	}
	if t.strict {
		options = append(options, client.Strict())
	}
	return options
}

// note tells what happens to the stream, unless nobody wants to know.
func (t *tail) note(format string, args ...any) {
	if !t.quiet {
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

// place is a URL without user, query and fragment, where secrets travel.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// shellWord returns s as a shell reads it back.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@%+=-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
