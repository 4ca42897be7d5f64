package streams

import (
	"context"
	"fmt"
	"time"
)

// Interval emits the index of each tick, 0, 1, 2 …, every d, until its context is
// cancelled. A d that is not positive is an error of the stream.
//
// Tick n is due (n+1)·d after the subscription: the first one after one period, and
// the times do not drift. A tick that is due while emit runs is skipped and not made
// up for. The next value is then the index of the next tick that is due, so the jump
// shows how many ticks were skipped.
func Interval(d time.Duration) Observable[int] {
	return Observable[int]{func(ctx context.Context, emit func(int) bool) error {
		if d <= 0 {
			return fmt.Errorf("streams: Interval: period %v is not positive", d)
		}
		start := time.Now()
		timer := time.NewTimer(d)
		defer timer.Stop()
		for tick := 0; ; {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-timer.C:
				if ctx.Err() != nil { // with both ready, select picks at random
					return context.Cause(ctx)
				}
			}
			if !emit(tick) {
				return nil
			}
			// The next tick is the first that is due now or later, but never this one.
			elapsed := time.Since(start)
			tick = max(tick+1, int((elapsed-1)/d))
			timer.Reset(d - (elapsed - time.Duration(tick)*d))
		}
	}}
}
