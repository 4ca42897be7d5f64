package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// Off switches off a setting of [Config], a duration or a limit, whose comment says so.
const Off = -1

// Config is the settings of a [Server]. The zero Config works.
type Config struct {
	// Heartbeat is how long a stream may be silent before a comment (in NDJSON
	// an empty line) is sent to keep it open through proxies. It is announced
	// in the header Stream-Heartbeat, in seconds. [Off] sends none.
	// Defaults to 15 s.
	Heartbeat time.Duration

	// Grace is how long the answer's head waits for the first value, so that a
	// source that fails at once is answered with a status. [Off] waits for
	// nothing. Defaults to 50 ms.
	Grace time.Duration

	// WriteTimeout is how long one write may take before the stream is cut.
	// Over HTTP/2 that holds for one stream that its client does not read; for a
	// connection that takes no bytes at all, set the WriteByteTimeout of the
	// [net/http.Server]'s HTTP2 to the same. Over TLS the end of a cut connection
	// may take 5 s more. Defaults to 10 s.
	WriteTimeout time.Duration

	// MaxAge is when a stream is ended by stream.bye, so that its client
	// connects again, within 10 % either way. [Off] ends none.
	// Defaults to 1 h.
	MaxAge time.Duration

	// Retry is how long clients are asked to wait before they reconnect,
	// within 50 % either way. Defaults to 2 s.
	Retry time.Duration

	// MaxEvent is the size in bytes of the largest encoded event. A larger one
	// ends its stream with stream.error. Defaults to 1 MiB.
	MaxEvent int

	// Origins lists the origins whose pages may read the streams (CORS), such
	// as "https://app.example"; "*" is every origin. Pages of listed origins
	// may send credentials, those admitted by "*" alone may not.
	// Defaults to none.
	Origins []string

	// MaxStreams is how many streams may be open at a time, and
	// MaxStreamsPerSubject how many of one subject (see [Grant]). A client over
	// a limit is told when to try again: by a stream that says stream.bye, since
	// an EventSource would give up for good at any other answer, or by status
	// 503 or 429 where it asked for another form. [Off] is no limit.
	// Default to 100,000 and 100.
	MaxStreams           int
	MaxStreamsPerSubject int

	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	// Defaults to none: the client is whoever is connected.
	TrustedProxies []netip.Prefix

	// Authorize, if not nil, is asked before the first byte of every stream. Its
	// error is answered as a [Problem]: return one with status 401 or 403. It
	// may be called from any number of goroutines at once.
	Authorize func(r *http.Request, access Access) (Grant, error)

	// Transport is how topics' event streams get to their clients. Defaults to
	// [TransportAuto].
	Transport Transport

	// Pace is how far apart the rounds of the fast transport are, in each of which it
	// writes a topic's pending events to all clients: from beginning to beginning,
	// or, where events come faster than rounds, from the end of one to the beginning of the
	// next. So several events leave in one write. The first event after a rest goes
	// out at once. [Off] is no rest. Defaults to 2 ms.
	Pace time.Duration

	// Logger gets a line for each stream that fails or stalls, and at debug
	// for each other end. Its handler must not call the Server, and should not
	// block: many streams may wait for it. Defaults to [slog.Default].
	Logger *slog.Logger
}

// check returns what cfg.Origins mean, and an error that names every field that is out of
// range.
func (cfg Config) check() (answer.CORS, error) {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("handlers: config: "+format, args...))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Heartbeat", cfg.Heartbeat}, {"Grace", cfg.Grace}, {"MaxAge", cfg.MaxAge}, {"Pace", cfg.Pace}} {
		if d.value < 0 && d.value != Off {
			wrong("%s: %v is negative: write Off to switch it off", d.name, d.value)
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"MaxStreams", cfg.MaxStreams}, {"MaxStreamsPerSubject", cfg.MaxStreamsPerSubject}} {
		if n.value < 0 && n.value != Off {
			wrong("%s: %d is negative: write Off for no limit", n.name, n.value)
		}
	}
	if cfg.WriteTimeout < 0 {
		wrong("WriteTimeout: %v is negative; a stream without one could be held open for ever", cfg.WriteTimeout)
	}
	if cfg.Retry < 0 {
		wrong("Retry: %v is negative", cfg.Retry)
	}
	if cfg.MaxEvent < 0 {
		wrong("MaxEvent: %d is negative", cfg.MaxEvent)
	}
	if cfg.Transport < TransportAuto || cfg.Transport > TransportFast {
		wrong("Transport: unknown transport %d", int(cfg.Transport))
	}
	cors, err := answer.NewCORS(cfg.Origins)
	if err != nil {
		wrong("Origins: %w", err)
	}
	return cors, errors.Join(errs...)
}

// withDefaults returns cfg with defaults for all that is not set.
func (cfg Config) withDefaults() Config {
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 15*time.Second)
	cfg.Grace = cmp.Or(cfg.Grace, 50*time.Millisecond)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 10*time.Second)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, time.Hour)
	cfg.Retry = cmp.Or(cfg.Retry, 2*time.Second)
	cfg.MaxEvent = cmp.Or(cfg.MaxEvent, 1<<20)
	cfg.MaxStreams = cmp.Or(cfg.MaxStreams, 100_000)
	cfg.MaxStreamsPerSubject = cmp.Or(cfg.MaxStreamsPerSubject, 100)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.Pace = max(0, cmp.Or(cfg.Pace, 2*time.Millisecond))
	return cfg
}
