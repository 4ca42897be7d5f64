package client

import (
	"log/slog"
	"net/http"
	"time"
)

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
// without a word, [*ByeError] when it asked to come again, [*IdleError], the cause of
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

// OnComment sets a function that hears every comment line, heartbeats included
// (they are ""), when it is read: without the colon and one space after it, and
// before the event it stands in.
func OnComment(f func(string)) Option {
	return func(c *config) { set(c, &c.onComment, f, f == nil, "OnComment") }
}
