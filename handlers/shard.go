package handlers

import (
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// sockets is what a shard writes to and waits for: a [socket.Set], or a network
// in memory in tests.
type sockets interface {
	Add(fd int, token uint64) error
	Arm(fd int, token uint64) error
	Wait(dst []socket.Event) (n int, err error)
	Stop()
	Send(fd int, b []byte) (n int, err error)
	Broken(fd int) error
	Close(fd int, reset bool)
}

const (
	// chunk is how many connections are written to before others have their turn:
	// other topics, connections that come and go, and the rest of the process.
	chunk = 128
	// Looks at all connections, for deadlines, are sweepGap apart, and a sweepCost for
	// each connection. A deadline is kept exactly unless another one was due just
	// before it: so it may be late by 0.1 s where there are 100,000.
	sweepGap  = int64(10 * time.Millisecond)
	sweepCost = int64(time.Microsecond)
	// eternity is a time that does not come.
	eternity = int64(math.MaxInt64)
)

// A shard serves the connections that it was handed: it knows of each a
// descriptor and a place in a topic, and one goroutine, its loop, writes to all
// of them without ever waiting for one. A second goroutine waits for sockets
// that take bytes again or are gone, and one for each topic for its events;
// both only tell the loop. All of them run while there are connections.
//
// The loop alone touches what is below its line, and groups and their
// connections. Times are nanoseconds since base.
type shard struct {
	srv     *Server
	open    func() (sockets, error)
	pace    int64
	wake    chan struct{} // has room for one
	running sync.WaitGroup

	mu       sync.Mutex
	looping  bool
	expected int      // connections that are about to be handed over
	inbox    []func() // for the loop to call
	hot      []*group // with something new

	// The loop's own.
	set    sockets
	base   time.Time
	now    int64
	ready  chan []socket.Event
	quit   chan struct{}
	polls  sync.WaitGroup
	groups map[groupKey]*group
	ids    map[uint32]*group
	lastID uint32
	active []*group // with a pass that is due or under way
	due    int64    // no deadline and no heartbeat is before this
	sweeps int64    // when all may be looked at again
	timer  *time.Timer
	rings  int64 // when the timer does

	deserted bool // a group has no connections any more
}

type groupKey struct {
	handler *Handler
	route   *route
}

func newShard(srv *Server, open func() (sockets, error)) *shard {
	return &shard{srv: srv, open: open, pace: int64(srv.cfg.Pace), wake: make(chan struct{}, 1)}
}

// expect has the shard run, and wait for one connection: [shard.join] or
// [shard.forget] is to follow.
func (s *shard) expect() error {
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

// start starts the goroutines. The caller holds mu.
func (s *shard) start(set sockets) {
	s.looping = true
	s.set = set
	s.base = time.Now()
	s.ready, s.quit = make(chan []socket.Event), make(chan struct{})
	s.groups, s.ids = make(map[groupKey]*group), make(map[uint32]*group)
	s.due, s.sweeps = eternity, 0
	s.polls.Go(s.poll)
	s.running.Go(s.loop)
}

// post has the loop call f, if it runs.
func (s *shard) post(f func()) {
	s.mu.Lock()
	if s.looping {
		s.inbox = append(s.inbox, f)
	}
	s.mu.Unlock()
	s.poke()
}

func (s *shard) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// forget takes back what was expected.
func (s *shard) forget() { s.post(func() { s.arrived() }) }

func (s *shard) arrived() {
	s.mu.Lock()
	s.expected--
	s.mu.Unlock()
}

// join hands a connection over: that of st, which is at place. The stream is to
// end at expires unless that is zero.
func (s *shard) join(h *Handler, st *stream, place hub.Place, fd int, expires time.Time) {
	s.post(func() {
		s.arrived()
		c := conn{st: st, place: place, fd: int32(fd), expires: eternity}
		if !expires.IsZero() {
			c.expires = int64(expires.Sub(s.base))
		}
		s.group(h, st.route).add(c)
	})
}

// stop has the stream end because the server is draining.
func (s *shard) stop(st *stream) {
	s.post(func() {
		if st.group != nil {
			st.group.stop(st.slot)
		}
	})
}

func (s *shard) clock() int64 { return int64(time.Since(s.base)) }

// later is d after t, which may be never.
func later(t, d int64) int64 {
	if d > eternity-t {
		return eternity
	}
	return t + d
}

// lags adds to lags how far the stream furthest behind is, for each route.
func (s *shard) lags(lags map[*route]uint64) {
	done := make(chan struct{})
	s.mu.Lock()
	if !s.looping {
		s.mu.Unlock()
		return
	}
	s.inbox = append(s.inbox, func() {
		defer close(done)
		for _, g := range s.groups {
			lags[g.route] = max(lags[g.route], g.lag())
		}
	})
	s.mu.Unlock()
	s.poke()
	<-done
}

// heat has the loop look at what is new for g.
func (s *shard) heat(g *group) {
	s.mu.Lock()
	if !g.hot {
		g.hot = true
		s.hot = append(s.hot, g)
	}
	s.mu.Unlock()
	s.poke()
}

// poll waits for sockets on behalf of the loop.
func (s *shard) poll() {
	var buffers [2][]socket.Event
	for i := range buffers {
		buffers[i] = make([]socket.Event, 256)
	}
	for i := 0; ; i = 1 - i {
		// The loop is through with a buffer when it takes the other one.
		n, err := s.set.Wait(buffers[i])
		if err != nil {
			if err != socket.ErrStopped {
				s.srv.cfg.Logger.Error("handlers: sockets can no longer be waited for", "error", err)
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

func (s *shard) loop() {
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
			s.told(events)
		default:
			runtime.Gosched()
		}
	}
}

// receive takes what others have left for the loop.
func (s *shard) receive() {
	s.mu.Lock()
	inbox, hot := s.inbox, s.hot
	s.inbox, s.hot = nil, nil
	for _, g := range hot {
		g.hot = false
	}
	s.mu.Unlock()
	s.now = s.clock()
	for _, g := range hot {
		g.news = true
		g.activate()
	}
	for _, f := range inbox {
		f()
	}
}

// halt stops everything if there is no connection, and none to come.
func (s *shard) halt() bool {
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
	s.hot, s.active, s.groups, s.ids = nil, nil, nil, nil
	return true
}

// passes does a chunk of each pass that is due, and reports whether there was one.
func (s *shard) passes() (worked bool) {
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
	s.bury()
	return worked
}

// bury removes the groups that have no connections any more.
func (s *shard) bury() {
	if !s.deserted {
		return
	}
	s.deserted = false
	for key, g := range s.groups {
		if g.live == 0 {
			delete(s.groups, key)
			delete(s.ids, g.id)
			g.unwatch()
			g.watcher.Wait()
		}
	}
}

// told hands on what the sockets have to say.
func (s *shard) told(events []socket.Event) {
	s.now = s.clock()
	for _, ev := range events {
		if g := s.ids[groupOf(ev.Token)]; g != nil {
			g.told(ev)
		}
	}
}

// by has a sweep at t.
func (s *shard) by(t int64) { s.due = min(s.due, t) }

// sweep looks at all connections when something may be due.
func (s *shard) sweep() {
	if s.now < s.due || s.now < s.sweeps {
		return
	}
	s.due = eternity
	slots := 0
	for _, g := range s.groups {
		slots += len(g.conns)
		g.sweep()
	}
	s.sweeps = s.now + max(sweepGap, int64(slots)*sweepCost)
	s.bury()
}

// sleep waits until there is something to do.
func (s *shard) sleep() {
	until := eternity
	if s.due < eternity {
		until = max(s.due, s.sweeps)
	}
	for _, g := range s.active {
		if g.beat {
			return // which does not rest
		}
		until = min(until, g.rests)
	}
	var due <-chan time.Time
	if until < eternity {
		d := time.Duration(until - s.clock())
		if d <= 0 {
			return
		}
		switch {
		case s.timer == nil:
			s.timer = time.NewTimer(d)
			s.rings = until
		case until < s.rings || s.rings <= s.now: // else it wakes the loop early, and is set then
			s.timer.Reset(d)
			s.rings = until
		}
		due = s.timer.C
	}
	select {
	case <-s.wake:
	case events := <-s.ready:
		s.told(events)
	case <-due:
	}
}

// group returns the group of the streams that h serves on a route.
func (s *shard) group(h *Handler, r *route) *group {
	key := groupKey{h, r}
	g := s.groups[key]
	if g == nil {
		g = &group{
			shard:     s,
			id:        s.newID(),
			route:     r,
			feed:      h.feed,
			walk:      h.feed.Walk(h.policy),
			next:      none,
			heartbeat: int64(h.heartbeat(answer.EventStream)),
			timeout:   int64(s.srv.cfg.WriteTimeout),
			quiet:     s.now,
		}
		s.groups[key], s.ids[g.id] = g, g
		ctx, cancel := context.WithCancel(context.Background())
		g.unwatch = cancel
		g.watcher.Go(func() { h.feed.Watch(ctx, func() { s.heat(g) }) })
		if g.heartbeat > 0 {
			s.by(later(g.quiet, g.heartbeat))
		}
	}
	return g
}

// newID returns a number that no group has: they begin anew some day.
func (s *shard) newID() uint32 {
	for {
		s.lastID = (s.lastID + 1) & idMask
		if s.ids[s.lastID] == nil {
			return s.lastID
		}
	}
}

var _ sockets = (*kernel)(nil)

// kernel is the operating system's sockets.
type kernel struct{ *socket.Set }

func (kernel) Send(fd int, b []byte) (int, error) { return socket.Send(fd, b) }
func (kernel) Broken(fd int) error                { return socket.Broken(fd) }
func (kernel) Close(fd int, reset bool)           { socket.Close(fd, reset) }

func openKernel() (sockets, error) {
	set, err := socket.NewSet()
	return kernel{set}, err
}
