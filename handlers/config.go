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
	// an empty line) is sent, so that proxies keep it open. It is announced
	// in the header Stream-Heartbeat, in seconds. [Off] sends none.
	// Defaults to 15 s.
	Heartbeat time.Duration

	// Grace is how long the head of the answer waits for the first value, so that a
	// source that fails at once is answered with a status. With [Off] the head does
	// not wait. Defaults to 50 ms.
	Grace time.Duration

	// WriteTimeout is how long a client may make no progress, that is, accept no
	// bytes while some are waiting, before its stream is cut. (Through net/http
	// progress is counted in pieces of 64 KiB. Without [ConnContext] it is counted in the
	// pieces in which the kernel's buffer empties, which can be a megabyte.) Over HTTP/2 that holds for a stream
	// that its client does not read; for a connection that accepts no bytes at all,
	// set the WriteByteTimeout of the [net/http.Server]'s HTTP2 to the same. Over TLS
	// the end of a cut connection may take 5 s more. Defaults to 10 s.
	WriteTimeout time.Duration

	// MaxAge is the age at which a stream is ended by stream.bye, so that its client
	// connects again: give or take 10 %, at random. With [Off] streams are not ended
	// for their age.
	// Defaults to 1 h.
	MaxAge time.Duration

	// Retry is how long clients are asked to wait before they reconnect: give or
	// take 50 %, at random. Defaults to 2 s.
	Retry time.Duration

	// MaxEvent is the size in bytes of the largest encoded event. A larger one
	// ends its stream with stream.error. Defaults to 1 MiB.
	MaxEvent int

	// Origins lists the origins whose pages may read the streams (CORS), such
	// as "https://app.example"; "*" is every origin. Pages of listed origins
	// may send credentials, those admitted by "*" alone may not.
	// Defaults to no origin.
	Origins []string

	// MaxStreams is how many streams may be open at a time, and
	// MaxStreamsPerSubject how many of one subject (see [Grant]). A client over
	// a limit is told when to try again: by a stream with nothing but stream.bye,
	// because an EventSource never retries after another answer, or by status 503
	// or 429 if it asked for another form. [Off] means no limit.
	// Default to 100,000 and 100.
	MaxStreams           int
	MaxStreamsPerSubject int

	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	// Defaults to no proxy: the client is the other end of the connection.
	TrustedProxies []netip.Prefix

	// Authorize, if not nil, is called before the first byte of every stream. Its
	// error is answered as a [Problem]: return one with status 401 or 403. Any
	// number of goroutines may call it at once.
	Authorize func(r *http.Request, access Access) (Grant, error)

	// Transport is how topics' event streams get to their clients. Defaults to
	// [TransportAuto].
	Transport Transport

	// Pace is the least time between two writes of a topic's events to one client, so
	// that events that arrive meanwhile leave in one write. It is counted from the
	// beginning of the first write or, if that held more than one event, from its
	// end. The first event after a pause leaves at once. With [Off] there is no such
	// time. Defaults to 2 ms.
	Pace time.Duration

	// Logger gets a line for each stream at its end: at level Error if it failed, Warn
	// if it stalled, else Debug. Its handler must not call the Server, and should not
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
		wrong("WriteTimeout: %v is negative; without one a stream could be held open forever", cfg.WriteTimeout)
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
