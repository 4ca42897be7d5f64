package client

import (
	"log/slog"
	"net/http"
	"time"
)

// Logger sets where a stream logs what the caller does not see: lost connections and
// gaps at level Warn, remembered redirects at Info, new connections at Debug. Records
// have the URL without user and query. Defaults to no log.
func Logger(l *slog.Logger) Option {
	return func(c *config) { set(c, &c.logger, l, l == nil, "Logger") }
}

// OnConnect sets a function that is called for every connection once its answer is
// known to be an event stream. It must not touch the body.
//
// This and the other hooks are called one at a time in the goroutine of the stream
// (that of the loop, or of the [Subscription]). The stream waits for them.
func OnConnect(f func(*http.Response)) Option {
	return func(c *config) { set(c, &c.onConnect, f, f == nil, "OnConnect") }
}

// OnDisconnect sets a function that is called at the end of every connection, exactly
// once for each call of [OnConnect], with the reason: [io.EOF] if the server closed the
// connection without a reason, [*ByeError] if it asked the client to reconnect,
// [*IdleError], the cause of the context, a network error, the error that ends the
// stream; nil if the stream is complete or the caller has left the loop.
func OnDisconnect(f func(error)) Option {
	return func(c *config) { set(c, &c.onDisconnect, f, f == nil, "OnDisconnect") }
}

// OnRetry sets a function that is called before each wait, with the reason why the last
// attempt ended and the length of the wait.
func OnRetry(f func(err error, wait time.Duration)) Option {
	return func(c *config) { set(c, &c.onRetry, f, f == nil, "OnRetry") }
}

// OnComment sets a function that is called for every comment line when the line is
// read, before the event that it belongs to. The text is without the colon and one
// space after it; a heartbeat is "".
func OnComment(f func(string)) Option {
	return func(c *config) { set(c, &c.onComment, f, f == nil, "OnComment") }
}
