package rx

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reactivex/rxgo/v2"
)

// A crash is a fault of RxGo that ends the process, or leaves something in it that
// cannot be freed. TestCrashes runs each in its own process.
type crash struct {
	name string // the first column of a table in docs/rxgo.md
	want string // a pattern in the output of the failing process, which also names RxGo
	run  func()
}

const (
	closedTwice    = "panic: close of closed channel"
	sendOnClosed   = "panic: send on closed channel"
	dataRace       = "WARNING: DATA RACE|" + sendOnClosed
	stays          = "a goroutine stays"
	nilDereference = "panic: runtime error: invalid memory address or nil pointer dereference"
)

var crashes = []crash{
	{"FlatMap, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.FlatMap(func(item rxgo.Item) rxgo.Observable { return rxgo.Empty() })
	})},
	{"Debounce, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Debounce(rxgo.WithDuration(time.Hour))
	})},
	{"BufferWithTime, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Filter(none).BufferWithTime(rxgo.WithDuration(time.Hour))
	})},
	{"BufferWithTimeOrCount, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Filter(none).BufferWithTimeOrCount(rxgo.WithDuration(time.Hour), 2)
	})},
	{"WindowWithTime, observed twice", sendOnClosed, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Filter(none).WindowWithTime(rxgo.WithDuration(time.Hour))
	})},
	{"WindowWithTimeOrCount, observed twice", sendOnClosed, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Filter(none).WindowWithTimeOrCount(rxgo.WithDuration(time.Hour), 2)
	})},
	{"TimeInterval, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Filter(none).TimeInterval()
	})},
	{"Join, observed twice", closedTwice, twice(func(in rxgo.Observable) rxgo.Iterable {
		joiner := func(_ context.Context, a, b any) (any, error) { return a, nil }
		at := func(any) time.Time { return time.Time{} }
		return in.Filter(none).Join(joiner, rxgo.Empty(), at, rxgo.WithDuration(time.Second))
	})},
	{"Count and other Singles, observed twice", sendOnClosed, twice(func(in rxgo.Observable) rxgo.Iterable {
		return in.Count()
	})},
	{"BackOffRetry, cancelled", closedTwice, func() {
		ctx, cancel := context.WithCancel(context.Background())
		rxgo.Never().BackOffRetry(noWait{}, rxgo.WithContext(ctx))
		cancel()
	}},
	{"a function that panics", "panic: boom", func() {
		rxgo.Just(1)().Map(func(context.Context, any) (any, error) { panic("boom") }).Observe()
	}},
	{"Just, given nil", nilDereference, func() { rxgo.Just(nil)().Observe() }},
	{"GroupBy, given a negative group", `panic: runtime error: index out of range \[-1\]`, func() {
		rxgo.Just(1)().GroupBy(1, func(rxgo.Item) int { return -1 })
	}},
	{"BufferWithTime, cancelled while its source fails", dataRace, func() {
		// One goroutine closes the channel while another may be sending to it. The race
		// detector finds that soon; the panic is rare and needs several processors.
		for i := range 10_000 {
			ctx, cancel := context.WithCancel(context.Background())
			items := rxgo.Thrown(errBoom).BufferWithTime(rxgo.WithDuration(time.Hour), rxgo.WithContext(ctx)).Observe()
			go func() {
				for range i % 100 {
					runtime.Gosched()
				}
				cancel()
			}()
			for range items {
			}
		}
	}},
	{"WindowWithTime, cancelled", stays, func() {
		ctx, cancel := context.WithCancel(context.Background())
		items := make(chan rxgo.Item, 1)
		items <- rxgo.Of(1)
		rxgo.FromChannel(items).WindowWithTime(rxgo.WithDuration(time.Millisecond), rxgo.WithContext(ctx), rxgo.WithBufferedChannel(1)).Observe()
		untilStays("WindowWithTime.func1.1(", "SendContext") // offers the second window
		cancel()
		fmt.Println(stays, untilStays("WindowWithTime.func1.1.1(", "sync.Mutex.Lock"))
		os.Exit(1)
	}},
	{"Serialize, cancelled", stays, func() {
		ctx, cancel := context.WithCancel(context.Background())
		id := func(v any) int { return v.(int) }
		rxgo.Never().Map(Func(double), rxgo.WithPool(2), rxgo.Serialize(id)).Observe(rxgo.WithContext(ctx))
		cancel()
		fmt.Println(stays, untilStays("ObservableImpl).serialize"))
		os.Exit(1)
	}},
}

// untilStays waits until one of RxGo's goroutines has been in the given frames for a
// while, and returns its stack.
func untilStays(frames ...string) string {
	var before string
	for n := 0; n < 20; {
		now := ""
		if stacks := goroutines(append(frames, "created by github.com/reactivex/rxgo/")...); len(stacks) > 0 {
			now = stacks[0]
		}
		if now != "" && now == before {
			n++
		} else {
			n = 0
		}
		before = now
		time.Sleep(5 * time.Millisecond)
	}
	return before
}

// noWait is the schedule of a BackOffRetry that never waits.
type noWait struct{}

func (noWait) NextBackOff() time.Duration { return 0 }

func (noWait) Reset() {}

func none(any) bool { return false }

// twice returns a function that observes the result of build, reads it to its end, and
// observes it again.
func twice(build func(in rxgo.Observable) rxgo.Iterable) func() {
	return func() {
		o := build(rxgo.Just(1, 2, 3)())
		for range o.Observe() {
		}
		o.Observe()
	}
}

// Each crash still happens. If one no longer does, remove it here and in docs/rxgo.md.
func TestCrashes(t *testing.T) {
	for _, c := range crashes {
		if c.want == dataRace && !raceDetector() {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), crashEnv+"="+c.name, "GORACE=halt_on_error=1")
			out, err := cmd.CombinedOutput()
			if err == nil || !regexp.MustCompile(c.want).Match(out) || !strings.Contains(string(out), "reactivex/rxgo") {
				t.Errorf("the process ended with %v, want an exit with %q in RxGo:\n%s", err, c.want, out)
			}
		})
	}
}

// raceDetector reports whether this is a go test -race.
func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
