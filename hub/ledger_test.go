package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// ledgerRuns returns n, the number of runs of a ledger test, times the value of the
// environment variable FLUXWIRE_TEST_LEDGER if it is set.
func ledgerRuns(t *testing.T, n int) int {
	if v := os.Getenv("FLUXWIRE_TEST_LEDGER"); v != "" {
		times, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal("FLUXWIRE_TEST_LEDGER: ", err)
		}
		return n * times
	}
	if testing.Short() {
		return n / 10
	}
	return n
}

// A truth knows all events ever stored: their blocks by incarnation of the log
// and number, and in which incarnation an event with a stamp was stored.
type truth interface {
	block(incarnation, seq uint64) (block string, ok bool)
	incarnationOf(stamp uint32) uint64
}

// An account is one client's side of the ledger. It uses only what the client received,
// over all of its connections: each event after the position where the client began was
// delivered once, or not chosen by the filter, or reported as missing.
type account struct {
	name  string
	truth truth

	incarnation uint64 // 0: not known until the next event
	last        uint64 // the client has accounted for all up to this number
	id          string // what it would send as Last-Event-ID
	names       map[string]bool

	delivered, missed, unknown uint64
}

func (a *account) filter() Filter {
	if a.names == nil {
		return Filter{}
	}
	var names []string
	for name := range a.names {
		names = append(names, name)
	}
	if len(names)%2 == 0 {
		return Named(names...)
	}
	return Where(func(event string, _ []byte) bool { return a.names[event] })
}

// pass accounts for the events up to seq, which must not be events for this client.
func (a *account) pass(seq uint64) error {
	if seq < a.last {
		return fmt.Errorf("%s: %d came after %d", a.name, seq, a.last)
	}
	for s := a.last + 1; s <= seq; s++ {
		block, ok := a.truth.block(a.incarnation, s)
		if !ok {
			return fmt.Errorf("%s: there is no event %d in incarnation %d", a.name, s, a.incarnation)
		}
		if name, _, _ := strings.Cut(strings.TrimPrefix(block, "event: "), "\n"); a.names == nil || a.names[name] {
			return fmt.Errorf("%s: lost in silence: event %d, between %d and %d", a.name, s, a.last, seq+1)
		}
	}
	a.last = seq
	return nil
}

// events accounts for the first n of the events in b.
func (a *account) events(b Batch, n int) error {
	frames := strings.SplitAfter(string(b.Frames), "\n\n")
	frames = frames[:len(frames)-1] // nothing is behind the last blank line
	if len(frames) != b.Count {
		return fmt.Errorf("%s: %d events in a batch of %d", a.name, len(frames), b.Count)
	}
	for _, frame := range frames[:n] {
		id, block, _ := strings.Cut(strings.TrimPrefix(frame, "id: "), "\n")
		pos, err := eventlog.ParsePos(id)
		if err != nil {
			return err
		}
		incarnation := a.truth.incarnationOf(pos.Stamp)
		if a.incarnation == 0 {
			a.incarnation = incarnation
		}
		if incarnation != a.incarnation {
			return fmt.Errorf("%s: event %s is of incarnation %d, without a gap after incarnation %d", a.name, id, incarnation, a.incarnation)
		}
		if pos.Seq <= a.last {
			return fmt.Errorf("%s: event %d came twice or too late: %d was there", a.name, pos.Seq, a.last)
		}
		if err := a.pass(pos.Seq - 1); err != nil {
			return err
		}
		if want, ok := a.truth.block(incarnation, pos.Seq); !ok || block != want {
			return fmt.Errorf("%s: event %s is %q, want %q", a.name, id, block, want)
		}
		a.last, a.id = pos.Seq, id
		a.delivered++
	}
	return nil
}

