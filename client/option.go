package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// An Option sets one thing about a call. Options have no state: a slice of them can be
// used for any number of calls, also concurrently.
//
// A call ignores the options that do not apply to it ([Once] ignores [Retry]), so that
// one slice can serve all calls to one service. Of two options that set the same thing
// the later one counts. An option with an invalid value makes the call fail, before
// anything is sent, with an error that names the option; all faults are reported at
// once.
type Option func(*config)

// config is the result of the options of one call.
type config struct {
	url *url.URL

	method      string
	contentType string
	body        func() (io.Reader, error)
	header      http.Header
	lastEventID string
	idParam     string
	onRequest   func(*http.Request) error
	store       PositionStore
	saveEvents  int
	saveTime    time.Duration
	client      *http.Client

	connectLimit time.Duration
	headLimit    time.Duration

	onStatus func(*http.Response) error
	maxBody  int

	codec        sse.Codec
	maxEvent     int
	decodeErrors Reaction

	cases         []Case
	unknownEvents Reaction
	sentinels     []string
	gaps          Reaction

	retry       RetryPolicy
	noReconnect bool
	idle        time.Duration
	strict      bool

	logger       *slog.Logger
	onConnect    func(*http.Response)
	onDisconnect func(error)
	onRetry      func(error, time.Duration)
	onGap        func(sse.Gap)
	onComment    func(string)

	errs []error
}

// Off means no limit for [ConnectTimeout], [HeadTimeout] and [IdleLimit], and no jitter
// for a [RetryPolicy].
const Off = -1

// Defaults that are not zero values.
const (
	defaultMaxEvent = 1 << 20
	defaultMaxBody  = 8 << 20
)

// newConfig applies opts and makes all checks that are possible before a request is
// made.
func newConfig(ctx context.Context, rawURL string, opts []Option) (*config, error) {
	c := &config{
		header:   http.Header{},
		client:   http.DefaultClient,
		codec:    sse.JSON,
		maxEvent: defaultMaxEvent,
		maxBody:  defaultMaxBody,
		logger:   slog.New(slog.DiscardHandler),

		connectLimit:  defaultConnectTimeout,
		unknownEvents: ReactionSkip,
		gaps:          ReactionSkip,
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
		// The text of a url.Error has the whole URL, with the password.
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

// set stores v, or records that it is invalid for the option.
func set[T any](c *config, dst *T, v T, bad bool, option string) {
	if bad {
		c.fail("option %s: %v is not a valid value", option, v)
		return
	}
	*dst = v
}
