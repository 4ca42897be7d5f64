package carry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Both drivers carry the same streams of one topic by the same schedule, and each pair
// of clients must get the same bytes and the same end.
//
// Where the drivers differ by nature, the schedules leave the difference out:
//
//  1. Two things that happen at one instant have no order. A schedule does nothing
//     within a few paces of a deadline, a heartbeat or a write.
//  2. A blocking write hides the session. What it was given leaves before anything else
//     is decided, even if the client took no byte of it: a shard drops that again. So a
//     client that stops reading has taken a byte of what is offered, and a client that
//     reads on has room for a byte of a heartbeat.
//  3. A client makes progress on a shard with each byte, on the blocking driver with each
//     slice of 64 KiB. A client that is stuck for longer than half the timeout either takes
//     everything or nothing until it is given up.
//  4. A group has one clock for heartbeats and passes, a blocking driver its own. After a
//     client was stuck, and after one has joined, the next event sets all of them.
//  5. A shard looks at deadlines 10 ms apart at the least, so that what is due may be
//     late by that.
//  6. A shard has a turn for each client, of 256 KiB a pass: what is behind arrives later.
//
// Everything else is compared: bytes, reasons, aborts, counts, gaps, and, while no client
// is stuck, when each byte arrived.
func TestDriversAgree(t *testing.T) {
	if v := os.Getenv("FLUXWIRE_TEST_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal("FLUXWIRE_TEST_SEED: ", err)
		}
		carryBoth(t, scriptOf(seed))
		return
	}
	seen := make(tally)
	for seed := range uint64(schedules) {
		seen.add(carryBoth(t, scriptOf(seed)))
		if t.Failed() {
			t.Fatalf("FLUXWIRE_TEST_SEED=%d", seed)
		}
	}
	seed := rand.Uint64() // and one that nobody has tried
	seen.add(carryBoth(t, scriptOf(seed)))
	if t.Failed() {
		t.Fatalf("FLUXWIRE_TEST_SEED=%d", seed)
	}
	t.Log(seen)
	for _, what := range shows {
		if seen[what] < 3 {
			t.Errorf("%d schedules had %q: they show nothing about it", seen[what], what)
		}
	}
}

// schedules is how many TestDriversAgree runs.
const schedules = 250

// shows is what the schedules must have held.
var shows = []string{
	"large", "several lines", "burst", "stopped", "some bytes", "resumed", "stalled", "gap", "beats",
	"drain", "drain while stuck", "last words stuck", "complete", "fail", "close", "leave", "leave while stuck", "joined late",
	"ended complete", "ended error", "ended left", "ended stalled", "ended max-age", "ended shutdown", "ended grant", "ended slow",
	"age while stuck", "timed", "text/event-stream", "typed lines", "plain lines", "replayed",
}

// FuzzDrivers looks for a schedule by which the drivers disagree.
func FuzzDrivers(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(scriptOf(seed)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 4<<10 {
			carryBoth(t, b)
		}
	})
}

// A script is what a schedule is made of: each choice uses up some bytes.
type script []byte

func scriptOf(seed uint64) script {
	rng := rand.New(rand.NewPCG(seed, 9))
	s := make(script, 40+rng.IntN(260))
	for i := range s {
		s[i] = byte(rng.Uint32())
	}
	return s
}

// below returns a number below n.
func (s *script) below(n int) int {
	v := 0
	for size := n - 1; size > 0 && len(*s) > 0; size >>= 8 {
		v, *s = v<<8|int((*s)[0]), (*s)[1:]
	}
	return v % n
}

// choose returns one of values.
func choose[T any](s *script, values ...T) T { return values[s.below(len(values))] }

// A tally counts the schedules that had something.
type tally map[string]int

func (t tally) add(other tally) {
	for what, n := range other {
		t[what] += min(n, 1)
	}
}

// The times of the tests: no two of them add up to the same.
const (
	testPace     = 2*time.Millisecond + 1
	testBeat     = 15*time.Second + 13
	testTimeout  = 10*time.Second + 107
	testFarewell = 2*time.Second + 1009
	clearance    = 5 * testPace // before anything that is due
)

