package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// An Option sets one thing about a call. Options hold no state of their own: a
// slice of them can be shared by any number of calls, also at the same time.
//
// An option that has no meaning for a call is ignored by it (a [Retry] by
// [Once]), so that one slice can serve all calls to one service. Of two options
// that set the same thing the later one counts. An option with an impossible
// value makes the call fail, before anything is sent, with an error that names
// the option; all faults are reported at once.
type Option func(*config)

// config is what the options of one call add up to.
type config struct {
	url *url.URL

	method      string
	contentType string
	body        func() (io.Reader, error)
	header      http.Header
	lastEventID string
	idParam     string
	onRequest   func(*http.Request) error
	cursor      Cursor
	saveEvents  int
	saveTime    time.Duration
	client      *http.Client

	connectLimit time.Duration
	headLimit    time.Duration

	onStatus func(*http.Response) error
	maxBody  int

	codec        sse.Codec
	maxEvent     int
	decodeErrors DecodePolicy

	cases         []Case
	unknownEvents UnknownPolicy
	sentinels     []string
	gaps          GapPolicy

	retry       RetryPolicy
	noReconnect bool
	idle        time.Duration
	strict      bool

	logger       *slog.Logger
	onConnect    func(*http.Response)
	onDisconnect func(error)
	onRetry      func(error, time.Duration)
	onGap        func(Gap)
	onComment    func(string)

	errs []error
}

// The defaults that are not a zero value.
const (
	defaultMaxEvent = 1 << 20
	defaultMaxBody  = 8 << 20
)

// newConfig applies opts and checks everything that can be checked before a
// request is made.
func newConfig(ctx context.Context, rawURL string, opts []Option) (*config, error) {
	c := &config{
		header:   http.Header{},
		client:   http.DefaultClient,
		codec:    sse.JSON,
		maxEvent: defaultMaxEvent,
		maxBody:  defaultMaxBody,
		logger:   slog.New(slog.DiscardHandler),

		connectLimit:  defaultConnectTimeout,
		unknownEvents: SkipUnknownEvents,
		gaps:          SkipGaps,
	}
	if ctx == nil {
		c.fail("the context is nil")
	}
	c.setURL(rawURL)
	for i, o := range opts {
		if o == nil {
			c.fail("option %d is nil", i+1)
			continue
		}
		o(c)
	}
	if c.method == "" {
		c.method = http.MethodGet
		if c.body != nil {
			c.method = http.MethodPost
		}
	}
	if c.idParam == "" && !sendable(c.lastEventID) {
		c.fail("option LastEventID: %q holds a control character, which no header can carry: use the option LastEventIDQuery", c.lastEventID)
	}
	c.retry = c.retry.withDefaults()
	return c, errors.Join(c.errs...)
}

func (c *config) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("client: "+format, args...))
}

func (c *config) setURL(raw string) {
	u, err := url.Parse(raw)
	if err != nil {
		// The text of a url.Error repeats the whole URL, password included.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		c.fail("url: %w", err)
		return
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		c.fail("url: the scheme is %q: give an absolute http or https URL", u.Scheme)
	case u.Host == "":
		c.fail("url: the host is missing: give an absolute http or https URL")
	}
	c.url = u
}

// Method sets the request's method. Defaults to GET, or POST when there is a
// [Body].
func Method(method string) Option {
	return func(c *config) { c.method = method }
}

// Body sets the request's body and its Content-Type (none if ""). open is called
// for every attempt, a redirect that repeats the body included, and gives a fresh
// reader each time; one that is an [io.Closer] is closed after use. An error of
// open ends the call.
func Body(contentType string, open func() (io.Reader, error)) Option {
	return func(c *config) {
		if open == nil {
			c.fail("option Body: the function is nil")
			return
		}
		c.contentType, c.body = contentType, open
	}
}

// JSONBody sends v, encoded once when the option is made, as an application/json
// [Body].
func JSONBody(v any) Option {
	data, err := json.Marshal(v)
	if err != nil {
		return func(c *config) { c.fail("option JSONBody: %w", err) }
	}
	return Body("application/json", func() (io.Reader, error) { return bytes.NewReader(data), nil })
}

// Header sets a header of every request, in place of what the client would send.
// For a value that changes between attempts, such as a token that expires, use
// [OnRequest]. Last-Event-ID is refused: the client keeps it, [LastEventID] sets
// where it starts.
func Header(key string, values ...string) Option {
	return func(c *config) {
		key := http.CanonicalHeaderKey(key)
		if key == lastEventIDHeader {
			c.fail("option Header: Last-Event-ID is kept by the client: use the option LastEventID")
			return
		}
		c.header[key] = values
	}
}

// LastEventID sets the Last-Event-ID of the first request: where an earlier run
// left off.
func LastEventID(id string) Option {
	return func(c *config) { c.lastEventID = id }
}

// OnRequest sets a function that the request of every attempt passes before it is
// sent: the place for a fresh token. Its error ends the call, unchanged.
//
// It does not see the requests that follow a redirect: those carry the headers of
// the first, as [http.Client] has it, but Authorization, Cookie and their like only
// to the same host and those below it. An attempt that begins where a permanent
// redirect led is seen, with that URL, and loses those headers by the same rule.
// Other headers, a key of your own invention too, go wherever a redirect leads.
func OnRequest(f func(*http.Request) error) Option {
	return func(c *config) { set(c, &c.onRequest, f, f == nil, "OnRequest") }
}

// HTTPClient sets what the requests are made with. Defaults to
// [http.DefaultClient]. A stream refuses one with a Timeout: [ErrClientTimeout].
func HTTPClient(client *http.Client) Option {
	return func(c *config) { set(c, &c.client, client, client == nil, "HTTPClient") }
}

