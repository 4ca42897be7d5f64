package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
	"github.com/fluxwire-go/fluxwire/sse"
)

// ErrClientTimeout is returned for a stream over an [http.Client] whose Timeout is
// set: that limits the whole body and would cut every stream. Leave it 0. [HeadTimeout]
// limits the wait for the answer, [IdleLimit] limits silence, and the context limits
// the whole.
var ErrClientTimeout = errors.New("client: http.Client.Timeout would cut the stream: leave it 0, and use the options HeadTimeout and IdleLimit, or the context")

// Strict makes a stream follow the HTML standard, section 9.2, to the letter: any
// status but 200 and any media type but text/event-stream ends it for good, a network
// error (or a timeout) is retried even before the first success, a stream.* event is
// an event like any other, and the header Stream-Heartbeat is ignored. After a
// redirect, permanent or not, that led to an event stream, later attempts begin at its
// target: the standard repeats one request, and each redirect (Fetch, HTTP-redirect
// fetch) has added its target to that request's list of URLs.
func Strict() Option {
	return func(c *config) { c.strict = true }
}

// errLeft means that the consumer has left the loop.
var errLeft = errors.New("client: the consumer left")

// A stream is one subscription: a series of connections. It runs in the goroutine of
// its caller and starts no other.
type stream struct {
	*config
	// handle is called in order for every event, with the error for an event that was
	// too large, and for every gap that is not skipped. It must not keep the data. If
	// it returns an error, the stream ends with that.
	handle func(sse.Event, error) error
	// dec is used for all connections: it keeps the last event id and the
	// reconnection time between them.
	dec   *sse.Decoder
	saver *saver // nil without a PositionStore

	connected bool          // a connection has been an event stream
	waits     int           // number of waits since the last good attempt
	since     time.Time     // when the last good attempt ended, or the stream began
	route     route         // the addresses to connect to
	limit     time.Duration // how long the server may be silent; 0 means no limit
}

// An outcome says how an attempt ended.
type outcome struct {
	err   error         // nil for a clean end
	again bool          // retryable
	final bool          // not retryable, not even at another address
	good  bool          // the attempt made progress, so backoff resets
	bye   time.Duration // the reconnection time for this one wait; 0 means the usual one
	after time.Duration // the least time before the next attempt
}

// follow runs one subscription. It returns nil when the stream is complete, what
// handle returned, the cause of a cancelled context, or the error that ended the
// stream.
func follow(ctx context.Context, c *config, handle func(sse.Event, error) error) (err error) {
	if c.client.Timeout != 0 {
		return ErrClientTimeout
	}
	s := &stream{config: c, handle: handle, dec: sse.NewDecoder(nil), limit: max(c.idle, 0), since: time.Now()}
	s.dec.MaxEventSize = c.maxEvent
	s.dec.OnComment = c.onComment
	if err := s.load(ctx); err != nil {
		return err
	}
	defer s.saveLast(ctx, &err) // also when the consumer panics
	for {
		o := s.attempt(ctx)
		switch {
		case o.err == nil, o.err == errLeft:
			return o.err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.noReconnect && o.err == io.EOF:
			return c.bodyEnd()
		case c.noReconnect, !o.again:
			return o.err
		}
		if err := s.wait(ctx, o); err != nil {
			return err
		}
	}
}

// wait waits for the next attempt, or returns why there will be no other.
func (s *stream) wait(ctx context.Context, o outcome) error {
	if err := s.saver.save(ctx); err != nil {
		return err
	}
	if o.good {
		s.waits, s.since = 0, time.Now()
	}
	if n := s.retry.MaxAttempts; n > 0 && s.waits >= n {
		return fmt.Errorf("client: gave up after %d attempts to reconnect: %w", n, o.err)
	}
	base, named := s.reconnectionTime()
	failed := s.waits
	if o.bye > 0 {
		// The server works and has named the time: add no backoff.
		base, named, failed = o.bye, true, 0
	} else {
		s.waits++
	}
	d := s.retry.delay(base, failed, named, s.strict, o.after, rand.Float64)
	if most := s.retry.MaxElapsed; most > 0 && time.Since(s.since)+d > most {
		return fmt.Errorf("client: gave up after %v without a good connection, before a wait of %v (MaxElapsed is %v): %w",
			time.Since(s.since).Round(time.Millisecond), d.Round(time.Millisecond), most, o.err)
	}
	s.logger.LogAttrs(ctx, slog.LevelWarn, "event stream lost, reconnecting",
		slog.String("url", show.URL(s.url)), slog.Any("error", o.err), slog.Duration("wait", d))
	if s.onRetry != nil {
		s.onRetry(o.err, d)
	}
	return sleep.For(ctx, d, nil)
}