// gap accounts for what g reports as missing.
func (a *account) gap(g *sse.Gap) error {
	to, err := eventlog.ParsePos(g.ID)
	if err != nil {
		return fmt.Errorf("%s: gap %+v: %w", a.name, g, err)
	}
	if g.Missed == nil {
		if g.Reason == sse.GapRetention || g.Reason == sse.GapSlow || g.To != "" {
			return fmt.Errorf("%s: gap %+v does not say how many are missing", a.name, g)
		}
		a.incarnation, a.last, a.id = 0, to.Seq, g.ID
		if to.Stamp != 0 {
			a.incarnation = a.truth.incarnationOf(to.Stamp)
		}
		a.unknown++
		return nil
	}
	from, err := eventlog.ParsePos(g.From)
	if err != nil || g.Reason != sse.GapRetention && g.Reason != sse.GapSlow || g.To != g.ID {
		return fmt.Errorf("%s: gap %+v: %v", a.name, g, err)
	}
	if from.Stamp != 0 && a.incarnation == 0 {
		a.incarnation = a.truth.incarnationOf(from.Stamp)
	}
	if a.incarnation == 0 && from.Seq != a.last {
		return fmt.Errorf("%s: gap %+v: %d were passed over in an unknown incarnation", a.name, g, from.Seq-a.last)
	}
	if err := a.pass(from.Seq); err != nil {
		return err
	}
	if *g.Missed == 0 || to.Seq-from.Seq != *g.Missed {
		return fmt.Errorf("%s: gap %+v tells of %d missing", a.name, g, *g.Missed)
	}
	a.last, a.id = to.Seq, g.ID
	a.missed += *g.Missed
	return nil
}

// rest moves the client to the position of its cursor, as a heartbeat with an id does.
func (a *account) rest(pos eventlog.Pos) error {
	if pos == (eventlog.Pos{}) || pos.Seq == a.last {
		return nil
	}
	if a.incarnation == 0 {
		a.incarnation = a.truth.incarnationOf(pos.Stamp)
	}
	a.id = pos.String()
	return a.pass(pos.Seq)
}

var eventNames = []string{"a", "b", "c", "d"}

func randomNames(rng *rand.Rand) map[string]bool {
	if rng.IntN(3) == 0 {
		return nil
	}
	names := make(map[string]bool)
	for range rng.IntN(4) {
		names[eventNames[rng.IntN(len(eventNames))]] = true
	}
	return names
}

// memoryTruth is the truth about the topics in memory that follow each other.
type memoryTruth struct {
	incarnations []map[uint64]string // from incarnation 1 on
	stamps       map[uint32]uint64
}

func (m *memoryTruth) block(incarnation, seq uint64) (string, bool) {
	if incarnation == 0 {
		return "", false
	}
	block, ok := m.incarnations[incarnation-1][seq]
	return block, ok
}

func (m *memoryTruth) incarnationOf(stamp uint32) uint64 { return m.stamps[stamp] }

// A memoryLedger is one schedule over topics in memory.
type memoryLedger struct {
	t     *testing.T
	rng   *rand.Rand
	truth *memoryTruth
	topic *Topic[string]
	times []time.Time // of the events of this incarnation, from number 1 on

	clients []*ledgerClient
	total   map[string]uint64
}

type ledgerClient struct {
	account
	cursor *Cursor
	policy Policy
	expect sse.GapReason // reason of the gap that has to come first; "?" for one by retention, if any
	batch  Batch         // held
	bytes  string        // what was in it
}

// restart replaces the process.
func (l *memoryLedger) restart() {
	if l.topic != nil {
		l.topic.Close()
	}
	l.topic = open(l.t, Config{
		Events: 1 + l.rng.IntN(60),
		Bytes:  20_000 + l.rng.IntN(40_000),
		Age:    time.Duration(1+l.rng.IntN(600)) * time.Second,
	})
	l.truth.incarnations = append(l.truth.incarnations, make(map[uint64]string))
	l.truth.stamps[l.topic.feed.current.Load().stamp] = uint64(len(l.truth.incarnations))
	l.times = nil
}

func (l *memoryLedger) append() error {
	name := eventNames[l.rng.IntN(len(eventNames))]
	data := strings.Repeat("x", l.rng.IntN(1<<l.rng.IntN(13)))
	pos, err := l.topic.Append(l.t.Context(), textEvent{Event: name, Data: data})
	l.truth.incarnations[len(l.truth.incarnations)-1][pos.Seq] = "event: " + name + "\ndata: " + data + "\n\n"
	l.times = append(l.times, time.Now())
	return err
}

