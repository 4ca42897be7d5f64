package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
	"github.com/fluxwire-go/fluxwire/internal/window"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

func randomDraw() float64 { return mrand.Float64() }

// Publish runs source and appends its events to the topic, in the calling goroutine,
// until ctx ends or the topic does. The source waits while an event is being stored,
// and never for a subscriber.
//
//   - The source fails or panics: it is run again, after a wait that the topic's
//     [Backoff] says. Publish logs one line each time, and subscribers notice nothing.
//     After MaxRestarts the topic fails, and Publish returns the same error.
//   - The source completes: the topic completes, and Publish returns nil.
//   - ctx ends: Publish returns its cause, also if source returns without an error then.
//     The topic has not ended; Publish can be called again.
//   - The topic ends otherwise: Publish cancels the source and returns [ErrEnded].
//   - The topic refuses an event: the event is counted, logged (at most once a second)
//     and left out.
//   - The log cannot be reached, or does not say whether it has stored an event: the
//     event is appended again, with the same message id, until the log has it. The
//     message id is made by Publish, or by the function given to [MessageIDs].
//   - The log is closed: the topic fails.
//
// Several Publish calls may run at once; the first of their sources that completes
// completes the topic.
func (t *Topic[T]) Publish(ctx context.Context, source streams.Observable[sse.ServerSentEvent[T]], opts ...PublishOption[T]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.Feed().running.Err() != nil {
		return ErrEnded
	}
	defer context.AfterFunc(t.feed.running, func() { cancel(ErrEnded) })()
	p := t.publisher(opts)
	for failures := 0; ; {
		began := time.Now()
		var refused error
		err := source.Run(ctx, func(ev sse.ServerSentEvent[T]) bool {
			refused = p.append(ctx, ev)
			return refused == nil
		})
		switch {
		case errors.Is(refused, eventlog.ErrClosed):
			t.feed.endNow(refused)
			return refused
		case refused != nil:
			return refused
		case ctx.Err() != nil:
			return context.Cause(ctx) // also if the source returned nil because of that
		case err == nil:
			t.Complete()
			return nil
		}

		t.feed.counts.failures.Add(1)
		if time.Since(began) >= t.cfg.Backoff.Healthy {
			failures = 0
		}
		failures++
		attrs := []slog.Attr{slog.Any("error", err), slog.Int("failures", failures)}
		if e, ok := errors.AsType[*streams.PanicError](err); ok {
			attrs = append(attrs, slog.String("stack", string(e.Stack)))
		}
		if most := t.cfg.Backoff.MaxRestarts; most > 0 && failures > most {
			err = fmt.Errorf("hub: topic %q: the pipeline failed %d times in a row: %w", t.cfg.Name, failures, err)
			t.feed.logger.LogAttrs(ctx, slog.LevelError, "pipeline failed too often, the topic fails", attrs...)
			t.Fail(err)
			return err
		}
		wait := t.cfg.Backoff.wait(failures, t.draw())
		t.feed.logger.LogAttrs(ctx, slog.LevelWarn, "pipeline failed", append(attrs, slog.Duration("restart_in", wait))...)
		if err := sleep.For(ctx, wait, nil); err != nil {
			return err
		}
		t.feed.counts.restarts.Add(1)
	}
}

// wait returns how long to wait after the n-th failure in a row. random is in [0, 1).
func (b Backoff) wait(n int, random float64) time.Duration {
	wait := doubled(b.Min, b.Max, n)
	return wait/2 + time.Duration(random*float64(wait-wait/2))
}

// doubled returns least·2ⁿ⁻¹, but no more than most.
func doubled(least, most time.Duration, n int) time.Duration {
	for range n - 1 {
		if least >= most/2 {
			return most
		}
		least *= 2
	}
	return min(least, most)
}

// A PublishOption is an option of [Topic.Publish].
type PublishOption[T any] struct {
	messageID func(sse.ServerSentEvent[T]) string
}

// MessageIDs lets [Topic.Publish] append each event with the message id that id returns
// for it: see [MessageID]. A source that emits events again when it is run again, or
// that runs in two processes over one log, is published only once. If id returns "",
// Publish makes a message id. id is called once for each event, in the goroutine that
// the source emits in. An event for which it panics is left out, like one that the topic
// refuses.
func MessageIDs[T any](id func(sse.ServerSentEvent[T]) string) PublishOption[T] {
	return PublishOption[T]{id}
}

// A publisher appends the events of one call of Publish.
type publisher[T any] struct {
	topic  *Topic[T]
	id     func(sse.ServerSentEvent[T]) string // nil: make all message ids
	prefix string                              // of the message ids that are made; "" if the log does not need them
	made   atomic.Uint64
}

func (t *Topic[T]) publisher(opts []PublishOption[T]) *publisher[T] {
	p := &publisher[T]{topic: t}
	for _, o := range opts {
		p.id = o.messageID
	}
	if _, _, memory := window.OfMemory(t.cfg.Log); !memory { // a Memory always says whether it has stored an event
		p.prefix = "hub-" + rand.Text() + "-"
	}
	return p
}

// messageID returns the message id of ev. Its error is the panic of the function given
// to MessageIDs.
func (p *publisher[T]) messageID(ev sse.ServerSentEvent[T]) (id string, err error) {
	if p.id != nil {
		defer func() {
			if v := recover(); v != nil {
				err = &streams.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		id = p.id(ev)
	}
	if id == "" && p.prefix != "" {
		id = fmt.Sprint(p.prefix, p.made.Add(1))
	}
	return id, nil
}

// The shortest and the longest wait between two attempts to reach the log.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// append stores ev, however long that takes. It returns nil also when ev was left out.
// An error ends the run.
func (p *publisher[T]) append(ctx context.Context, ev sse.ServerSentEvent[T]) error {
	t := p.topic
	id, err := p.messageID(ev)
	if err != nil {
		t.feed.warn("event left out", t.refuse(ev.Event, err), t.feed.counts.refused.Load())
		return nil
	}
	for tries := 1; ; tries++ {
		_, err := t.append(ctx, ev, id)
		if err == nil {
			return nil
		}
		if e, ok := errors.AsType[*RefusedError](err); ok {
			t.feed.warn("event left out", e, t.feed.counts.refused.Load())
			return nil
		}
		switch {
		case errors.Is(err, ErrEnded), errors.Is(err, eventlog.ErrClosed):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		t.feed.warn("the log did not store an event, trying again", err, t.feed.counts.retries.Add(1))
		if err := sleep.For(ctx, doubled(firstRetry, lastRetry, tries), nil); err != nil {
			return err
		}
	}
}

// warn logs a warning, but not more than one a second, since each event may cause
// one. count is how many there have been.
func (f *Feed) warn(what string, err error, count uint64) {
	now := time.Now()
	f.mu.Lock()
	recent := now.Sub(f.warned) < time.Second
	if !recent {
		f.warned = now
	}
	f.mu.Unlock()
	if !recent {
		f.logger.LogAttrs(f.running, slog.LevelWarn, what, slog.Any("error", err), slog.Uint64("so_far", count))
	}
}
