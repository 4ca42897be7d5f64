package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

func randomDraw() float64 { return mrand.Float64() }

// Publish runs source and appends its events to the topic, in the calling goroutine,
// until ctx ends or the topic does. The source waits while an event is being stored,
// and never for a subscriber.
//
//   - The source fails or panics: it is run again, by the topic's [Backoff]. Each time
//     there is one line in the log, and subscribers notice nothing. When the backoff is
//     exhausted the topic fails, and Publish returns the same error.
//   - The source completes: the topic completes, and Publish returns nil.
//   - ctx ends: Publish returns its cause, also if source returns without an error then.
//     The topic goes on; it can be published to again.
//   - The topic ends otherwise: Publish cancels the source and returns [ErrEnded].
//   - The topic refuses an event: it is counted, logged (at most once a second) and
//     left out.
//   - The log cannot be reached, or does not say whether it has stored an event: the
//     event is appended again, with the same idempotency key, until the log has it. The
//     key is the event's ID, or one that Publish makes.
//   - The log is closed: the topic fails.
//
// Several Publish calls may run at once; the first of their sources that completes
// completes the topic.
func (t *Topic[T]) Publish(ctx context.Context, source streams.Observable[sse.ServerSentEvent[T]]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t.feed.life.Err() != nil {
		return ErrEnded
	}
	defer context.AfterFunc(t.feed.life, func() { cancel(ErrEnded) })()
	p := &publisher[T]{topic: t, keys: "hub-" + rand.Text() + "-"}
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
			return context.Cause(ctx) // also if source calls that completion
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
			t.feed.logger.LogAttrs(ctx, slog.LevelError, "pipeline failed, and so does the topic", attrs...)
			t.Fail(err)
			return err
		}
		wait := t.cfg.Backoff.wait(failures, t.draw())
		t.feed.logger.LogAttrs(ctx, slog.LevelWarn, "pipeline failed", append(attrs, slog.Duration("restart_in", wait))...)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		t.feed.counts.restarts.Add(1)
	}
}

// wait returns how long to wait after the n-th failure in a row; lot is in [0, 1).
func (b Backoff) wait(n int, lot float64) time.Duration {
	wait := doubled(b.Min, b.Max, n)
	return wait/2 + time.Duration(lot*float64(wait-wait/2))
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

// sleep waits for d. It returns early with its cause if ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A publisher appends the events of one call of Publish.
type publisher[T any] struct {
	topic *Topic[T]
	keys  string
	made  atomic.Uint64
}

// The waits between two tries to reach the log.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// append stores ev, however long that takes, and returns nil also when ev was left
// out. An error ends the run.
func (p *publisher[T]) append(ctx context.Context, ev sse.ServerSentEvent[T]) error {
	t := p.topic
	if _, memory := t.cfg.Log.(framed); !memory && ev.ID == "" {
		ev.ID = fmt.Sprint(p.keys, p.made.Add(1))
	}
	for tries := 1; ; tries++ {
		_, err := t.Append(ctx, ev)
		if err == nil {
			return nil
		}
		if e, ok := errors.AsType[*RefusedError](err); ok {
			t.feed.complain("event left out", e, t.feed.counts.refused.Load())
			return nil
		}
		switch {
		case errors.Is(err, ErrEnded), errors.Is(err, eventlog.ErrClosed):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		t.feed.complain("the log has not taken an event, trying again", err, t.feed.counts.retries.Add(1))
		if err := sleep(ctx, doubled(firstRetry, lastRetry, tries)); err != nil {
			return err
		}
	}
}

// complain logs a warning, but not more than one a second: what causes it can come
// with every event. count is how many there have been.
func (f *Feed) complain(what string, err error, count uint64) {
	now := time.Now()
	f.mu.Lock()
	quiet := now.Sub(f.complained) < time.Second
	if !quiet {
		f.complained = now
	}
	f.mu.Unlock()
	if !quiet {
		f.logger.LogAttrs(f.life, slog.LevelWarn, what, slog.Any("error", err), slog.Uint64("so_far", count))
	}
}