// join makes a client begin anywhere.
func (l *memoryLedger) join(c *ledgerClient) {
	c.names, c.policy, c.expect, c.batch = randomNames(l.rng), Policy(l.rng.IntN(3)), "", Batch{}
	n := l.rng.IntN(70)
	since := time.Now().Add(-time.Duration(l.rng.IntN(900)) * time.Second)
	kind := l.rng.IntN(4)
	c.cursor = l.topic.Feed().Subscribe([]Start{Live(), Earliest(), Latest(n), Since(since)}[kind], c.policy, c.filter())
	s := l.topic.Stats()
	begin := s.Next
	switch kind {
	case 1:
		begin = s.First
	case 2:
		begin = max(s.First, s.Next-min(uint64(n), s.Next-1))
	case 3:
		for begin > s.First && !l.times[begin-2].Before(since) {
			begin--
		}
	}
	c.incarnation, c.last = uint64(len(l.truth.incarnations)), begin-1
	c.id = eventlog.Pos{Seq: c.last, Stamp: l.topic.feed.current.Load().stamp}.String()
	if got := c.cursor.Position().String(); got != c.id {
		l.t.Errorf("%s: start %d begins behind %s, want %s", c.name, kind, got, c.id)
	}
}

// resume makes a client come back with its id or, now and then, with another one.
func (l *memoryLedger) resume(c *ledgerClient) {
	if l.rng.IntN(4) == 0 {
		c.names = randomNames(l.rng)
	}
	if l.rng.IntN(4) == 0 {
		c.policy = Policy(l.rng.IntN(3))
	}
	c.expect = "?"
	id := c.id
	pos, _ := eventlog.ParsePos(id)
	if l.truth.incarnationOf(pos.Stamp) != uint64(len(l.truth.incarnations)) {
		c.expect = sse.GapRestart
	}
	switch l.rng.IntN(30) {
	case 0:
		id, c.expect = "?"+id, sse.GapMalformed
	case 1:
		id, c.expect = eventlog.Pos{Seq: l.topic.Stats().Next + uint64(l.rng.IntN(10)), Stamp: l.topic.feed.current.Load().stamp}.String(), sse.GapFuture
	}
	c.cursor = l.topic.Feed().Subscribe(After(id), c.policy, c.filter())
	c.batch = Batch{}
}

// read makes a client read one batch, and perhaps lose its connection in the middle.
func (l *memoryLedger) read(c *ledgerClient) error {
	if string(c.batch.Frames) != c.bytes && !c.batch.Empty() {
		return fmt.Errorf("%s: the bytes of a batch have changed", c.name)
	}
	if !c.batch.Empty() && l.rng.IntN(2) == 0 {
		return nil // holds it a little longer
	}
	b, err := c.cursor.Poll()
	c.batch, c.bytes = b, string(b.Frames)
	stats := l.topic.Stats()
	switch {
	case errors.Is(err, ErrCut):
		if c.policy != PolicyCut {
			return fmt.Errorf("%s: cut with policy %v", c.name, c.policy)
		}
		l.total["cuts"]++
		l.resume(c)
		return nil
	case err != nil:
		return fmt.Errorf("%s: Poll = %w", c.name, err)
	case b.Gap != nil && l.rng.IntN(10) == 0:
		l.total["gaps unheard"]++
		l.resume(c) // the connection broke before the client got the gap: the gap comes again
		return nil
	case b.Gap != nil:
		g := b.Gap
		unknown := g.Missed == nil
		if c.expect == "" && g.Reason != sse.GapSlow || c.expect == "?" && unknown || c.expect != "?" && c.expect != "" && g.Reason != c.expect {
			return fmt.Errorf("%s: gap %+v, expected %q", c.name, g, c.expect)
		}
		c.expect = ""
		if err := c.gap(g); err != nil {
			return err
		}
		if c.policy == PolicyToOldest && c.last >= stats.First {
			return fmt.Errorf("%s: gap %+v, but the oldest kept is %d", c.name, g, stats.First)
		}
		l.total[string(g.Reason)]++
		return nil
	case c.expect != "" && c.expect != "?":
		return fmt.Errorf("%s: no gap, expected %q", c.name, c.expect)
	}
	if !b.Empty() && c.expect == "?" {
		c.expect = ""
	}
	if b.Count > 0 && l.rng.IntN(5) == 0 {
		l.total["drops"]++
		err := c.events(b, l.rng.IntN(b.Count))
		l.resume(c)
		return err
	}
	if err := c.events(b, b.Count); err != nil {
		return err
	}
	if l.rng.IntN(3) == 0 {
		return c.rest(c.cursor.Position())
	}
	return nil
}

