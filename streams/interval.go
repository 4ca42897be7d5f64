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
// the times never drift. A tick that comes while emit is busy, or the process is
// held up, is skipped and not caught up on: the values are then not consecutive, and
// the jump tells how many were skipped.
func Interval(d time.Duration) Observable[int] {
	return Observable[int]{func(ctx context.Context, emit func(int) bool) error {
		if d <= 0 {
			return fmt.Errorf("streams: Interval: period %v is not positive", d)
		}
		start := time.Now()
		timer := time.NewTimer(d)
		defer timer.Stop()
		for next := 0; ; {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-timer.C:
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
			}
			// A process that was held up goes on with the newest tick that is due.
			tick := max(next, int(time.Since(start)/d)-1)
			if !emit(tick) {
				return nil
			}
			// The first tick that is due now or later, and not this one again.
			elapsed := time.Since(start)
			next = max(tick+1, int((elapsed-1)/d))
			timer.Reset(d - (elapsed - time.Duration(next)*d))
		}
	}}
}