// A side is one stream by one driver.
type side struct {
	c    *client
	st   *Stream
	d    *Blocking // nil once a shard has the stream
	left context.CancelFunc

	mu     sync.Mutex
	ended  bool
	reason session.Reason
	err    error
}

func (s *side) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// group returns the group of a stream that a shard carries.
func (s *side) group() *group { return s.st.driver.(*group) }

// A pair is the same stream by both drivers.
type pair struct {
	blocking, shard *side
	expires         int64
	stopped         bool // its clients have not taken everything since they stopped
	since           time.Time
}

func (p *pair) sides() []*side { return []*side{p.blocking, p.shard} }

func (p *pair) over() bool { return p.blocking.over() && p.shard.over() }

// A schedule is one run of both drivers.
type schedule struct {
	t       *testing.T
	s       script
	topic   *hub.Topic[string]
	policy  hub.Policy
	words   session.Words
	beat    time.Duration
	base    time.Time
	reader  reading.Reader
	pacer   *Pacer
	shard   *Shard
	sockets *sockets
	routes  [2]*Route // of the blocking driver, and of the shard
	pairs   []*pair
	serving sync.WaitGroup
	max     int // bytes of the largest event
	take    uint64
	timeout time.Duration
	handler int     // of the streams that are opened
	opened  []*side // in order
	ended   bool
	sent    int // bytes that were published in this step
	events  int
	heard   hearing // by all clients of the blocking driver
	seen    tally
	trace   []string
}

func carryBoth(t *testing.T, s script) tally {
	seen := make(tally)
	synctest.Test(t, func(t *testing.T) {
		r := newSchedule(t, s, seen)
		r.run()
		if t.Failed() {
			t.Logf("the schedule:\n%s", strings.Join(r.trace, "\n"))
		}
	})
	return seen
}

func newSchedule(t *testing.T, s script, seen tally) *schedule {
	r := &schedule{t: t, s: s, base: time.Now(), seen: seen, sockets: newSockets(), timeout: testTimeout}
	size := choose(&r.s, 8<<10, 300<<10, 4<<20)
	r.max = min(size-64, 150<<10)
	cfg := hub.Config{Name: "t", Events: choose(&r.s, 3, 10, 1000), Bytes: size, MaxEvent: size - 64, Logger: slog.New(slog.DiscardHandler)}
	var err error
	if r.topic, err = hub.New[string](cfg); err != nil {
		t.Fatal(err)
	}
	r.policy = choose(&r.s, hub.PolicyToOldest, hub.PolicyToLatest, hub.PolicyCut)
	r.beat = choose(&r.s, testBeat, testBeat, testBeat, 0)
	r.words = session.Words{
		Topic: true, Typed: true, Text: session.TextAlways,
		Retry:          func() time.Duration { return 2 * time.Second },
		RetryElsewhere: func() time.Duration { return time.Second },
	}
	format := choose(&r.s, "text/event-stream", "text/event-stream", "typed lines", "plain lines")
	r.words.Lines, r.words.Typed = format != "text/event-stream", format != "plain lines"
	seen[format]++
	r.reader = reading.Hub.Reader(r.topic.Feed(), int(r.policy))
	r.pacer = NewPacer(r.reader, r.base, testPace)
	r.routes = [2]*Route{{Name: "t"}, {Name: "t"}}
	r.shard = NewShard(slog.New(slog.DiscardHandler), r.base, testPace, r.sockets.open)
	r.note("%d events, %d bytes, policy %v, %s", cfg.Events, size, r.policy, format)
	return r
}

func (r *schedule) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf("%12v ", time.Since(r.base))+fmt.Sprintf(format, args...))
}

func (r *schedule) plan() *session.Plan {
	return &session.Plan{
		Words: r.words, Timeout: int64(r.timeout), Farewell: int64(testFarewell),
		Ending: func(err error) (session.Reason, []byte) {
			switch {
			case err == nil:
				return session.Complete, nil
			case errors.Is(err, hub.ErrCut):
				return session.Slow, nil
			case errors.Is(err, hub.ErrClosed):
				return session.Shutdown, nil
			}
			return session.Error, []byte(`{"title":"broken"}`)
		},
	}
}

