package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// TestMain fails the run if a goroutine of this module is left once all tests are
// over. (In the bubbles of synctest each test checks that itself.)
func TestMain(m *testing.M) {
	code := m.Run()
	var left []string
	for range 100 {
		if left = strays(); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond) // goroutines that are on their way out
	}
	if len(left) > 0 && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

func strays() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	all := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	return slices.DeleteFunc(all[1:], func(stack string) bool { // the first is this one
		return !strings.Contains(stack, "fluxwire/")
	})
}

// hidden makes any log, a Memory too, one that the topic has to follow.
type hidden struct{ eventlog.Log }

// engines runs test in virtual time with a topic over each kind of log.
func engines(t *testing.T, test func(t *testing.T, open func(Config) *Topic[string])) {
	logs := []struct {
		name string
		log  func(t *testing.T, cfg Config) eventlog.Log
	}{
		{"memory", func(*testing.T, Config) eventlog.Log { return nil }},
		{"hidden memory", func(t *testing.T, cfg Config) eventlog.Log {
			m, err := eventlog.NewMemory(eventlog.MemoryConfig{Events: cfg.Events, Bytes: cfg.Bytes, Age: cfg.Age})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Close() })
			return hidden{m}
		}},
		{"slow log", func(t *testing.T, cfg Config) eventlog.Log {
			return newFakeLog(cfg.Events, 1)
		}},
	}
	for _, engine := range logs {
		t.Run(engine.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(cfg Config) *Topic[string] {
					if cfg.Log == nil {
						cfg.Log = engine.log(t, cfg)
					}
					return open(t, cfg)
				})
			})
		})
	}
}

// open makes a topic that is closed with the test.
func open(t testing.TB, cfg Config) *Topic[string] {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	topic, err := New[string](cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { topic.Close() })
	return topic
}

// openMaybeHidden makes a topic over a Memory that it may have to follow.
func openMaybeHidden(t testing.TB, hide bool) *Topic[string] {
	t.Helper()
	if !hide {
		return open(t, Config{})
	}
	m, err := eventlog.NewMemory(eventlog.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return open(t, Config{Log: hidden{m}})
}

// put appends events whose data is the given text.
func put(t testing.TB, topic *Topic[string], data ...string) (last eventlog.Pos) {
	t.Helper()
	for _, d := range data {
		name, text, ok := strings.Cut(d, "=")
		if !ok {
			name, text = "", d
		}
		var err error
		if last, err = topic.Append(t.Context(), sse.ServerSentEvent[string]{Event: name, Data: text}); err != nil {
			t.Errorf("Append(%q): %v", d, err)
		}
	}
	return last
}

// waitIdle waits until nothing happens any more.
func waitIdle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// read returns in short what comes at c, until nothing more comes: the data of events,
// "reason from-to missed" of gaps, and the end. Ids are without their stamps.
func read(t testing.TB, c *Cursor) string {
	t.Helper()
	var out []string
	for {
		b, err := next(t, c)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return strings.Join(out, ", ")
		case err == io.EOF:
			return strings.Join(append(out, "EOF"), ", ")
		case err != nil:
			return strings.Join(append(out, err.Error()), ", ")
		}
		out = append(out, shortOf(t, b)...)
	}
}

// next is Next for a minute.
func next(t testing.TB, c *Cursor) (Batch, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Next(ctx)
}

// shortOf returns a batch in the short form of read.
func shortOf(t testing.TB, b Batch) []string {
	t.Helper()
	if g := b.Gap; g != nil {
		missed := "?"
		if g.Missed != nil {
			missed = fmt.Sprint(*g.Missed)
		}
		return []string{fmt.Sprintf("%s %s-%s missed %s", g.Reason, number(g.From), number(g.To), missed)}
	}
	events := decode(t, b.Frames)
	if len(events) != b.Count {
		t.Errorf("a batch of %d events says that there are %d", len(events), b.Count)
	}
	var out []string
	for _, ev := range events {
		out = append(out, string(ev.Data))
	}
	if len(events) > 0 {
		if first := events[0].ID; first != b.First.String() {
			t.Errorf("First = %v, but the first event is %s", b.First, first)
		}
		if last := events[len(events)-1].ID; last != b.Last.String() {
			t.Errorf("Last = %v, but the last event is %s", b.Last, last)
		}
	}
	return out
}

func decode(t testing.TB, frames []byte) []sse.Event {
	t.Helper()
	var events []sse.Event
	for ev, err := range sse.NewDecoder(bytes.NewReader(frames)).Events() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev.Clone())
	}
	return events
}

func number(id string) string {
	n, _, _ := strings.Cut(id, ".")
	return n
}

func check(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
