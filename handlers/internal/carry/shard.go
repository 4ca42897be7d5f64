package carry

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// Sockets is what a shard writes to and waits for: a [socket.Set], or a network in
// memory in tests.
type Sockets interface {
	Add(fd int, token uint64) error
	Arm(fd int, token uint64) error
	Wait(dst []socket.Event) (n int, err error)
	Stop()
	Send(fd int, b []byte) (n int, err error)
	Broken(fd int) error
	Close(fd int, reset bool)
}

const (
	// chunk is how many connections a pass writes to before the loop serves other topics,
	// new and closed connections, and the rest of the process gets to run.
	chunk = 128
	// Sweeps look at the deadlines of all connections. They are at least sweepGap apart, and
	// at least sweepCost for each connection. A deadline is late only if a sweep has run
	// just before it: by up to 0.1 s where there are 100,000 connections.
	sweepGap  = int64(10 * time.Millisecond)
	sweepCost = int64(time.Microsecond)
)

// A Shard serves the connections that were handed over to it. It has a descriptor and a
// [session.Session] of each. One goroutine, its loop, writes to all of them and never
// waits for one. A second goroutine waits for sockets that take bytes again or are
// closed, and one for each group for new events; they only signal the loop. All of them
// run while there are connections.
//
// Only the loop may use the fields below "The loop's own", groups and connections.
// Times are nanoseconds after base.
type Shard struct {
	logger  *slog.Logger
	open    func() (Sockets, error)
	pace    int64
	base    time.Time
	wake    chan struct{} // has room for one
	running sync.WaitGroup

	mu       sync.Mutex
	looping  bool
	expected int      // connections that are about to be handed over
	inbox    []func() // the loop calls them
	news     []*group // with new events

	// The loop's own.
	set    Sockets
	now    int64
	ready  chan []socket.Event
	quit   chan struct{}
	polls  sync.WaitGroup
	groups map[groupKey]*group
	ids    map[uint32]*group
	lastID uint32
	active []*group // whose pass is due or under way
	due    int64    // no deadline and no heartbeat is before this
	sweeps int64    // no sweep before this
	timer  *time.Timer
	rings  int64 // when the timer fires

	emptied bool // a group has lost its last connection
}

type groupKey struct {
	handler any
	route   *Route
}

// NewShard returns a shard whose passes are pace apart. It calls open for its sockets when
// the first slot is reserved. The times of the sessions count from base.
func NewShard(logger *slog.Logger, base time.Time, pace time.Duration, open func() (Sockets, error)) *Shard {
	return &Shard{logger: logger, open: open, pace: int64(pace), base: base, wake: make(chan struct{}, 1)}
}

// Expect starts the shard if needed and reserves a slot: [Shard.Join] or [Shard.Forget]
// must follow.
func (s *Shard) Expect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.looping {
		set, err := s.open()
		if err != nil {
			return err
		}
		s.start(set)
	}
	s.expected++
	return nil
}

// Wait waits until the shard has stopped, which it does when its last connection has
// ended.
func (s *Shard) Wait() { s.running.Wait() }

// start starts the goroutines. The caller holds mu.
func (s *Shard) start(set Sockets) {
	s.looping = true
	s.set = set
	s.ready, s.quit = make(chan []socket.Event), make(chan struct{})
	s.groups, s.ids = make(map[groupKey]*group), make(map[uint32]*group)
	s.due, s.sweeps = session.Never, 0
	s.polls.Go(s.poll)
	s.running.Go(s.loop)
}

// post makes the loop call f, if the loop runs.
func (s *Shard) post(f func()) {
	s.mu.Lock()
	if s.looping {
		s.inbox = append(s.inbox, f)
	}
	s.mu.Unlock()
	s.poke()
}

// ask has the loop call f and waits for that. It returns false if the shard is stopped.
func (s *Shard) ask(f func()) bool {
	done := make(chan struct{})
	s.mu.Lock()
	if !s.looping {
		s.mu.Unlock()
		return false
	}
	s.inbox = append(s.inbox, func() {
		defer close(done)
		f()
	})
	s.mu.Unlock()
	s.poke()
	<-done
	return true
}

func (s *Shard) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Forget gives a reserved slot back.
func (s *Shard) Forget() { s.post(func() { s.arrived() }) }

func (s *Shard) arrived() {
	s.mu.Lock()
	s.expected--
	s.mu.Unlock()
}

// Join hands a connection over, with the session of its stream. The streams of one handler
// on one route make a group, which open opens.
func (s *Shard) Join(handler any, open func() Group, st *Stream, in session.Session, fd int) {
	st.carriedBy(s)
	s.post(func() {
		s.arrived()
		s.group(handler, open, st.Route).add(conn{s: in, st: st, fd: int32(fd)})
	})
}

// drain and revoke implement driver for a stream that is on its way to its group, which
// ends it when it gets there.
func (s *Shard) drain(*Stream)  {}
func (s *Shard) revoke(*Stream) {}

func (s *Shard) fast() bool { return true }

func (s *Shard) clock() int64 { return int64(time.Since(s.base)) }

// Lags raises lags, for each route, to how many events its slowest stream is behind.
func (s *Shard) Lags(lags map[*Route]uint64) {
	s.ask(func() {
		for _, g := range s.groups {
			lags[g.route] = max(lags[g.route], g.lag())
		}
	})
}

// changed queues g for the next pass.
func (s *Shard) changed(g *group) {
	s.mu.Lock()
	if !g.queued {
		g.queued = true
		s.news = append(s.news, g)
	}
	s.mu.Unlock()
	s.poke()
}