// join opens a pair of streams.
func (r *schedule) join() {
	p := &pair{expires: session.Never}
	age := choose(&r.s, 0, 0, 21*time.Second, 43*time.Second, 199*time.Second)
	grant := r.s.below(2) == 1
	if age > 0 {
		p.expires = r.now() + int64(age) + 10_007
	}
	start := choose(&r.s, hub.Live(), hub.Live(), hub.Earliest(), hub.Latest(5))
	r.note("join: age %v, grant %t, start %v", age, grant, start)
	p.blocking = r.open(0, start, p.expires, grant)
	p.shard = r.open(1, start, p.expires, grant)
	r.pairs = append(r.pairs, p)
}

func (r *schedule) now() int64 { return int64(time.Since(r.base)) }

// open opens a stream by one of the drivers, as package handlers does.
func (r *schedule) open(kind int, start hub.Start, expires int64, grant bool) *side {
	handler := r.handler
	s := &side{c: newClient(everything)}
	r.opened = append(r.opened, s)
	s.st = &Stream{Route: r.routes[kind], Remote: "mem", Opened: time.Now()}
	s.st.Closed = func(_ *Stream, reason session.Reason, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.reason, s.err = true, reason, err
	}
	cursor := r.topic.Feed().Subscribe(start, r.policy, hub.Filter{})
	spot := SpotOf(cursor.Position())
	s.st.Reads(r.reader.Newest, spot)
	client, left := context.WithCancel(r.t.Context())
	s.left = left
	ctx, cancel := context.WithCancelCause(client)
	d := NewBlocking(Config{
		Stream: s.st, Plan: r.plan(), Take: r.take,
		Peer: s.c, Base: r.base, Heartbeat: r.beat, Pacer: r.pacer, MaxEvent: 1 << 30,
		Problem: func(err error) []byte { return []byte(`{}`) }, Stop: cancel,
	}, session.New(spot, expires, grant))
	s.d = d
	var at reading.Spot
	settled := func() bool {
		if kind == 0 {
			return false
		}
		var ok bool
		if at, ok = reading.Hub.Spot(cursor); !ok {
			return false
		}
		if err := r.shard.Expect(); err != nil {
			r.t.Error(err)
			return false
		}
		return true
	}
	r.serving.Go(func() {
		defer left()
		defer cancel(nil)
		defer cursor.Close()
		d.Start()
		handOver, err := d.Follow(ctx, cursor, settled)
		if handOver {
			d.Close()
			d.Open()
			if d.Session().Settled() {
				in := *d.Session()
				in.Move(at)
				r.reader.Join()
				s.d = nil
				r.shard.Join(handler, func() Group {
					return Group{Plan: r.plan(), Reader: reading.Hub.Reader(r.topic.Feed(), int(r.policy)), Heartbeat: int64(r.beat)}
				}, s.st, in, r.sockets.connect(s.c))
				return
			}
			r.shard.Forget()
		}
		reason := session.Complete
		if err != nil {
			reason = session.Error
		}
		d.Finish(reason, err, client.Err() != nil)
		d.Close()
		reason, abort := d.Session().End()
		s.c.done(abort)
		s.st.End(reason, d.Err())
	})
	return s
}

func (r *schedule) run() {
	for n := r.s.below(4); n > 0; n-- {
		r.publish(r.small())
	}
	for n := 1 + r.s.below(3); n > 0; n-- {
		r.join()
	}
	r.settle()
	if r.routes[0].Replayed.Load() > 0 {
		r.seen["replayed"]++
	}
	for len(r.s) > 0 && !r.t.Failed() && len(r.trace) < 500 {
		r.step()
	}
	r.finish()
}

// step does one thing at a time at which nothing else happens, and compares when bytes
// have arrived if it can.
func (r *schedule) step() {
	r.quiet()
	calm, before := !r.anyStuck(), r.lengths()
	r.sent = 0
	resumed := r.act()
	r.settle()
	if calm && !resumed && !r.anyStuck() && r.sent < 200<<10 {
		r.compareTimes(before)
	}
}