// Codec sets how data becomes a value. Defaults to [sse.JSON].
func Codec(codec sse.Codec) Option {
	return func(c *config) { set(c, &c.codec, codec, codec == nil, "Codec") }
}

// MaxEvent bounds the size of one event in bytes, so that no server can fill the
// memory. A larger one ends the stream with an [*sse.EventTooLargeError].
// Defaults to 1 MiB.
func MaxEvent(bytes int) Option {
	return func(c *config) { set(c, &c.maxEvent, bytes, bytes <= 0, "MaxEvent") }
}

// MaxBody bounds the answer [Once] reads, in bytes; a larger one is an
// [*BodyTooLargeError]. Defaults to 8 MiB.
func MaxBody(bytes int) Option {
	return func(c *config) { set(c, &c.maxBody, bytes, bytes <= 0, "MaxBody") }
}

// DecodeErrors sets what becomes of an event whose data does not decode.
// Defaults to [EndOnDecodeError].
func DecodeErrors(p DecodePolicy) Option {
	return func(c *config) {
		set(c, &c.decodeErrors, p, p < EndOnDecodeError || p > SkipDecodeErrors, "DecodeErrors")
	}
}

// Retry sets when and how often a stream reconnects.
func Retry(p RetryPolicy) Option {
	return func(c *config) {
		if err := p.check(); err != nil {
			c.errs = append(c.errs, err)
			return
		}
		c.retry = p
	}
}

// NoReconnect makes a stream one request and no more, for answers that are a
// stream once, such as the tokens of a language model: a body that ends is the
// end of the stream, without an error; one that is cut short, or falls silent,
// ends it with that error. A [Sentinel] tells the two apart where bodies do not.
func NoReconnect() Option {
	return func(c *config) { c.noReconnect = true }
}

// IdleLimit sets how long a connection may be silent, from the request on, before
// it counts as dead, is closed and made anew; any byte counts, a heartbeat too.
// Only the time spent waiting for the server is counted, not the time the caller
// takes over an event. Defaults to 2.5 times what the server announces in its
// Stream-Heartbeat header, and to no limit if it announces nothing; what the last
// connection announced also bounds the wait for the next answer, unless
// [HeadTimeout] does. NoIdleLimit switches it off.
func IdleLimit(d time.Duration) Option {
	return func(c *config) { set(c, &c.idle, d, d <= 0 && d != NoIdleLimit, "IdleLimit") }
}

// NoIdleLimit, given to [IdleLimit], lets a connection be silent for ever.
const NoIdleLimit time.Duration = -1

// Strict makes a stream keep to the letter of the HTML standard, section 9.2:
// any status but 200 and any media type but text/event-stream ends it for good, a
// network error (a timeout too) is retried even before the first success, a
// stream.* event is an event like any other, and Stream-Heartbeat means nothing.
// After a redirect, permanent or not, that led to an event stream, later attempts
// begin where it led: the standard repeats one request, to whose list of URLs each
// redirect (Fetch, HTTP-redirect fetch) has added one.
func Strict() Option {
	return func(c *config) { c.strict = true }
}

// Logger sets where a stream tells of what the caller does not get to see: lost
// connections and gaps at level Warn, redirects that are remembered at Info,
// connections made at Debug. Records carry the URL without user and query. Defaults
// to no log.
func Logger(l *slog.Logger) Option {
	return func(c *config) { set(c, &c.logger, l, l == nil, "Logger") }
}

// OnConnect sets a function that hears of every connection once its answer is
// known to be an event stream. It must leave the body alone.
//
// This and the other hooks run where the stream runs (in the goroutine of the
// loop, or of the [Subscription]), one at a time: what they do, the stream waits
// for.
func OnConnect(f func(*http.Response)) Option {
	return func(c *config) { set(c, &c.onConnect, f, f == nil, "OnConnect") }
}

// OnDisconnect sets a function that hears of the end of every connection, exactly
// once for each call of [OnConnect], and why: [io.EOF] when the server closed it
// without a word, [*Bye] when it asked to come again, [*IdleError], the cause of
// the context, a network error, the error that ends the stream; nil when the
// stream was complete or the caller left.
func OnDisconnect(f func(error)) Option {
	return func(c *config) { set(c, &c.onDisconnect, f, f == nil, "OnDisconnect") }
}

// OnRetry sets a function that hears before each wait of why the last attempt
// ended and how long the wait is.
func OnRetry(f func(err error, wait time.Duration)) Option {
	return func(c *config) { set(c, &c.onRetry, f, f == nil, "OnRetry") }
}

// OnGap sets a function that hears, in its place between the events, that the
// server could not deliver everything since the last one. [Gaps] puts that into
// the loop, too.
func OnGap(f func(Gap)) Option {
	return func(c *config) { set(c, &c.onGap, f, f == nil, "OnGap") }
}

// OnComment sets a function that hears every comment line, heartbeats included
// (they are ""), when it is read: without the colon and one space after it, and
// before the event it stands in.
func OnComment(f func(string)) Option {
	return func(c *config) { set(c, &c.onComment, f, f == nil, "OnComment") }
}

// OnStatus sets a function that sees every answer that would be a [*StatusError]
// before it becomes one. An error it returns ends the call in its place,
// unchanged and without a retry; nil leaves everything as it is. The function may
// read the body (its first 64 KiB) and need not close it.
func OnStatus(f func(*http.Response) error) Option {
	return func(c *config) { set(c, &c.onStatus, f, f == nil, "OnStatus") }
}

// set stores v, or notes that it is no value for the option.
func set[T any](c *config, dst *T, v T, bad bool, option string) {
	if bad {
		c.fail("option %s: %v is not a possible value", option, v)
		return
	}
	*dst = v
}
