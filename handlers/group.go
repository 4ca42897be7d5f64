package handlers

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// A conn is one connection of a [group]: all that is kept of an open stream
// beside its [stream]. There are very many.
type conn struct {
	st      *stream // nil: the slot is free
	place   hub.Place
	aside   *aside
	expires int64  // when the stream is to end
	stalls  int64  // when the connection is given up, if it is parked
	start   uint64 // place.Next() less the events that were sent
	bytes   uint64
	fd      int32
	gen     uint16 // tells the slot's connections from each other
	parked  bool   // full: nothing is written until it takes bytes again
	armed   bool   // has been full: its socket tells when it is not
}

// An aside is what is sent to one connection alone, before the next event.
type aside struct {
	rest   []byte
	ending bool // rest is the last that is sent
	hurry  bool // the server is draining
	reason Reason
	cause  error
}

// A group is the connections of a [shard] that read one topic by one handler. It
// is the loop's. A pass goes over all connections and writes what is pending.
type group struct {
	shard *shard
	id    uint32
	route *route
	feed  *hub.Feed
	walk  *hub.Walk

	conns []conn // of which some are free
	free  []uint32
	live  int

	hot    bool  // shard.mu: is among what is hot
	news   bool  // something has come for everybody since the last pass began
	fresh  bool  // the pass under way has that
	active bool  // is among what is active
	again  bool  // another pass is due after the one under way
	beat   bool  // the pass under way sends a heartbeat to who gets nothing else
	moved  bool  // the pass under way has sent something
	many   bool  // of which there was more than one event at a time
	began  int64 // when the pass under way began
	next   int   // the connection that the pass under way goes on with, or none
	rests  int64 // when the next pass may be, unless it is a beat
	quiet  int64 // when everybody was sent something who could be

	heartbeat, timeout int64 // heartbeat 0 is none

	events, bytes, beats uint64 // not yet counted

	unwatch context.CancelFunc
	watcher sync.WaitGroup
}

const none = -1

// maxTurn is how much is sent to one connection before others have their turn.
const maxTurn = 256 << 10

// A token is what sockets tell of a connection by: 24 bits of group, 16 of
// generation, 24 of slot.
const idMask = 1<<24 - 1

func (g *group) token(slot uint32) uint64 {
	return uint64(g.id)<<40 | uint64(g.conns[slot].gen)<<24 | uint64(slot)
}

func groupOf(token uint64) uint32 { return uint32(token >> 40) }

// add takes a connection in.
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
	in := &g.conns[slot]
	in.start = in.place.Next()
	in.st.group, in.st.slot = g, slot
	if in.expires < eternity {
		g.shard.by(in.expires)
	}
	if err := g.shard.set.Add(int(in.fd), g.token(slot)); err != nil {
		g.drop(slot, Failed, err, true)
		return
	}
	g.serve(slot) // what has come since the place was taken
	g.count()
}

// activate has a pass made.
func (g *group) activate() {
	g.again = true
	if !g.active && g.live > 0 {
		g.active = true
		g.shard.active = append(g.shard.active, g)
	}
}

// pending reports whether a pass is due or under way.
func (g *group) pending() bool { return g.again || g.beat || g.next != none }

