package streams_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// A tick is what an Interval emitted, and when.
type tick struct {
	index int
	at    time.Duration
}

// ticks runs an Interval for n ticks. The i-th call of emit takes busy(i).
func ticks(t *testing.T, d time.Duration, n int, busy func(i int) time.Duration) (got []tick) {
	start := time.Now()
	err := streams.Interval(d).Take(n).Run(t.Context(), func(index int) bool {
		got = append(got, tick{index, time.Since(start)})
		time.Sleep(busy(len(got) - 1))
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return got
}

func TestInterval(t *testing.T) {
	const s = time.Second
	for name, tt := range map[string]struct {
		busy func(i int) time.Duration
		want []tick
	}{
		"the first tick comes after one period": {
			func(int) time.Duration { return 0 },
			[]tick{{0, 1 * s}, {1, 2 * s}, {2, 3 * s}, {3, 4 * s}},
		},
		"work that fits into a period does not shift the ticks": {
			func(int) time.Duration { return 900 * time.Millisecond },
			[]tick{{0, 1 * s}, {1, 2 * s}, {2, 3 * s}, {3, 4 * s}},
		},
		"work of exactly one period skips no tick": {
			func(int) time.Duration { return s },
			[]tick{{0, 1 * s}, {1, 2 * s}, {2, 3 * s}, {3, 4 * s}},
		},
		"ticks during longer work are skipped, and the index shows it": {
			func(int) time.Duration { return 2500 * time.Millisecond },
			[]tick{{0, 1 * s}, {3, 4 * s}, {6, 7 * s}, {9, 10 * s}},
		},
		"after one long pause the ticks are on time again": {
			func(i int) time.Duration {
				if i == 1 {
					return time.Hour + s/2
				}
				return 0
			},
			[]tick{{0, 1 * s}, {1, 2 * s}, {3602, 3603 * s}, {3603, 3604 * s}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := ticks(t, s, len(tt.want), tt.busy); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Over a week of ticks with an odd period and work of varying length, each tick
// comes exactly when its index says, to the nanosecond.
func TestIntervalNeverDrifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d, n = 7*time.Second + 13*time.Nanosecond, 100_000
		busy := func(i int) time.Duration { return time.Duration(i*7919%16) * time.Second }
		got := ticks(t, d, n, busy)
		skipped := 0
		for i, tick := range got {
			if want := time.Duration(tick.index+1) * d; tick.at != want {
				t.Fatalf("tick %d came at %v, want %v", tick.index, tick.at, want)
			}
			if i > 0 {
				// The next tick is the first that is due after the work.
				free := got[i-1].at + busy(i-1)
				if due := time.Duration(tick.index) * d; free > due && tick.index != got[i-1].index+1 {
					skipped += tick.index - got[i-1].index - 1
				} else if tick.index != got[i-1].index+1 {
					t.Fatalf("tick %d came after %d, although there was time for the ticks between them", tick.index, got[i-1].index)
				}
			}
		}
		if skipped == 0 {
			t.Error("no tick was skipped: the test does not test what it says")
		}
	})
}

func TestIntervalRejectsANonPositivePeriod(t *testing.T) {
	expectError(t, streams.Interval(0), "streams: Interval: period 0s is not positive")
	expectError(t, streams.Interval(-time.Second), "streams: Interval: period -1s is not positive")
}

func TestIntervalIsCancelledBetweenTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, errCause)
		defer cancel()
		start := time.Now()
		got, err := collect(ctx, streams.Interval(time.Second))
		if len(got) != 2 || err != errCause || time.Since(start) != 2500*time.Millisecond {
			t.Errorf("%d ticks and %v after %v; want 2 and %v after 2.5s", len(got), err, time.Since(start), errCause)
		}

		for range 20 { // the tick and the end of ctx are due at the same time
			ctx, cancel := context.WithCancelCause(t.Context())
			n := 0
			err := streams.Interval(time.Second).Run(ctx, func(int) bool {
				n++
				time.Sleep(time.Second)
				cancel(errCause)
				return true
			})
			if n != 1 || err != errCause {
				t.Errorf("%d ticks and %v; want 1 and %v: the cancellation wins", n, err, errCause)
			}
		}
	})
}

func TestIntervalSubscriptionsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := streams.Interval(time.Second)
		for v := range o.All(t.Context()) {
			if v == 2 {
				break
			}
		}
		time.Sleep(time.Minute) // must not count for the next subscription
		expect(t, o.Take(2), []int{0, 1}, nil)
	})
}