// act does what the script says next, and returns true if that makes the drivers' clocks
// differ.
func (r *schedule) act() (differ bool) {
	p := r.pairs[r.s.below(len(r.pairs))]
	what := r.s.below(64)
	late := false
	for _, q := range r.pairs {
		if q.stopped && !q.over() && time.Since(q.since) > testTimeout/2 {
			p, late = q, true
		}
	}
	switch {
	case late && what < 32:
		r.stall()
		return true
	case late, p.stopped && what < 6:
		r.resume(p)
		return true
	case p.stopped && what < 8:
		r.leave(p)
		return false
	case p.stopped && what < 12:
		r.drain(p)
		return false
	}
	switch {
	case what < 14:
		r.publish(r.data())
	case what < 20:
		r.seen["burst"]++
		for n := 2 + r.s.below(20); n > 0; n-- {
			r.publish(r.small())
		}
	case what < 36:
		if p.stopped {
			r.some(p)
			break
		}
		r.stop(p)
	case what < 50:
		r.sleep(time.Duration(1+r.s.below(4000)) * time.Millisecond)
	case what < 54:
		r.stall()
		return true
	case what < 56:
		if len(r.pairs) < 4 {
			r.seen["joined late"]++
			r.join()
			r.settle()
			r.sync()
			return true
		}
	case what == 56:
		r.drain(p)
	case what == 57:
		for _, p := range r.pairs {
			r.drain(p)
		}
	case what == 58:
		r.narrow(p)
		r.end("complete", r.topic.Complete)
	case what == 59:
		r.narrow(p)
		r.end("fail", func() { r.topic.Fail(errors.New("broken")) })
	case what == 60:
		r.end("close", func() { r.topic.Close() })
	case what == 61:
		r.leave(p)
	case what == 62:
		r.outlive(p)
	default:
		r.sleep(testBeat + time.Duration(r.s.below(3000))*time.Millisecond)
	}
	return false
}

// outlive has the stream of p reach its age while its clients are stuck.
func (r *schedule) outlive(p *pair) {
	left := time.Duration(p.expires - r.now())
	if p.expires == session.Never || left < testTimeout || r.anyStuck() || p.over() {
		return
	}
	r.sleep(left - 3*time.Second)
	r.quiet()
	if r.narrow(p); !p.stopped {
		r.stop(p)
	}
	r.settle()
	r.sleep(testTimeout / 4)
	r.sleep(testTimeout / 4)
}

// small returns the data of a small event.
func (r *schedule) small() string {
	return fmt.Sprint(r.events, strings.Repeat("x", r.s.below(60)))
}

// data returns the data of an event.
func (r *schedule) data() string {
	switch r.s.below(8) {
	case 0:
		return ""
	case 1, 2:
		r.seen["several lines"]++
		return strings.Repeat(fmt.Sprintf("%d\nmore\n\n", r.events), 1+r.s.below(5))
	case 3, 4:
		return strings.Repeat(fmt.Sprintf("%d y ", r.events), min(r.max/16, 1+r.s.below(1000)))
	case 5:
		if r.max > 64<<10 {
			r.seen["large"]++
		}
		return strings.Repeat("z", r.max/2+r.s.below(r.max/2-100))
	}
	return r.small()
}

func (r *schedule) publish(data string) {
	if r.ended {
		return
	}
	r.events++
	r.sent += len(data)
	r.note("publish %d bytes", len(data))
	if _, err := r.topic.Append(r.t.Context(), sse.ServerSentEvent[string]{Data: data}); err != nil {
		r.t.Fatalf("Append of %d bytes: %v", len(data), err)
	}
	synctest.Wait()
}

// sync publishes what sets the clocks of both drivers.
func (r *schedule) sync() {
	r.publish("now")
	r.settle()
}

// stop has the clients of p read no more, in the middle of an event.
func (r *schedule) stop(p *pair) {
	if p.over() || r.ended {
		return
	}
	n := 1 + r.s.below(40)
	r.note("stop, after %d bytes", n)
	r.seen["stopped"]++
	for _, s := range p.sides() {
		s.c.limit(n)
	}
	p.stopped, p.since = true, time.Now()
	data := r.data()
	r.publish(data + strings.Repeat("-", max(0, 60-len(data))))
}