// drain makes a client read all that is left, up to want.
func (l *memoryLedger) drain(c *ledgerClient, want error) error {
	for {
		b, err := c.cursor.Poll()
		switch {
		case errors.Is(err, ErrCut):
			l.resume(c)
		case err != nil:
			if err != want {
				return fmt.Errorf("%s: the end is %w", c.name, err)
			}
			if c.expect != "" && c.expect != "?" {
				return fmt.Errorf("%s: no gap, expected %q", c.name, c.expect)
			}
			return c.pass(uint64(len(l.times)))
		case b.Empty():
			return fmt.Errorf("%s: neither the end nor an event", c.name)
		case b.Gap != nil:
			c.expect = ""
			if err := c.gap(b.Gap); err != nil {
				return err
			}
		default:
			if err := c.events(b, b.Count); err != nil {
				return err
			}
		}
	}
}

func (l *memoryLedger) run() error {
	l.restart()
	for i := range 1 + l.rng.IntN(6) {
		c := &ledgerClient{account: account{name: fmt.Sprint("client ", i), truth: l.truth}}
		l.clients = append(l.clients, c)
		l.join(c)
	}
	for range 60 {
		c := l.clients[l.rng.IntN(len(l.clients))]
		var err error
		switch n := l.rng.IntN(100); {
		case n < 50:
			for range 1 + l.rng.IntN(8) {
				err = errors.Join(err, l.append())
			}
		case n < 88:
			err = l.read(c)
		case n < 92:
			time.Sleep(time.Duration(l.rng.IntN(100)) * time.Second)
		case n < 96:
			l.resume(c)
		case n < 98:
			l.join(c)
		case n == 98 && l.rng.IntN(3) == 0:
			closed := l.topic
			closed.Close()
			for _, c := range l.clients {
				err = errors.Join(err, l.drain(c, ErrClosed))
			}
			l.restart()
			for _, c := range l.clients {
				l.resume(c)
			}
		}
		if err != nil {
			return err
		}
	}
	l.topic.Complete()
	var err error
	for _, c := range l.clients {
		err = errors.Join(err, l.drain(c, io.EOF))
		l.total["delivered"] += c.delivered
		l.total["missed"] += c.missed
		l.total["unknown"] += c.unknown
	}
	return err
}

