package carry

import (
	"context"
	"sync"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// A conn is one connection of a [group]: the session and the socket of an open [Stream].
// There are very many, so it is small.
type conn struct {
	s     session.Session
	st    *Stream // nil: the slot is free
	fd    int32
	gen   uint16 // differs between the connections of one slot
	armed bool   // has been full: the set reports when its socket takes bytes again
}

// Group is what the connections of a handler's streams have in common on a [Shard].
type Group struct {
	Plan      *session.Plan
	Reader    reading.Reader
	Heartbeat int64 // 0 means no heartbeats
}

// A group is the connections of a [Shard] that read one topic by one handler. Only the
// shard's loop may touch it. A pass goes over all connections and writes what is pending.
type group struct {
	shard  *Shard
	id     uint32
	route  *Route
	reader reading.Reader
	pass   session.Pass
	round  session.Round

	conns []conn // by slot; some are free
	free  []uint32
	live  int

	queued   bool // in shard.news, guarded by shard.mu
	active   bool // in shard.active
	sent     bool // the pass under way has written something
	next     int  // the connection with which the pass under way resumes, or none
	unwatch  context.CancelFunc
	watching sync.WaitGroup
}

const none = -1

// MaxTurn is how many bytes a pass sends to one connection before it serves the others.
const MaxTurn = 256 << 10

// A token identifies a connection in a socket event: 24 bits of group, 16 of
// generation, 24 of slot.
const idMask = 1<<24 - 1

func (g *group) token(slot uint32) uint64 {
	return uint64(g.id)<<40 | uint64(g.conns[slot].gen)<<24 | uint64(slot)
}

func groupOf(token uint64) uint32 { return uint32(token >> 40) }

// add adds a connection to the group and serves it.
func (g *group) add(c conn) {
	var slot uint32
	if n := len(g.free); n > 0 {
		slot, g.free = g.free[n-1], g.free[:n-1]
		c.gen = g.conns[slot].gen
		g.conns[slot] = c
	} else {
		slot = uint32(len(g.conns))
		g.conns = append(g.conns, c)
	}
	g.live++
	c.st.slot = slot
	c.st.carriedBy(g)
	g.shard.by(c.s.Due())
	if err := g.shard.set.Add(int(c.fd), g.token(slot)); err != nil {
		g.broken(slot, err)
		return
	}
	g.pass.Now = g.shard.now
	g.serve(slot) // what has come since the session was handed over
	g.count()
}

// activate schedules a pass.
func (g *group) activate() {
	if !g.active && g.live > 0 {
		g.active = true
		g.shard.active = append(g.shard.active, g)
	}
}

// pending reports whether a pass is due or under way.
func (g *group) pending() bool {
	return g.round.Running() || g.round.Wanted() || g.round.BeatDue() <= g.shard.now
}

// step does a part of the pass that is due or under way. It returns false if it is too
// early for the next pass.
func (g *group) step() bool {
	s := g.shard
	if !g.round.Running() {
		if g.round.Due() > s.now {
			return false
		}
		g.round.Start(s.now)
		g.sent, g.pass.Many = false, false
		g.pass.Refresh()
		g.next = len(g.conns) - 1
	}
	g.pass.Now = s.now
	// From the end to the beginning: a connection that is added now has been served already.
	stop := max(g.next-chunk, none)
	for ; g.next > stop; g.next-- {
		c := &g.conns[g.next]
		if c.st == nil || c.s.Full() {
			continue
		}
		before := g.pass.Bytes
		g.serve(uint32(g.next))
		if g.round.Beats() && g.pass.Bytes == before && c.st != nil {
			g.beat(uint32(g.next))
		}
	}
	g.count()
	if g.next == none {
		g.done()
	}
	return true
}

// done ends a pass.
func (g *group) done() {
	s := g.shard
	s.now = s.clock()
	g.round.Done(s.now, g.sent, g.pass.Many)
	s.by(g.round.BeatDue())
	g.pass.Refresh() // release the part of the window that the pass has read
}

// count adds what was sent to the route's counters.
func (g *group) count() {
	if g.pass.Bytes > 0 {
		g.sent = true
		g.route.settle(&g.pass)
	}
}

// serve writes what [session.Session.Next] returns, until there is no more, the client is
// full or has had its turn, or the stream has ended.
func (g *group) serve(slot uint32) {
	c, s := &g.conns[slot], g.shard
	for turn := MaxTurn; ; {
		b := c.s.Next(&g.pass)
		if len(b) == 0 {
			break
		}
		n, err := s.set.Send(int(c.fd), b)
		more := c.s.Took(&g.pass, n)
		if err != nil {
			g.blocked(slot, err)
			return
		}
		if !more {
			return
		}
		if turn -= n; turn <= 0 {
			g.round.More()
			g.activate()
			return
		}
	}
	if c.s.State() == session.Ended {
		g.drop(slot, nil)
	}
}

// blocked handles the error of a write: the client is full, or gone.
func (g *group) blocked(slot uint32, err error) {
	c, s := &g.conns[slot], g.shard
	if err != socket.ErrFull {
		g.lost(slot, err)
		return
	}
	s.by(c.s.Due())
	if !c.armed {
		c.armed = true
		if err := s.set.Arm(int(c.fd), g.token(slot)); err != nil {
			g.broken(slot, err)
		}
	}
}

// beat sends a heartbeat to a connection for which nothing is pending.
func (g *group) beat(slot uint32) {
	c := &g.conns[slot]
	b := c.s.Beat(&g.pass)
	if len(b) == 0 {
		return
	}
	n, err := g.shard.set.Send(int(c.fd), b)
	c.s.Took(&g.pass, n)
	if err != nil && (err != socket.ErrFull || c.s.Full()) {
		g.blocked(slot, err)
	}
}

// drain implements driver.
func (g *group) drain(st *Stream) { g.leave(st, session.Shutdown) }

// revoke implements driver.
func (g *group) revoke(st *Stream) { g.leave(st, session.Grant) }

// fast implements driver.
func (g *group) fast() bool { return true }

// leave has the loop end a stream for a reason that is not the topic's.
func (g *group) leave(st *Stream, reason session.Reason) {
	g.shard.post(func() {
		c := &g.conns[st.slot]
		if c.st != st {
			return // it has ended
		}
		g.pass.Now = g.shard.now
		if reason == session.Shutdown {
			c.s.Drain(&g.pass)
		} else {
			c.s.Leave(&g.pass, reason, nil)
		}
		g.decided(st.slot)
	})
}

// decided sends the last words of a session whose end was decided, or closes its
// connection if it has ended.
func (g *group) decided(slot uint32) {
	c := &g.conns[slot]
	g.shard.by(c.s.Due())
	switch {
	case c.s.State() == session.Ended:
		g.drop(slot, nil)
	case !c.s.Full():
		g.serve(slot)
	}
	g.count()
}

// handle processes one socket event.
func (g *group) handle(ev socket.Event) {
	slot, gen := uint32(ev.Token&idMask), uint16(ev.Token>>24)
	if int(slot) >= len(g.conns) {
		return
	}
	c := &g.conns[slot]
	g.pass.Now = g.shard.now
	switch {
	case c.st == nil || c.gen != gen:
	case ev.Gone:
		g.lost(slot, g.shard.set.Broken(int(c.fd)))
	case ev.Writable && c.s.Full():
		g.serve(slot)
		g.count()
	}
}

// lost ends a connection that the client has closed, or that is broken.
func (g *group) lost(slot uint32, err error) {
	g.conns[slot].s.Gone(socket.TimedOut(err))
	g.drop(slot, err)
}

// broken ends a connection that the system refuses to serve.
func (g *group) broken(slot uint32, err error) {
	g.pass.Now = g.shard.now
	c := &g.conns[slot]
	c.s.Gone(false)
	g.close(slot, session.Error, err, true)
}

// drop closes a connection whose session has ended, and records the end of its stream.
func (g *group) drop(slot uint32, err error) {
	reason, abort := g.conns[slot].s.End()
	if reason == session.Error {
		err = g.pass.Failure
	}
	g.close(slot, reason, err, abort)
}

func (g *group) close(slot uint32, reason session.Reason, err error, reset bool) {
	c := &g.conns[slot]
	g.shard.set.Close(int(c.fd), reset)
	g.reader.Leave()
	g.count()
	st := c.st
	st.events, st.bytes = c.s.Counts()
	*c = conn{gen: c.gen + 1}
	g.free = append(g.free, slot)
	if g.live--; g.live == 0 {
		g.shard.emptied = true
	}
	st.End(reason, err)
}

// sweep ends the sessions whose deadlines have passed.
func (g *group) sweep() {
	s := g.shard
	g.pass.Now = s.now
	for slot := range uint32(len(g.conns)) {
		c := &g.conns[slot]
		if c.st == nil {
			continue
		}
		if c.s.Due() <= s.now {
			c.s.Tick(&g.pass)
			g.decided(slot)
		}
		if c.st != nil {
			s.by(c.s.Due())
		}
	}
	if g.live == 0 {
		return
	}
	if due := g.round.BeatDue(); due > s.now {
		s.by(due)
	} else if !g.round.Running() { // else done looks at the heartbeat when the pass ends
		g.activate()
	}
}

// lag returns how many events of the topic the connection furthest behind has not got.
func (g *group) lag() uint64 {
	end := g.reader.Newest()
	least := end
	for i := range g.conns {
		if c := &g.conns[i]; c.st != nil {
			least = min(least, c.s.Spot().At-c.s.Unsent())
		}
	}
	return end - least
}
