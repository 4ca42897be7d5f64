package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type textEvent = sse.ServerSentEvent[string]

// scripted is a source whose n-th run is the n-th function; it completes after them.
func scripted(began *[]time.Time, runs ...func(ctx context.Context, emit func(textEvent) bool) error) streams.Observable[textEvent] {
	return streams.Create(func(ctx context.Context, emit func(textEvent) bool) error {
		*began = append(*began, time.Now())
		if n := len(*began); n <= len(runs) {
			return runs[n-1](ctx, emit)
		}
		return nil
	})
}

func fails(ctx context.Context, emit func(textEvent) bool) error {
	emit(textEvent{Data: "x"})
	return errors.New("the feed broke off")
}

func panics(ctx context.Context, emit func(textEvent) bool) error { panic("no feed") }

func failsAfter(d time.Duration) func(context.Context, func(textEvent) bool) error {
	return func(ctx context.Context, emit func(textEvent) bool) error {
		if err := sleep.For(ctx, d, nil); err != nil {
			return err
		}
		return fails(ctx, emit)
	}
}

func waits(began []time.Time) string {
	var out []string
	for i := range began[1:] {
		out = append(out, began[i+1].Sub(began[i]).String())
	}
	return strings.Join(out, " ")
}

func TestPublishRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		topic := open(t, Config{
			Name:    "prices",
			Logger:  slog.New(slog.NewTextHandler(&lines, nil)),
			Backoff: Backoff{Min: time.Second, Max: 10 * time.Second, Healthy: time.Minute},
		})
		topic.draw = func() float64 { return 0.5 }
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		var began []time.Time
		err := topic.Publish(t.Context(), scripted(&began, fails, panics, fails, fails, fails, fails,
			failsAfter(time.Minute-1), failsAfter(time.Minute), fails))
		if err != nil {
			t.Errorf("Publish = %v", err)
		}
		// Three quarters of 1 s, 2 s, … 10 s; a run of a minute resets it.
		check(t, "times between the runs", waits(began),
			"750ms 1.5s 3s 6s 7.5s 7.5s 1m7.499999999s 1m0.75s 1.5s")
		check(t, "a subscriber", read(t, c), "x, x, x, x, x, x, x, x, EOF")
		logged := strings.Split(strings.TrimSpace(lines.String()), "\n")
		if len(logged) != 9 {
			t.Fatalf("there are %d lines in the log, want one for each failure:\n%s", len(logged), &lines)
		}
		for _, want := range []string{"level=WARN", "topic=prices", `error="the feed broke off"`, "failures=1", "restart_in=750ms"} {
			if !strings.Contains(logged[0], want) {
				t.Errorf("the first line misses %s: %s", want, logged[0])
			}
		}
		if !strings.Contains(logged[1], "panic: no feed") || !strings.Contains(logged[1], "publish_test.go") {
			t.Errorf("the second line does not show the panic: %s", logged[1])
		}
		if s := topic.Stats(); s.Failures != 9 || s.Restarts != 9 || !s.Ended || s.Err != nil {
			t.Errorf("Stats: %+v", s)
		}
	})
}

func TestBackoffIsRandom(t *testing.T) {
	b := Backoff{Min: time.Second, Max: time.Minute}
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute} {
		if least := b.wait(n, 0); least != want/2 {
			t.Errorf("after %d failures the shortest wait is %v, want %v", n, least, want/2)
		}
		if most := b.wait(n, 0.999999); most >= want || most < want*99/100 {
			t.Errorf("after %d failures the longest wait is %v, want just under %v", n, most, want)
		}
	}
}

func TestPublishGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{Name: "prices", Backoff: Backoff{Min: time.Second, MaxRestarts: 3}})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		var began []time.Time
		broken := errors.New("broken")
		err := topic.Publish(t.Context(), scripted(&began, fails, fails, fails,
			func(context.Context, func(textEvent) bool) error { return broken }, fails))
		if !errors.Is(err, broken) || len(began) != 4 {
			t.Errorf("Publish = %v after %d runs, want %v after 4", err, len(began), broken)
		}
		want := `x, x, x, hub: topic "prices": the pipeline failed 4 times in a row: broken`
		check(t, "a subscriber", read(t, c), want)
		check(t, "a late one", read(t, topic.Feed().Subscribe(Earliest(), PolicyCut, Filter{})), want)
	})
}

// When its context ends, Publish ends, and the topic does not.
func TestPublishContext(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		reason := errors.New("shutting down")
		polite := streams.Create(func(ctx context.Context, emit func(textEvent) bool) error {
			emit(textEvent{Data: "x"})
			<-ctx.Done()
			return nil // as if it had completed
		})
		var began []time.Time
		for name, source := range map[string]streams.Observable[textEvent]{
			"a source that waits":               streams.Never[textEvent](),
			"a source that takes it for an end": polite,
			"a wait for the next run":           scripted(&began, fails),
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(10*time.Millisecond, func() { cancel(reason) })
			if err := topic.Publish(ctx, source); err != reason {
				t.Errorf("%s: Publish = %v, want %v", name, err, reason)
			}
			if err := topic.Publish(ctx, source); err != reason {
				t.Errorf("%s: Publish with a cancelled context = %v, want %v", name, err, reason)
			}
			if _, ended := topic.Feed().Ended(); ended {
				t.Fatalf("%s: the topic has ended", name)
			}
		}
		waitIdle()
		topic.Complete()
		if got := read(t, c); !strings.HasSuffix(got, "EOF") {
			t.Errorf("the subscriber saw %s", got)
		}
	})
}

func TestPublishRefusedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		topic, err := New[picky](Config{Logger: slog.New(slog.NewTextHandler(&lines, nil)), MaxEvent: 1000})
		if err != nil {
			t.Fatal(err)
		}
		defer topic.Close()
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		bad := []sse.ServerSentEvent[picky]{
			{Data: picky{"fail"}}, {Data: picky{"panic"}}, {Event: "stream.bye"}, {Event: "\n"}, {Data: picky{strings.Repeat("x", 1000)}},
		}
		var events []sse.ServerSentEvent[picky]
		for i := range 100 {
			events = append(events, bad[i%5], sse.ServerSentEvent[picky]{Data: picky{fmt.Sprint(i)}})
		}
		tick := streams.Map(streams.Interval(100*time.Millisecond).Take(len(events)), func(i int) sse.ServerSentEvent[picky] { return events[i] })
		if err := topic.Publish(t.Context(), tick); err != nil {
			t.Fatal(err)
		}
		if got := read(t, c); !strings.HasPrefix(got, `"0", "1", "2", `) || !strings.HasSuffix(got, `"99", EOF`) {
			t.Errorf("the subscriber saw %s", got)
		}
		s := topic.Stats()
		if s.Refused != 100 || s.Appended != 100 || s.Failures != 0 {
			t.Errorf("Stats: %+v", s)
		}
		// 20 seconds, and at most a line a second.
		if n := strings.Count(lines.String(), "\n"); n < 15 || n > 20 {
			t.Errorf("%d lines in the log:\n%s", n, &lines)
		}
		if !strings.Contains(lines.String(), "so_far=1\n") || !strings.Contains(lines.String(), "topic=") {
			t.Errorf("the log does not say how many there were:\n%s", &lines)
		}
	})
}

// Two sources feed one topic; the first that completes completes it.
func TestPublishConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := open(t, Config{})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		second := make(chan error)
		tick := func(d time.Duration, name string) streams.Observable[textEvent] {
			return streams.Map(streams.Interval(d), func(int) textEvent { return textEvent{Data: name} })
		}
		go func() { second <- topic.Publish(t.Context(), tick(3*time.Second, "b")) }()
		if err := topic.Publish(t.Context(), tick(2*time.Second, "a").Take(4)); err != nil {
			t.Error(err)
		}
		if err := <-second; err != ErrEnded {
			t.Errorf("the other Publish = %v, want ErrEnded", err)
		}
		check(t, "a subscriber", read(t, c)[:7], "a, b, a")
	})
}

// A log that loses requests and answers gets each event exactly once, in order.
func TestPublishErrUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 3)
		log.faults = 0.3
		topic := open(t, Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{}) // before the log has been reached
		var events []textEvent
		var want []string
		for i := range 200 {
			ev := textEvent{Data: fmt.Sprint(i)}
			events, want = append(events, ev), append(want, ev.Data)
		}
		if err := topic.Publish(t.Context(), streams.Of(events...)); err != nil {
			t.Fatal(err)
		}
		check(t, "a subscriber", read(t, c), strings.Join(append(want, "EOF"), ", "))
		s := topic.Stats()
		if s.Retries == 0 || s.Duplicates == 0 || s.TailRestarts == 0 {
			t.Errorf("nothing went wrong: %+v", s)
		}
		if s.Appended+s.Duplicates != 200 || s.Next != 201 {
			t.Errorf("Stats: %+v", s)
		}
	})
}

// A source that emits its events again when it is run again is published only once.
func TestPublishMessageIDs(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{Logger: slog.New(slog.DiscardHandler)})
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		var began []time.Time
		run := func(data ...string) func(context.Context, func(textEvent) bool) error {
			return func(ctx context.Context, emit func(textEvent) bool) error {
				for _, d := range data {
					emit(textEvent{Data: d})
				}
				if len(began) < 3 {
					return errors.New("the feed broke off")
				}
				return nil
			}
		}
		source := scripted(&began, run("a", "b"), run("a", "b", "", "c", "panic"), run("b", "c", "", "d"))
		calls := 0
		err := topic.Publish(t.Context(), source, MessageIDs(func(ev textEvent) string {
			if calls++; ev.Data == "panic" {
				panic("no id")
			}
			return ev.Data // "" is for Publish to choose
		}))
		if err != nil {
			t.Fatal(err)
		}
		check(t, "a subscriber", read(t, c), "a, b, , c, , d, EOF")
		if s := topic.Stats(); s.Duplicates != 4 || s.Refused != 1 || calls != 11 {
			t.Errorf("Stats: %d duplicates, %d refused, %d calls; want 4, 1, 11", s.Duplicates, s.Refused, calls)
		}
	})
}

// Append returns ErrUncertain to the caller, who tries again with the same message id.
func TestAppendErrUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(1000, 5)
		log.faults = 0.5
		topic := open(t, Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
		doubts := 0
		for i := range 50 {
			for {
				pos, err := topic.Append(t.Context(), textEvent{Data: "x"}, MessageID(fmt.Sprint(i)))
				if err == nil {
					if pos.Seq != uint64(i+1) {
						t.Fatalf("event %d is at %v", i, pos)
					}
					break
				}
				if !errors.Is(err, eventlog.ErrUncertain) {
					t.Fatal(err)
				}
				doubts++
			}
		}
		if doubts == 0 {
			t.Error("there were no doubts")
		}
	})
}