// some has the clients of p take some bytes.
func (r *schedule) some(p *pair) {
	n := 1 + r.s.below(choose(&r.s, 40, 40, 300, 1000, 100<<10))
	r.note("take %d bytes", n)
	r.seen["some bytes"]++
	for _, s := range p.sides() {
		s.c.grow(n)
	}
	r.settle()
	if !p.blocking.c.stuck() {
		r.sync()
	}
}

// resume has the clients of p take everything again.
func (r *schedule) resume(p *pair) {
	r.note("resume")
	r.seen["resumed"]++
	for _, s := range p.sides() {
		s.c.grow(everything)
	}
	p.stopped = false
	r.settle()
	r.sync()
}

// stall lets time go by until all clients that are stuck are given up.
func (r *schedule) stall() {
	for _, p := range r.pairs {
		if !p.stopped || p.over() {
			continue
		}
		// If the age falls between the two ends of a client's patience, one driver counts
		// it as stalled and the other as too old.
		if d := p.expires - r.now(); p.expires != session.Never && d > 0 && d < 2*int64(testTimeout) {
			r.resume(p)
			continue
		}
		if !p.blocking.c.stuck() { // it would have room for a heartbeat, or for none
			r.resume(p)
			continue
		}
		r.seen["stalled"]++
	}
	r.note("wait for three times the timeout")
	time.Sleep(3 * testTimeout)
	r.settle()
}

// sleep lets d go by, or less if a client must not be stuck for so long.
func (r *schedule) sleep(d time.Duration) {
	if r.anyStuck() {
		d = min(d, testTimeout/4)
	}
	r.note("sleep %v", d)
	for d > 0 {
		part := min(d, testBeat/2)
		time.Sleep(part)
		r.spare()
		d -= part
	}
}

// narrow has the clients of p stop in what follows, in one of two schedules.
func (r *schedule) narrow(p *pair) {
	n := 1 + r.s.below(20)
	if n > 10 || p.stopped || p.over() {
		return
	}
	r.note("there is room for %d bytes", n)
	r.seen["last words stuck"]++
	for _, s := range p.sides() {
		s.c.limit(n)
	}
	p.stopped, p.since = true, time.Now()
}

func (r *schedule) drain(p *pair) {
	r.note("drain")
	r.seen["drain"]++
	r.narrow(p)
	if p.blocking.c.stuck() {
		r.seen["drain while stuck"]++
	}
	for _, s := range p.sides() {
		s.st.Drain()
	}
	synctest.Wait()
}

func (r *schedule) end(how string, end func()) {
	if r.ended {
		return
	}
	r.note("%s", how)
	r.seen[how]++
	r.ended = true
	end()
	synctest.Wait()
}

func (r *schedule) leave(p *pair) {
	r.note("leave")
	r.seen["leave"]++
	if p.blocking.c.stuck() {
		r.seen["leave while stuck"]++
	}
	for _, s := range p.sides() {
		s.c.leave()
		s.left()
	}
	synctest.Wait()
}

// finish ends what is open, and compares everything.
func (r *schedule) finish() {
	r.quiet()
	r.note("the end")
	for _, p := range r.pairs {
		for _, s := range p.sides() {
			s.c.grow(everything)
		}
		p.stopped = false
	}
	r.settle()
	if !r.ended {
		r.sync()
		r.topic.Complete()
	}
	r.settle()
	for i, p := range r.pairs {
		r.compare(i, p)
		for _, s := range p.sides() {
			s.c.leave()
			s.left()
		}
	}
	r.compareRoutes()
	r.topic.Close()
	r.serving.Wait()
	r.shard.Wait()
	synctest.Wait()
	if n := r.topic.Stats().Subscribers; n != 0 {
		r.t.Errorf("%d subscribers are left", n)
	}
}

// settle lets both drivers do what they have begun.
func (r *schedule) settle() {
	time.Sleep(3 * testPace)
	for range 1000 {
		synctest.Wait()
		if !r.behind() {
			break
		}
		time.Sleep(testPace)
	}
	r.spare()
}

