package sleep

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	enough := errors.New("enough")
	tests := []struct {
		name     string
		cancelAt time.Duration
		wakeAt   time.Duration
		want     time.Duration
		err      error
	}{
		{"waits for the time", 0, 0, 3 * time.Second, nil},
		{"ends early when it is woken", 0, 2 * time.Second, 2 * time.Second, nil},
		{"returns the cause when ctx ends", time.Second, 2 * time.Second, time.Second, enough},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.cancelAt > 0 {
					time.AfterFunc(tt.cancelAt, func() { cancel(enough) })
				}
				var wake chan struct{}
				if tt.wakeAt > 0 {
					wake = make(chan struct{})
					time.AfterFunc(tt.wakeAt, func() { close(wake) })
				}
				start := time.Now()
				err := For(ctx, 3*time.Second, wake)
				if got := time.Since(start); got != tt.want || err != tt.err {
					t.Errorf("For(3s) returned %v after %v, want %v after %v", err, got, tt.err, tt.want)
				}
			})
		})
	}
}
