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

	"github.com/fluxwire-go/fluxwire/sse"
)

// ErrClientTimeout is returned for a stream over an [http.Client] whose Timeout
// is set: it counts the whole body and would cut every stream. Leave it 0; bound
// the wait for the answer with [HeadTimeout], silence with [IdleLimit], and the
// whole with the context.
var ErrClientTimeout = errors.New("client: http.Client.Timeout would cut the stream: leave it 0, and use the options HeadTimeout and IdleLimit, or the context")

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

// errLeft says that the consumer wants no more.
var errLeft = errors.New("client: the consumer left")

// A stream is one subscription: connections, one after the other. It lives in
// the goroutine of its caller and starts none.
type stream struct {
	*config
	// handle takes every event, or the error of one that was too large, and every gap
	// that is not skipped, in order. It must not keep the data; its own error ends
	// the stream.
	handle func(sse.Event, error) error
	// dec outlives the connections: it keeps the last event id and the
	// reconnection time from one to the next.
	dec *sse.Decoder
	pos *position // nil without a cursor

	connected bool          // there has been an event stream
	waits     int           // since the last attempt that was good
	since     time.Time     // when that ended, or the stream began
	route     route         // where the attempts go
	limit     time.Duration // how long the server may be silent; 0 = for ever
}

// An outcome says how an attempt ended.
type outcome struct {
	err   error         // why; nil for a clean end
	again bool          // whether another attempt may mend it
	final bool          // whether none may be made, here or elsewhere
	good  bool          // whether the attempt was worth its wait: no backoff
	bye   time.Duration // the reconnection time this once; 0 = the usual one
	after time.Duration // no attempt sooner than this
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
	defer s.settle(ctx, &err) // also when the consumer panics
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

// wait passes the time until the next attempt, or returns why there is none.
func (s *stream) wait(ctx context.Context, o outcome) error {
	if err := s.pos.save(ctx); err != nil {
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
		// The server is well and knows when it wants us: no backoff on top.
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
		slog.String("url", place(s.url)), slog.Any("error", o.err), slog.Duration("wait", d))
	if s.onRetry != nil {
		s.onRetry(o.err, d)
	}
	return sleep(ctx, d)
}

// reconnectionTime is the standard's: what the server has set, else our default.
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
		head.limit = 0 // the caller has said how long; what the last connection announced is a guess
	}
	head.arm()
	res, hops, err := s.do(req, cancel)
	head.disarm()
	// The standard tells no first attempt from a later one: a network error is
	// retried.
	patient := s.connected || s.retry.First
	if err != nil {
		_, futile := errors.AsType[*RedirectError](err)
		return s.missed(outcome{err: err, again: !futile && (patient || s.strict)})
	}
	defer func() {
		cancel(nil) // first, so that Close has nothing to wait for
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

// refused reports whether res is no event stream, and what follows from it.
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
		return outcome{err: fmt.Errorf("client: content encoding: the server sent %q: ask for none (leave Accept-Encoding alone), or decode it in the http.Client's transport", e)}, true
	}
	return outcome{}, false
}

// read hands on the events of one connection.
func (s *stream) read(parent, ctx context.Context, res *http.Response) (o outcome) {
	s.logger.LogAttrs(ctx, slog.LevelDebug, "event stream open", slog.String("url", place(s.url)))
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
			return outcome{err: context.Cause(parent)} // also if more has been read already
		}
		if err != nil {
			if _, ok := errors.AsType[*sse.EventTooLargeError](err); !ok {
				// ctx is over if the watchdog bit.
				err = cancelled(ctx, err)
				if e, ok := errors.AsType[*CursorError](err); ok {
					return outcome{err: e}
				}
				if err := s.handled(parent); err != nil {
					return outcome{err: err}
				}
				return outcome{err: err, again: true, good: good()}
			}
		}
		if err == nil && !s.strict && isControl(ev.Event) {
			if ev.Event != controlGap {
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