// poll waits for sockets on behalf of the loop.
func (s *Shard) poll() {
	var buffers [2][]socket.Event
	for i := range buffers {
		buffers[i] = make([]socket.Event, 256)
	}
	for i := 0; ; i = 1 - i {
		// The loop has finished with a buffer when it takes the other one.
		n, err := s.set.Wait(buffers[i])
		if err != nil {
			if err != socket.ErrStopped {
				s.logger.Error("handlers: sockets can no longer be waited for", "error", err)
			}
			return
		}
		select {
		case s.ready <- buffers[i][:n]:
		case <-s.quit:
			return
		}
	}
}

func (s *Shard) loop() {
	for {
		s.receive()
		s.now = s.clock()
		worked := s.passes()
		s.sweep()
		if !worked {
			if s.halt() {
				return
			}
			s.sleep()
			continue
		}
		select {
		case events := <-s.ready:
			s.handle(events)
		default:
			runtime.Gosched()
		}
	}
}

// receive processes what other goroutines have queued for the loop.
func (s *Shard) receive() {
	s.mu.Lock()
	inbox, news := s.inbox, s.news
	s.inbox, s.news = nil, nil
	for _, g := range news {
		g.queued = false
	}
	s.mu.Unlock()
	s.now = s.clock()
	for _, g := range news {
		g.round.News()
		g.activate()
	}
	for _, f := range inbox {
		f()
	}
}

// halt stops the shard if there are no connections and no reserved slots.
func (s *Shard) halt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.inbox) > 0 || s.expected > 0 || len(s.groups) > 0 {
		return false
	}
	s.looping = false
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	close(s.quit)
	s.set.Stop()
	s.polls.Wait()
	s.news, s.active, s.groups, s.ids = nil, nil, nil, nil
	return true
}

// passes does a chunk of each pass that is due, and reports whether there was one.
func (s *Shard) passes() (worked bool) {
	kept := s.active[:0]
	for _, g := range s.active {
		if g.live > 0 && g.step() {
			worked = true
		}
		if g.live > 0 && g.pending() {
			kept = append(kept, g)
		} else {
			g.active = false
		}
	}
	clear(s.active[len(kept):])
	s.active = kept
	s.removeEmpty()
	return worked
}

// removeEmpty removes the groups that have no connections any more.
func (s *Shard) removeEmpty() {
	if !s.emptied {
		return
	}
	s.emptied = false
	for key, g := range s.groups {
		if g.live == 0 {
			delete(s.groups, key)
			delete(s.ids, g.id)
			g.unwatch()
			g.watching.Wait()
		}
	}
}

// handle processes socket events.
func (s *Shard) handle(events []socket.Event) {
	s.now = s.clock()
	for _, ev := range events {
		if g := s.ids[groupOf(ev.Token)]; g != nil {
			g.handle(ev)
		}
	}
}

// by schedules a sweep no later than t.
func (s *Shard) by(t int64) { s.due = min(s.due, t) }

// sweep looks at the deadlines of all connections, if one may be due.
func (s *Shard) sweep() {
	if s.now < s.due || s.now < s.sweeps {
		return
	}
	s.due = session.Never
	slots := 0
	for _, g := range s.groups {
		slots += len(g.conns)
		g.sweep()
	}
	s.sweeps = s.now + max(sweepGap, int64(slots)*sweepCost)
	s.removeEmpty()
}

// sleep waits until there is something to do.
func (s *Shard) sleep() {
	until := session.Never
	if s.due < session.Never {
		until = max(s.due, s.sweeps)
	}
	for _, g := range s.active {
		until = min(until, g.round.Due())
	}
	var due <-chan time.Time
	if until < session.Never {
		d := time.Duration(until - s.clock())
		if d <= 0 {
			return
		}
		switch {
		case s.timer == nil:
			s.timer = time.NewTimer(d)
			s.rings = until
		case until < s.rings || s.rings <= s.now: // else it wakes the loop earlier, which sets it again
			s.timer.Reset(d)
			s.rings = until
		}
		due = s.timer.C
	}
	select {
	case <-s.wake:
	case events := <-s.ready:
		s.handle(events)
	case <-due:
	}
}

// group returns the group of a handler's streams on a route.
func (s *Shard) group(handler any, open func() Group, r *Route) *group {
	key := groupKey{handler, r}
	g := s.groups[key]
	if g != nil {
		return g
	}
	made := open()
	g = &group{shard: s, id: s.newID(), route: r, reader: made.Reader, next: none}
	g.pass = session.Pass{Plan: made.Plan, Source: made.Reader, Gap: r.Gap}
	g.round = session.Round{Pace: s.pace, Beat: made.Heartbeat}
	g.round.Reset(s.now)
	s.groups[key], s.ids[g.id] = g, g
	ctx, cancel := context.WithCancel(context.Background())
	g.unwatch = cancel
	g.watching.Go(func() { made.Reader.Watch(ctx, func() { s.changed(g) }) })
	s.by(g.round.BeatDue())
	return g
}

// newID returns a number that no group has. The numbers wrap around.
func (s *Shard) newID() uint32 {
	for {
		s.lastID = (s.lastID + 1) & idMask
		if s.ids[s.lastID] == nil {
			return s.lastID
		}
	}
}

var _ Sockets = (*kernel)(nil)

// kernel is the operating system's sockets.
type kernel struct{ *socket.Set }

func (kernel) Send(fd int, b []byte) (int, error) { return socket.Send(fd, b) }
func (kernel) Broken(fd int) error                { return socket.Broken(fd) }
func (kernel) Close(fd int, reset bool)           { socket.Close(fd, reset) }

// OpenKernel opens the operating system's sockets.
func OpenKernel() (Sockets, error) {
	set, err := socket.NewSet()
	return kernel{set}, err
}