// step does a chunk of the pass that is due or under way. It returns false if
// that has to wait: passes are paced.
func (g *group) step() bool {
	if g.next == none {
		if !g.beat && g.shard.now < g.rests {
			return false
		}
		g.again, g.moved, g.many = false, false, false
		g.began = g.shard.now
		g.fresh, g.news = g.news, false
		g.walk.Refresh()
		g.next = len(g.conns) - 1
	}
	// From the end to the beginning: who is added now has been served already.
	stop := max(g.next-chunk, none)
	for ; g.next > stop; g.next-- {
		c := &g.conns[g.next]
		if c.st == nil || c.parked {
			continue
		}
		before := c.bytes
		g.serve(uint32(g.next))
		if g.beat && c.st != nil && c.bytes == before && !c.parked {
			g.sendBeat(uint32(g.next))
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
	switch {
	case g.many: // events come faster than they are sent: some more will be there soon
		g.rests = later(s.now, s.pace)
	case g.moved:
		g.rests = later(g.began, s.pace)
	}
	// A pass that goes on with one connection is none for the others.
	if g.beat || g.moved && g.fresh {
		g.quiet = s.now
	}
	g.beat = false
	if g.heartbeat > 0 {
		s.by(later(g.quiet, g.heartbeat))
	}
	g.walk.Refresh() // what the window drops meanwhile is not held
}

// count adds what was sent to the route's counters.
func (g *group) count() {
	if g.events+g.bytes+g.beats == 0 {
		return
	}
	g.route.events.Add(g.events)
	g.route.bytesCount.Add(g.bytes)
	g.route.heartbeats.Add(g.beats)
	g.events, g.bytes, g.beats = 0, 0, 0
	g.moved = true
}

// serve writes what is pending for a connection, until it has everything, is
// full, has had its turn, or has come to its end.
func (g *group) serve(slot uint32) {
	c := &g.conns[slot]
	for turn := maxTurn; turn > 0; {
		if c.aside != nil {
			if !g.sendAside(slot) {
				return
			}
			continue
		}
		b, last, err := g.walk.Pending(&c.place)
		if err != nil {
			g.over(slot, err)
			if c.st == nil {
				return
			}
			continue
		}
		if b.Gap != nil {
			g.route.gaps.add(b.Gap.Reason)
			g.route.missed.Add(*b.Gap.Missed)
			c.start += *b.Gap.Missed
			c.aside = &aside{rest: control{name: "stream.gap", id: b.Gap.ID, data: b.Gap}.append(nil, answer.EventStream)}
			continue
		}
		if b.Count == 0 {
			c.parked = false
			return
		}
		rest := c.place.Rest(b)
		if len(rest) > turn {
			rest = rest[:turn]
		}
		g.many = g.many || b.Count > 1
		n, err := g.send(slot, rest)
		if c.st == nil {
			return
		}
		g.events += uint64(c.place.Take(b, n))
		if err != nil {
			return
		}
		if turn -= n; last && c.place.Whole() {
			return
		}
	}
	g.activate() // there is more
}

// send writes b. At an error the connection is parked, or it is gone.
func (g *group) send(slot uint32, b []byte) (n int, err error) {
	c, s := &g.conns[slot], g.shard
	n, err = s.set.Send(int(c.fd), b)
	c.bytes += uint64(n)
	g.bytes += uint64(n)
	switch {
	case err == nil:
		c.parked = false
		return n, nil
	case err != socket.ErrFull:
		g.lost(slot, err)
		return n, err
	}
	if !c.parked || n > 0 {
		c.stalls = later(s.now, g.patience(c))
		s.by(c.stalls)
	}
	c.parked = true
	if !c.armed {
		c.armed = true
		if err := s.set.Arm(int(c.fd), g.token(slot)); err != nil {
			g.drop(slot, Failed, err, true)
			return n, err
		}
	}
	return n, err
}

// patience is how long a connection may take no bytes.
func (g *group) patience(c *conn) int64 {
	if c.aside != nil && c.aside.hurry {
		return min(g.timeout, int64(farewell))
	}
	return g.timeout
}

// sendAside writes what is meant for one connection alone, after the rest of an
// event that is half sent. It returns false when that is all for now.
func (g *group) sendAside(slot uint32) (more bool) {
	c := &g.conns[slot]
	if !c.place.Whole() {
		b, _, err := g.walk.Pending(&c.place)
		if err != nil { // its rest is no longer kept
			g.drop(slot, c.aside.outcome(Cut), c.aside.cause, true)
			return false
		}
		n, err := g.send(slot, c.place.RestOfEvent(b))
		if c.st == nil {
			return false
		}
		g.events += uint64(c.place.Take(b, n))
		if err != nil {
			return false
		}
	}
	n, err := g.send(slot, c.aside.rest)
	if c.st == nil {
		return false
	}
	c.aside.rest = c.aside.rest[n:]
	if err != nil {
		return false
	}
	if c.aside.ending {
		g.drop(slot, c.aside.reason, c.aside.cause, false)
		return false
	}
	c.aside = nil
	return true
}

// outcome is the reason that counts when a connection has ended by reason: why
// it was to end, if that had been decided.
func (a *aside) outcome(reason Reason) Reason {
	switch {
	case a == nil || !a.ending:
		return reason
	case a.hurry:
		return Drained
	case reason == Cut:
		return a.reason
	}
	return reason
}

// sendBeat sends a heartbeat to a connection for which nothing is pending.
func (g *group) sendBeat(slot uint32) {
	c := &g.conns[slot]
	n, err := g.send(slot, heartbeat)
	switch {
	case c.st == nil:
	case n > 0:
		g.beats++
		if n < len(heartbeat) {
			c.aside = &aside{rest: heartbeat[n:]}
		}
	case err != nil:
		c.parked = false // nobody waits for it
	}
}

var heartbeat = []byte(":\n\n")

// over begins the end of a connection whose topic has nothing more for it.
func (g *group) over(slot uint32, err error) {
	c := &g.conns[slot]
	switch {
	case errors.Is(err, io.EOF):
		g.leave(slot, Completed, nil)
	case errors.Is(err, hub.ErrCut) && !c.place.Whole():
		g.drop(slot, Cut, nil, true) // it has half an event, and nobody the other half
	case errors.Is(err, hub.ErrCut):
		g.leave(slot, Cut, nil)
	case errors.Is(err, hub.ErrClosed):
		g.leave(slot, Drained, nil)
	default:
		g.leave(slot, Failed, err)
	}
}

// leave has the end of its stream told to a connection, before anything else.
func (g *group) leave(slot uint32, reason Reason, cause error) {
	c := &g.conns[slot]
	a := &aside{ending: true, hurry: reason == Drained, reason: reason, cause: cause}
	if c.aside != nil {
		a.rest = c.aside.rest // which may be half sent
	}
	a.rest = c.st.lastWord(reason, cause).append(a.rest[:len(a.rest):len(a.rest)], answer.EventStream)
	c.aside = a
	if c.parked {
		c.stalls = min(c.stalls, later(g.shard.now, g.patience(c)))
		g.shard.by(c.stalls)
	}
}

// stop ends a stream because the server is draining.
func (g *group) stop(slot uint32) {
	c := &g.conns[slot]
	if c.aside != nil && c.aside.ending { // it is late as it is, and has been told
		c.aside.hurry = true
		c.stalls = min(c.stalls, later(g.shard.now, g.patience(c)))
		g.shard.by(c.stalls)
		return
	}
	g.end(slot, Drained)
}

// end ends a stream for a reason that is not the topic's.
func (g *group) end(slot uint32, reason Reason) {
	c := &g.conns[slot]
	if c.aside != nil && c.aside.ending {
		return
	}
	if g.leave(slot, reason, nil); !c.parked {
		g.sendAside(slot)
	}
	g.count()
}

// told takes what a socket has to say.
func (g *group) told(ev socket.Event) {
	slot, gen := uint32(ev.Token&idMask), uint16(ev.Token>>24)
	if int(slot) >= len(g.conns) {
		return
	}
	c := &g.conns[slot]
	switch {
	case c.st == nil || c.gen != gen:
	case ev.Gone:
		g.lost(slot, g.shard.set.Broken(int(c.fd)))
	case ev.Writable && c.parked:
		// Still parked until it has taken something: else it would have for ever.
		g.serve(slot)
		g.count()
	}
}

// lost ends a connection that the peer has closed, or that is broken.
func (g *group) lost(slot uint32, err error) {
	if socket.TimedOut(err) {
		g.drop(slot, g.conns[slot].aside.outcome(Stalled), err, true)
		return
	}
	g.drop(slot, Left, err, false)
}

// drop closes a connection, and the books on its stream.
func (g *group) drop(slot uint32, reason Reason, cause error, reset bool) {
	c := &g.conns[slot]
	g.shard.set.Close(int(c.fd), reset)
	g.count()
	st := c.st
	st.events.Add(c.place.Next() - c.start)
	st.bytes.Add(c.bytes)
	st.group = nil
	*c = conn{gen: c.gen + 1}
	g.free = append(g.free, slot)
	if g.live--; g.live == 0 {
		g.shard.deserted = true
	}
	st.end(reason, cause)
}

// sweep ends what is due.
func (g *group) sweep() {
	s := g.shard
	for slot := range uint32(len(g.conns)) {
		c := &g.conns[slot]
		if c.st == nil {
			continue
		}
		if c.expires <= s.now {
			c.expires = eternity
			reason := Expired
			if c.st.revoked {
				reason = Revoked
			}
			g.end(slot, reason)
		}
		if c.st != nil && c.parked && c.stalls <= s.now {
			g.drop(slot, c.aside.outcome(Stalled), nil, true)
		}
		if c.st != nil {
			s.by(c.expires)
			if c.parked {
				s.by(c.stalls)
			}
		}
	}
	if g.heartbeat <= 0 || g.live == 0 {
		return
	}
	due := later(g.quiet, g.heartbeat)
	if due > s.now {
		s.by(due)
		return
	}
	if g.next == none { // else the pass under way comes first, and its end looks again
		g.beat = true
		g.activate()
	}
}

// lag is how many events of the topic the connection furthest behind has not got.
func (g *group) lag() uint64 {
	end := g.feed.Stats().Next
	least := end
	for i := range g.conns {
		if c := &g.conns[i]; c.st != nil {
			least = min(least, c.place.Next())
		}
	}
	return end - least
}
