// Package sleep has the one way in which the rooms wait for a time to pass.
package sleep

import (
	"context"
	"time"
)

// For waits for d, or until wake is closed, which may be nil, and returns nil. If ctx
// ends before, it returns the cause of ctx.
func For(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