// behind reports whether a client that has room for everything has not got everything.
func (r *schedule) behind() bool {
	for _, p := range r.pairs {
		for _, s := range p.sides() {
			if s.over() || s.c.roomLeft() != everything {
				continue
			}
			x := r.session(s)
			if x.State() >= session.Leaving || x.Spot().At-x.Unsent() < r.reader.Newest() {
				return true
			}
		}
	}
	return false
}

// spare gives room for a byte to the clients that have taken all that they were offered.
func (r *schedule) spare() {
	synctest.Wait()
	for i, p := range r.pairs {
		a, b := p.blocking, p.shard
		if p.over() {
			continue
		}
		if a.over() != b.over() {
			time.Sleep(time.Duration(sweepGap))
			synctest.Wait()
		}
		if a.over() && b.over() {
			continue
		}
		if a.over() != b.over() {
			r.t.Errorf("stream %d at %v: ended %t by the blocking driver, %t by the shard", i, time.Since(r.base), a.over(), b.over())
			continue
		}
		stuck := r.session(b).Full()
		if a.c.stuck() != stuck {
			r.t.Errorf("stream %d at %v: stuck %t by the blocking driver, %t by the shard", i, time.Since(r.base), a.c.stuck(), stuck)
		}
		if a.c.roomLeft() != b.c.roomLeft() {
			r.t.Errorf("stream %d at %v: room for %d bytes more by the blocking driver, %d by the shard", i, time.Since(r.base), a.c.roomLeft(), b.c.roomLeft())
		}
		x := r.session(b)
		if p.stopped && a.c.roomLeft() == 0 && (!stuck || x.State() < session.Leaving && x.Unsent() == 0 && x.Spot().At < r.reader.Newest()) {
			a.c.grow(1)
			b.c.grow(1)
			synctest.Wait()
		}
		if p.stopped && !stuck {
			p.since = time.Now()
		}
		if stuck && p.expires < r.now() {
			r.seen["age while stuck"]++
		}
	}
}

// see calls f, which may look at all that belongs to a stream that is open. Nothing may
// run meanwhile.
func (r *schedule) see(s *side, f func(*session.Session)) {
	if s.d == nil {
		// The loop takes one of these before it does anything.
		r.shard.mu.Lock()
		defer r.shard.mu.Unlock()
		r.sockets.mu.Lock()
		defer r.sockets.mu.Unlock()
		f(&s.group().conns[s.st.slot].s)
		return
	}
	select {
	case s.d.lock <- struct{}{}:
		defer s.d.release()
	default: // a write is stuck, which takes this one before it goes on
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
	}
	f(&s.d.s)
}

// session returns a copy of the session of a stream that is open.
func (r *schedule) session(s *side) *session.Session {
	var x session.Session
	r.see(s, func(now *session.Session) { x = *now })
	return &x
}

func (r *schedule) anyStuck() bool {
	return slices.ContainsFunc(r.pairs, func(p *pair) bool { return p.stopped && !p.over() })
}

func (r *schedule) lengths() [][2]int {
	var n [][2]int
	for _, p := range r.pairs {
		n = append(n, [2]int{len(p.blocking.c.wire()), len(p.shard.c.wire())})
	}
	return n
}

// quiet lets time go by until nothing has happened just now, and nothing is due soon.
func (r *schedule) quiet() {
	for range 10_000 {
		synctest.Wait()
		if !r.busy() {
			return
		}
		time.Sleep(clearance)
		r.spare()
	}
	r.t.Fatal("something is always due")
}

func (r *schedule) busy() (busy bool) {
	now := r.now()
	soon := func(due int64) bool { return due > now-int64(clearance) && due < now+20*int64(clearance) }
	for _, p := range r.pairs {
		if s := p.shard; !s.over() && s.d == nil {
			r.see(s, func(x *session.Session) { busy = busy || soon(x.Due()) || soon(s.group().round.BeatDue()) })
		}
		if s := p.blocking; !s.over() {
			stuck := s.c.stuck()
			r.see(s, func(x *session.Session) { busy = busy || soon(x.Due()) || soon(s.d.r.BeatDue()) && !stuck })
			if began := s.d.writing.Load(); began != 0 && (soon(began+int64(testTimeout)) || soon(s.d.limit.Load())) {
				busy = true
			}
		}
		for _, s := range p.sides() {
			marks := s.c.when(0)
			if n := len(marks); n > 0 && soon(int64(marks[n-1].at.Sub(r.base))) {
				busy = true
			}
		}
	}
	return busy
}