// reconnectionTime returns what the server has set (named is true), else our default.
func (s *stream) reconnectionTime() (d time.Duration, named bool) {
	if d, ok := s.dec.Retry(); ok {
		return d, true
	}
	return s.retry.Delay, false
}

// attempt makes one connection and reads it to its end.
func (s *stream) attempt(parent context.Context) outcome {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)

	req, err := s.newRequest(ctx, s.next(), s.dec.LastEventID(), map[string]string{
		"Accept": eventStream,
		// What the Fetch standard sends for the cache mode no-store, which the HTML
		// standard asks for.
		"Cache-Control": "no-cache",
		// Compression holds events back, in servers and proxies, until a block is full.
		"Accept-Encoding": "identity",
	})
	if err != nil {
		return outcome{err: err}
	}
	head := watchdog{limit: s.limit, bite: cancel}
	if s.idle == 0 && s.headLimit > 0 {
		head.limit = 0 // the caller has set HeadTimeout; the last heartbeat interval is only a guess
	}
	head.arm()
	res, hops, err := s.do(req, cancel)
	head.disarm()
	// The standard does not treat the first attempt differently: it retries a network
	// error.
	patient := s.connected || s.retry.RetryFirst
	if err != nil {
		_, futile := errors.AsType[*RedirectError](err)
		return s.missed(outcome{err: err, again: !futile && (patient || s.strict)})
	}
	defer func() {
		cancel(nil) // before Close, which would wait for the connection
		res.Body.Close()
	}()
	if o, ok := s.refused(res, patient); ok {
		return s.missed(o)
	}
	s.arrived(ctx, hops)
	s.connected = true
	s.limit = s.idleLimit(res.Header)
	s.dec.Reset(s.saving(parent, &watchdog{r: res.Body, limit: s.limit, bite: cancel}, cancel))
	return s.read(parent, ctx, res)
}

// refused reports whether res is not an event stream, and how the attempt ends then.
func (s *stream) refused(res *http.Response, patient bool) (outcome, bool) {
	switch {
	case res.StatusCode == http.StatusNoContent:
		return outcome{}, true
	case res.StatusCode != http.StatusOK:
		err, decided := s.statusError(res)
		return outcome{
			err:   err,
			again: patient && !s.strict && !decided && retryable(res.StatusCode),
			final: decided,
			after: retryAfter(res.Header),
		}, true
	case !isMediaType(res.Header.Get("Content-Type"), eventStream):
		return outcome{err: &ContentTypeError{res.Header.Get("Content-Type"), errorBody(res)}}, true
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return outcome{err: fmt.Errorf("client: content encoding: the server sent %q: do not set Accept-Encoding, or decode it in the http.Client's transport", e)}, true
	}
	return outcome{}, false
}

// read handles the events of one connection.
func (s *stream) read(parent, ctx context.Context, res *http.Response) (o outcome) {
	s.logger.LogAttrs(ctx, slog.LevelDebug, "event stream open", slog.String("url", show.URL(s.url)))
	if s.onConnect != nil {
		s.onConnect(res)
	}
	if s.onDisconnect != nil {
		defer func() {
			if o.err == errLeft {
				s.onDisconnect(nil)
				return
			}
			s.onDisconnect(o.err)
		}()
	}
	brought, start := false, time.Now()
	good := func() bool {
		base, _ := s.reconnectionTime()
		return brought || time.Since(start) >= max(base, time.Second)
	}
	for {
		if err := s.handled(parent); err != nil {
			return outcome{err: err}
		}
		ev, err := s.dec.Decode()
		if parent.Err() != nil {
			return outcome{err: context.Cause(parent)} // even if another event has been read
		}
		if err != nil {
			if _, ok := errors.AsType[*sse.EventTooLargeError](err); !ok {
				// The watchdog cancels ctx.
				err = cancelled(ctx, err)
				if e, ok := errors.AsType[*PositionError](err); ok {
					return outcome{err: e}
				}
				if err := s.handled(parent); err != nil {
					return outcome{err: err}
				}
				return outcome{err: err, again: true, good: good()}
			}
		}
		if err == nil && !s.strict && obeyed(ev.Event) {
			if ev.Event != sse.ControlGap {
				end := end(ev)
				end.good = good()
				if err := s.handled(parent); err != nil {
					return outcome{err: err}
				}
				return end
			}
			brought = true
			if err := s.gap(parent, ev); err != nil {
				return outcome{err: err}
			}
			continue
		}
		if err == nil && s.isSentinel(ev) {
			return outcome{}
		}
		brought = true
		if err := s.handle(ev, err); err != nil {
			return outcome{err: err}
		}
	}
}
