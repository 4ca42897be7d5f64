package hub

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Config describes a topic. The zero Config works: a topic in memory.
type Config struct {
	// Name names the topic in logs, errors and metrics.
	Name string

	// Log keeps the topic's events. It belongs to one topic at a time in a process,
	// and stays the caller's to close, after the topic. Defaults to an
	// [eventlog.Memory] with the bounds below, which the topic closes.
	Log eventlog.Log

	// Events, Bytes and Age bound the window: the newest events, which are served
	// from memory. Without a Log they are all that is kept. An [eventlog.Memory] given as
	// Log is its own window and has its own bounds. Default to 10,000 events, 16 MiB and
	// one hour.
	Events int
	Bytes  int
	Age    time.Duration

	// MaxEvent is how many bytes an event may take on the wire, without its id. It must
	// not be more than Bytes less 64, which is room for the id. Defaults to 1 MiB, or
	// to what Bytes allows if that is less.
	MaxEvent int

	// Codec encodes the events' data. Defaults to [sse.JSON].
	Codec sse.Codec

	// Backoff says when Publish runs a failed pipeline again.
	Backoff Backoff

	// Logger gets a line for each failure of a pipeline, and for errors of the log.
	// Defaults to [slog.Default], taken when the topic is made.
	Logger *slog.Logger
}

// Backoff is how [Topic.Publish] treats a pipeline that fails. After the n-th failure
// in a row it waits for a time chosen at random between half of d and d, where d is
// Min·2ⁿ⁻¹, but at most Max. So many pipelines that failed together do not all start
// again together.
type Backoff struct {
	// Min is the wait after the first failure. Defaults to 500 ms, or to Max if that
	// is less.
	Min time.Duration
	// Max is the longest wait. Defaults to 30 s, or to Min if that is more.
	Max time.Duration
	// Healthy is how long a run must have lasted to reset the count of failures.
	// Defaults to Max.
	Healthy time.Duration
	// MaxRestarts is the greatest number of restarts in a row: the failure after
	// them fails the topic. 0 means that Publish never gives up.
	MaxRestarts int
}

// idRoom is more bytes than the line "id: <seq>.<stamp>" of any frame has.
const idRoom = 64

func (c Config) withDefaults() (Config, error) {
	var bad []error
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"Events", int64(c.Events)},
		{"Bytes", int64(c.Bytes)},
		{"Age", int64(c.Age)},
		{"MaxEvent", int64(c.MaxEvent)},
		{"Backoff.Min", int64(c.Backoff.Min)},
		{"Backoff.Max", int64(c.Backoff.Max)},
		{"Backoff.Healthy", int64(c.Backoff.Healthy)},
		{"Backoff.MaxRestarts", int64(c.Backoff.MaxRestarts)},
	} {
		if field.value < 0 {
			bad = append(bad, fmt.Errorf("hub: Config: %s is negative", field.name))
		}
	}
	c.Events = cmp.Or(c.Events, 10_000)
	c.Bytes = cmp.Or(c.Bytes, 16<<20)
	c.Age = cmp.Or(c.Age, time.Hour)
	c.MaxEvent = cmp.Or(c.MaxEvent, max(1, min(1<<20, c.Bytes-idRoom)))
	if c.MaxEvent > c.Bytes-idRoom {
		bad = append(bad, fmt.Errorf("hub: Config: an event of MaxEvent (%d bytes) does not fit into Bytes (%d, less %d for its id)",
			c.MaxEvent, c.Bytes, idRoom))
	}
	b := &c.Backoff
	switch {
	case b.Min == 0 && b.Max == 0:
		b.Min, b.Max = 500*time.Millisecond, 30*time.Second
	case b.Min == 0:
		b.Min = min(500*time.Millisecond, b.Max)
	case b.Max == 0:
		b.Max = max(30*time.Second, b.Min)
	case b.Min > b.Max:
		bad = append(bad, fmt.Errorf("hub: Config: Backoff.Min (%v) is longer than Backoff.Max (%v)", b.Min, b.Max))
	}
	b.Healthy = cmp.Or(b.Healthy, b.Max)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(bad...)
}
