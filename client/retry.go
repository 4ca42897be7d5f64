package client

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

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

// A RetryPolicy says when a stream that has lost its connection reconnects. The zero
// value works well.
//
// The wait is Delay, or the time that the server has named: a retry: field, which stays
// in force, or a [ByeError], which counts once. It is multiplied by Factor once for
// every wait since the last good attempt, up to MaxDelay; then jitter is applied.
// Jitter never shortens a time that the server has named, Retry-After included, and
// with [Strict] it shortens no wait.
//
// An attempt was good if it brought an event or a gap, or lasted for the reconnection
// time and at least a second. So a server that accepts connections and drops them at
// once causes the same backoff as one that refuses them. The time of a [ByeError] is
// never multiplied.
type RetryPolicy struct {
	// Delay is the wait before the first attempt. Defaults to 2 s.
	Delay time.Duration
	// MaxDelay limits the wait that Factor can lead to; a longer time that the server
	// has named is kept. Defaults to 30 s.
	MaxDelay time.Duration
	// Factor multiplies the wait after each failed attempt; at least 1. Defaults to 2.
	Factor float64
	// Jitter is the fraction by which a wait varies at random, up to 1: with 0.5, a
	// wait of 2 s becomes one between 1 s and 3 s. [Off] makes waits exact. Defaults
	// to 0.5.
	Jitter float64
	// MaxAttempts is how many attempts to reconnect may fail in a row before the
	// stream ends with the last one's error. Defaults to no limit.
	MaxAttempts int
	// MaxElapsed is how long the stream may be without a good connection, counted
	// from the end of the last good attempt, or from the start. Instead of a wait that
	// would end later, the stream ends with the last attempt's error. MaxElapsed does
	// not interrupt an attempt; [ConnectTimeout], [HeadTimeout] and [IdleLimit] limit
	// it. Defaults to no limit.
	MaxElapsed time.Duration
	// RetryFirst retries the first connection like a lost one, instead of failing at
	// once: for a client that may start before its server.
	RetryFirst bool
}

// NoReconnect limits a stream to one request, for answers that cannot be resumed, such
// as the tokens of a language model. The end of the body is the end of the stream,
// without an error; a body that is cut short, or falls silent, ends the stream with
// that error. A [Sentinel] distinguishes the two where the body does not.
func NoReconnect() Option {
	return func(c *config) { c.noReconnect = true }
}

func (p RetryPolicy) check() error {
	var errs []error
	bad := func(field string, v any, want string) {
		errs = append(errs, fmt.Errorf("client: option Retry: %s: %v is not %s", field, v, want))
	}
	if p.Delay < 0 {
		bad("Delay", p.Delay, "0 or more")
	}
	if p.MaxDelay < 0 {
		bad("MaxDelay", p.MaxDelay, "0 or more")
	}
	if p.Factor != 0 && !(p.Factor >= 1) || math.IsInf(p.Factor, 0) {
		bad("Factor", p.Factor, "1 or more")
	}
	if p.Jitter != Off && !(p.Jitter >= 0 && p.Jitter <= 1) {
		bad("Jitter", p.Jitter, "between 0 and 1, or Off")
	}
	if p.MaxAttempts < 0 {
		bad("MaxAttempts", p.MaxAttempts, "0 or more (NoReconnect switches reconnecting off)")
	}
	if p.MaxElapsed < 0 {
		bad("MaxElapsed", p.MaxElapsed, "0 or more (NoReconnect switches reconnecting off)")
	}
	return errors.Join(errs...)
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	p.Delay = cmp.Or(p.Delay, 2*time.Second)
	p.MaxDelay = cmp.Or(p.MaxDelay, 30*time.Second)
	p.Factor = cmp.Or(p.Factor, 2)
	p.Jitter = max(0, cmp.Or(p.Jitter, 0.5))
	return p
}

// leastStep is the wait that backoff starts from if the server has asked for no wait
// at all, because a multiple of 0 is 0.
const leastStep = 100 * time.Millisecond

// delay returns the next wait. base is the reconnection time, and named reports whether
// the server has set it; failed is the number of waits since the last good attempt;
// after is a Retry-After. random returns numbers from 0 to 1.
func (p RetryPolicy) delay(base time.Duration, failed int, named, strict bool, after time.Duration, random func() float64) time.Duration {
	d := float64(base)
	if failed > 0 {
		d = max(d, float64(min(leastStep, p.Delay)))
		d = min(d*math.Pow(p.Factor, float64(failed)), float64(max(base, p.MaxDelay)))
	}
	share := random()
	if !named && !strict {
		share = 2*share - 1
	}
	d = max(d*(1+p.Jitter*share), float64(after)*(1+p.Jitter*random()))
	return time.Duration(min(d, float64(maxWait)))
}

// retryable reports whether a status means "try again later".
func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds or a date.
// A date is compared with the answer's own Date, so that the clocks of client and
// server need not agree.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}