// compareTimes compares when the bytes behind before arrived.
func (r *schedule) compareTimes(before [][2]int) {
	for i := range before {
		p := r.pairs[i]
		a, b := p.blocking.c.when(before[i][0]), p.shard.c.when(before[i][1])
		if len(a) > 0 {
			r.seen["timed"]++
		}
		same := func(a, b mark) bool {
			late := b.at.Sub(a.at) // a heartbeat or a deadline of the shard's may be
			return a.total == b.total && late >= 0 && late <= time.Duration(sweepGap)
		}
		exact := func(a, b mark) bool { return a.total == b.total && a.at.Equal(b.at) }
		if r.sent > 0 {
			same = exact
		}
		if !slices.EqualFunc(a, b, same) {
			r.t.Errorf("stream %d: arrived by the blocking driver %v, by the shard %v", i, r.times(a), r.times(b))
		}
	}
}

// whole reports whether no stream was cut off.
func (r *schedule) whole() bool {
	return !slices.ContainsFunc(r.pairs, func(p *pair) bool {
		return p.blocking.c.aborted || p.blocking.reason == session.Left
	})
}

func (r *schedule) times(marks []mark) (times []string) {
	for _, m := range marks {
		times = append(times, fmt.Sprintf("%d@%v", m.total, m.at.Sub(r.base)))
	}
	return times
}

// compare compares what both drivers have made of a stream.
func (r *schedule) compare(i int, p *pair) {
	a, b := p.blocking, p.shard
	if !a.over() || !b.over() {
		r.t.Errorf("stream %d: has ended %t by the blocking driver, %t by the shard", i, a.over(), b.over())
		return
	}
	if x, y := a.c.wire(), b.c.wire(); x != y {
		n := 0
		for n < min(len(x), len(y)) && x[n] == y[n] {
			n++
		}
		from := max(0, n-200)
		r.t.Errorf("stream %d: %d bytes by the blocking driver, %d by the shard; from byte %d on\n%.600q\n%.600q", i, len(x), len(y), n, x[from:], y[from:])
	}
	if a.reason != b.reason || a.c.aborted != b.c.aborted {
		r.t.Errorf("stream %d: reason %v, abort %t by the blocking driver; %v, %t by the shard", i, a.reason, a.c.aborted, b.reason, b.c.aborted)
	}
	if a.st.events != b.st.events || a.st.bytes != b.st.bytes {
		r.t.Errorf("stream %d: %d events, %d bytes by the blocking driver; %d, %d by the shard", i, a.st.events, a.st.bytes, b.st.events, b.st.bytes)
	}
	if got := uint64(len(a.c.wire())); a.st.bytes != got {
		r.t.Errorf("stream %d: %d bytes counted, %d arrived", i, a.st.bytes, got)
	}
	heard, err := r.read(a.c.wire())
	if err != nil {
		r.t.Errorf("stream %d: %v", i, err)
	}
	if a.st.events != heard.events {
		r.t.Errorf("stream %d: %d events counted, %d arrived", i, a.st.events, heard.events)
	}
	want := a.reason.String()
	if a.c.aborted || a.reason == session.Left || !r.words.Typed {
		want = ""
	}
	if heard.end != want && (want != "" || a.reason != session.Left && !r.words.Typed) {
		r.t.Errorf("stream %d: ended by %v, and the client heard %q", i, a.reason, heard.end)
	}
	r.heard.events += heard.events
	r.heard.beats += heard.beats
	r.heard.gaps += heard.gaps
	r.heard.missed += heard.missed
	r.seen["ended "+a.reason.String()]++
}

// A hearing is what a client makes of what it got.
type hearing struct {
	events, beats, gaps, missed uint64
	end                         string // the reason it was told
}

