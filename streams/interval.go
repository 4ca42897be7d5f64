package streams

import (
	"context"
	"fmt"
	"time"
)

// Interval emits the index of each tick, 0, 1, 2 …, every d, until its context is
// cancelled. A d that is not positive is an error of the stream.
//
// Tick n is due (n+1)·d after the subscription: the first after one period, and
// the times never drift. A tick that comes while emit is busy is skipped, not
// caught up on: the next value is then the index of the next tick that is due, and
// the jump tells how many were skipped.
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
				if ctx.Err() != nil { // both were due, and select chose by lot
					return context.Cause(ctx)
				}
			}
			if !emit(tick) {
				return nil
			}
			// On to the first tick that is due now or later, and not to this one again.
			elapsed := time.Since(start)
			tick = max(tick+1, int((elapsed-1)/d))
			timer.Reset(d - (elapsed - time.Duration(tick)*d))
		}
	}}
}