// Whatever clients, processes and retention do, nothing is lost in silence, nothing comes
// twice, the order is kept, and each loss is reported once, with the right count.
func TestLedgerInMemory(t *testing.T) {
	total := make(map[string]uint64)
	for seed := range ledgerRuns(t, 1200) {
		synctest.Test(t, func(t *testing.T) {
			l := &memoryLedger{
				t: t, rng: rand.New(rand.NewPCG(uint64(seed), 7)), total: total,
				truth: &memoryTruth{stamps: make(map[uint32]uint64)},
			}
			if err := l.run(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
	t.Log(total)
	for _, what := range []string{"delivered", "missed", "unknown", "cuts", "drops", "gaps unheard", string(sse.GapSlow), string(sse.GapRetention), string(sse.GapRestart), string(sse.GapMalformed), string(sse.GapFuture)} {
		if total[what] == 0 && !testing.Short() {
			t.Errorf("%s: never happened", what)
		}
	}
}

func (f *fakeLog) block(incarnation, seq uint64) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	block, ok := f.history[f.pos(uint32(incarnation), seq)]
	return block, ok
}

func (f *fakeLog) incarnationOf(stamp uint32) uint64 { return uint64(stamp >> 20) }

// The same over a remote log: answers are lost, the tail lags and fails, retention
// overtakes it, the log is created again; subscribers come from any goroutine.
func TestLedgerOverLog(t *testing.T) {
	total := make(map[string]uint64)
	for seed := range ledgerRuns(t, 40) {
		synctest.Test(t, func(t *testing.T) { asyncLedger(t, uint64(seed), total) })
	}
	t.Log(total)
	for _, what := range []string{"delivered", "missed", "unknown", "cuts", "drops", "tails", "retries", string(sse.GapSlow), string(sse.GapRetention), string(sse.GapRestart)} {
		if total[what] == 0 && !testing.Short() {
			t.Errorf("%s: never happened", what)
		}
	}
}

func asyncLedger(t *testing.T, seed uint64, total map[string]uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	log := newFakeLog(20+rng.IntN(300), seed)
	log.faults = rng.Float64() * 0.3
	topic := open(t, Config{
		Log: log, Logger: discard(), Events: 5 + rng.IntN(60),
		Backoff: Backoff{Min: time.Millisecond, Max: time.Second},
	})
	<-topic.feed.filled
	var wg sync.WaitGroup
	var mu sync.Mutex // guards total
	count := func(what string, n uint64) {
		mu.Lock()
		defer mu.Unlock()
		total[what] += n
	}

	// A pipeline that fails now and then.
	events := 100 + rng.IntN(300)
	published, sourceSeed := 0, rng.Uint64()
	source := rand.New(rand.NewPCG(sourceSeed, 1))
	wg.Go(func() {
		err := topic.Publish(t.Context(), streams.Create(func(ctx context.Context, emit func(textEvent) bool) error {
			for published < events {
				time.Sleep(time.Duration(source.IntN(100)) * time.Millisecond)
				ev := textEvent{Event: eventNames[source.IntN(len(eventNames))], Data: fmt.Sprint(published)}
				if source.IntN(2) == 0 {
					ev.ID = ev.Data
				}
				if !emit(ev) {
					break
				}
				if published++; source.IntN(40) == 0 {
					return errors.New("the pipeline failed")
				}
			}
			time.Sleep(time.Hour) // the log comes to rest before the end
			return nil
		}))
		if err != nil {
			t.Errorf("seed %d: Publish = %v", seed, err)
		}
	})
	// What happens to the log.
	trouble := rand.New(rand.NewPCG(rng.Uint64(), 1))
	wg.Go(func() {
		for range 5 {
			time.Sleep(time.Duration(trouble.IntN(10_000)) * time.Millisecond)
			switch trouble.IntN(8) {
			case 0, 1, 2:
				log.purge(trouble.IntN(100))
			case 3:
				if seed%2 == 0 {
					log.recreate()
				}
			}
		}
	})
	for i := range 1 + rng.IntN(8) {
		rng := rand.New(rand.NewPCG(rng.Uint64(), 1))
		wg.Go(func() {
			a := account{name: fmt.Sprintf("seed %d: client %d", seed, i), truth: log, names: randomNames(rng)}
			policy := Policy(rng.IntN(3))
			cursor := topic.Feed().Subscribe(Live(), policy, a.filter())
			a.last = cursor.Position().Seq
			a.incarnation = log.incarnationOf(cursor.Position().Stamp)
			a.id = cursor.Position().String()
			lazy := 1 + rng.IntN(3000)
			for {
				if rng.IntN(20) == 0 {
					count("drops", 1)
					cursor = topic.Feed().Subscribe(After(a.id), policy, a.filter())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(5000))*time.Millisecond)
				b, err := cursor.Next(ctx)
				cancel()
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					err = a.rest(cursor.Position())
				case errors.Is(err, ErrCut):
					count("cuts", 1)
					cursor = topic.Feed().Subscribe(After(a.id), policy, a.filter())
					err = nil
				case err == io.EOF:
					log.mu.Lock()
					last := log.first + uint64(len(log.events)) - 1
					if a.incarnation == 0 {
						a.incarnation = uint64(log.incarnation)
					}
					log.mu.Unlock()
					if err := a.pass(last); err != nil {
						t.Error(err)
					}
					count("delivered", a.delivered)
					count("missed", a.missed)
					count("unknown", a.unknown)
					return
				case err != nil:
				case b.Gap != nil:
					count(string(b.Gap.Reason), 1)
					err = a.gap(b.Gap)
				default:
					n := b.Count
					if rng.IntN(10) == 0 {
						n = rng.IntN(b.Count)
					}
					if err = a.events(b, n); n < b.Count {
						count("drops", 1)
						cursor = topic.Feed().Subscribe(After(a.id), policy, a.filter())
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Duration(rng.IntN(lazy)) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	s := topic.Stats()
	count("retries", s.Retries)
	count("tails", s.TailRestarts)
}