// read reads what a client got. The error says what does not add up: each event follows
// the one before it, or a gap that says how many are missing. What is cut off at the
// end is left out.
func (r *schedule) read(wire string) (h hearing, err error) {
	blank := "\n\n"
	if r.words.Lines {
		blank = "\n"
	}
	var next uint64
	for {
		block, rest, whole := strings.Cut(wire, blank)
		if !whole {
			return h, nil
		}
		wire = rest
		var id, event, data string
		if r.words.Lines && block != "" {
			var line struct {
				ID, Event string
				Data      json.RawMessage
			}
			if err := json.Unmarshal([]byte(block), &line); err != nil {
				return h, fmt.Errorf("line %.80q: %w", block, err)
			}
			id, event, data = line.ID, line.Event, string(line.Data)
		}
		if !r.words.Lines {
			for line := range strings.SplitSeq(block, "\n") {
				name, value, _ := strings.Cut(line, ": ")
				switch name {
				case "id":
					id = value
				case "event":
					event = value
				case "data":
					data += value
				}
			}
			if strings.HasPrefix(block, "retry: ") || strings.HasPrefix(block, ": ") || block == "id: "+id {
				continue // opening words
			}
		}
		var told struct {
			Reason string
			Missed uint64
		}
		if strings.HasPrefix(event, "stream.") {
			json.Unmarshal([]byte(data), &told)
		}
		seq, _, _ := strings.Cut(id, ".")
		at, _ := strconv.ParseUint(seq, 10, 64)
		switch event {
		case "stream.gap":
			h.gaps++
			h.missed += told.Missed
			if next != 0 && at+1 != next+told.Missed {
				return h, fmt.Errorf("a gap of %d events after event %d ends at %s", told.Missed, next-1, id)
			}
			next = at + 1
		case "stream.complete":
			h.end = "complete"
		case "stream.error":
			h.end = "error"
		case "stream.bye":
			h.end = told.Reason
		default:
			if id == "" {
				h.beats++
				continue
			}
			h.events++
			if next != 0 && at != next {
				return h, fmt.Errorf("event %s comes where event %d is next", id, next)
			}
			next = at + 1
		}
		if h.end != "" && wire != "" {
			return h, fmt.Errorf("%q follows the last words", wire)
		}
	}
}

func (r *schedule) compareRoutes() {
	a, b := r.routes[0], r.routes[1]
	var gaps uint64
	for _, n := range a.Gaps() {
		gaps += n
	}
	// What is cut off in the middle has been counted, and not been heard.
	got := hearing{events: a.Events.Load(), beats: a.Beats.Load(), gaps: gaps, missed: a.Missed.Load()}
	if got.events != r.heard.events || got.beats < r.heard.beats || got.gaps < r.heard.gaps || got.missed < r.heard.missed ||
		r.whole() && got != r.heard {
		r.t.Errorf("the route counts %+v, its clients heard %+v", got, r.heard)
	}
	for _, count := range []struct {
		what string
		a, b uint64
	}{
		{"events", a.Events.Load(), b.Events.Load()},
		{"events replayed", a.Replayed.Load(), b.Replayed.Load()},
		{"events missed", a.Missed.Load(), b.Missed.Load()},
		{"bytes", a.Bytes.Load(), b.Bytes.Load()},
		{"heartbeats", a.Beats.Load(), b.Beats.Load()},
	} {
		if count.a != count.b {
			r.t.Errorf("%d %s counted by the blocking driver, %d by the shard", count.a, count.what, count.b)
		}
	}
	if !maps.Equal(a.Gaps(), b.Gaps()) {
		r.t.Errorf("gaps %v by the blocking driver, %v by the shard", a.Gaps(), b.Gaps())
	}
	for reason := range session.Reasons {
		x, _, _ := a.Ended[reason].Snapshot()
		y, _, _ := b.Ended[reason].Snapshot()
		if x != y {
			r.t.Errorf("%d streams ended by %v counted by the blocking driver, %d by the shard", x, session.Reason(reason), y)
		}
	}
	if len(a.Gaps()) > 0 {
		r.seen["gap"]++
	}
	if a.Beats.Load() > 0 {
		r.seen["beats"]++
	}
}
