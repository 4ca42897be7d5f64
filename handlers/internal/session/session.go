// Package session decides what an open stream says next, and what is due when.
//
// A [Session] is one stream. A driver asks it what to write ([Session.Next]), tells
// it how much of that was written ([Session.Took]), and tells it the time
// ([Session.Tick]). Everything else is decided here: the opening words, events, gaps,
// heartbeats, the age of the stream, the expiry of its grant, when a client that
// takes no bytes is given up, the last words, and why the stream ended.
//
// Nothing in this package does I/O, waits, takes a lock, starts a goroutine or reads
// a clock. So a table in virtual time tests all of it, and every driver behaves alike.
//
// Times are nanoseconds after a base that the driver chooses. [Never] is no time.
package session

import (
	"math"

	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// Never is a time that does not come: a deadline that is not set.
const Never = int64(math.MaxInt64)

// Later returns d after t, which may be [Never].
func Later(t, d int64) int64 {
	if d > Never-t {
		return Never
	}
	return t + d
}

// A State is how far a stream has got.
type State uint8

const (
	Opening State = iota // nothing has been sent: the answer can still be a status
	Live                 // open
	Leaving              // its end is decided, and its last words are still to be sent
	Ended                // the driver must close the connection
)

var states = [...]string{"opening", "live", "leaving", "ended"}

// String returns the state in lower case.
func (s State) String() string { return states[s] }

// A Session is one open stream. Its zero value is not ready: use [New]. It is used
// by one goroutine at a time, and may be copied between two calls.
//
// There may be very many, so the fields that only some need are in [own].
type Session struct {
	spot    reading.Spot
	own     *own   // nil: nothing is to be sent to this client alone
	expires int64  // Opening, Live: the stream's age; Leaving: the last words' deadline
	stalls  int64  // when the session gives the client up, or Never if it takes bytes
	events  uint64 // that the client took whole
	bytes   uint64 // that the client took

	state   State
	offered offer
	reason  Reason
	grant   bool // expires is the grant's, not the age's
	drained bool // the server drains, though something else ends the stream
	taken   bool // the client has all the events that it asked for
	abort   bool
}

// own is what is to be sent to one client alone, in this order.
type own struct {
	rest   []byte // the rest of a write that was begun, or words and frames joined to one write
	events int    // that end in rest
	words  []byte // opening words, or a gap
	pushed []byte // an event of a source that pushes
	count  int    // events in pushed
	last   []byte // last words
}

func (o *own) empty() bool {
	return o == nil || len(o.rest)+len(o.words)+len(o.pushed)+len(o.last) == 0
}

// offer is what the last call of Next or Beat returned.
type offer uint8

const (
	offerNone offer = iota
	offerBatch
	offerRest
	offerWords
	offerPushed
	offerBeat
)

// keepWhole is the size of the largest rest that is copied. A larger one stays a
// slice of what it was offered from, and keeps that alive.
const keepWhole = 4 << 10

// joinUpTo is the size of the largest batch that is copied to leave in one write
// with the opening words.
const joinUpTo = 64 << 10

// New returns a session that begins at spot, for a stream that reaches its age, or,
// if grant is set, the end of its grant, at expires.
func New(spot reading.Spot, expires int64, grant bool) Session {
	return Session{spot: spot, expires: expires, grant: grant, stalls: Never}
}

// Next returns what to write now, in one call. It returns nothing when there is
// nothing to say yet, or when the session has [Ended]. The caller must not change the
// bytes, which are valid until the next call of a method of s or p, and must call
// [Session.Took] before p serves another session.
func (s *Session) Next(p *Pass) []byte {
	if s.state == Live && s.own == nil {
		if !p.read || s.spot.At != p.at.At || s.spot.Life != p.at.Life {
			p.load(s)
		}
		if p.ready != nil {
			s.offered = offerBatch
			return p.ready
		}
	}
	return s.next(p)
}

// next is Next without the short way for a session that only has a batch to send.
func (s *Session) next(p *Pass) []byte {
	s.offered = offerNone
	if s.state == Opening && !s.begin(p) {
		return nil
	}
	for s.state != Ended {
		if o := s.own; o != nil {
			switch {
			case len(o.rest) > 0:
				s.offered = offerRest
				return o.rest
			case len(o.words) > 0:
				s.offered = offerWords
				return o.words
			case len(o.pushed) > 0:
				s.offered = offerPushed
				return o.pushed
			case len(o.last) > 0:
				o.words, o.last = o.last, nil
				continue
			case s.state == Leaving:
				s.state = Ended
				continue
			}
			if p.Pushes {
				return nil // own is for the next event
			}
			s.own = nil
		}
		if s.state == Leaving {
			s.state = Ended
			continue
		}
		s.look(p)
		switch {
		case p.pending.Gap != nil:
			s.gap(p)
		case p.pending.Ended:
			s.Leave(p, p.reason, p.cause)
		case p.ready != nil:
			s.offered = offerBatch
			return p.ready
		default:
			s.spot = p.pending.Next // a filter may have passed over some events
			return nil
		}
	}
	return nil
}

// look reads what is pending, and skips what a filter passes over.
func (s *Session) look(p *Pass) {
	p.load(s)
	for p.empty() && p.pending.More && s.spot != p.pending.Next {
		s.spot = p.pending.Next
		p.load(s)
	}
}

// begin makes the opening words, with what follows at once where that is small. It
// returns false if there is nothing to say before the grace is over.
func (s *Session) begin(p *Pass) bool {
	if s.own != nil && len(s.own.pushed) > 0 {
		s.open(p, s.spot)
		return true
	}
	s.look(p)
	switch {
	case p.pending.Ended && p.reason == Error:
		s.Leave(p, Error, p.cause) // the answer can still be a status
		return false
	case p.empty() && !p.Open:
		s.spot = p.pending.Next
		return false
	}
	if p.pending.Gap != nil {
		s.open(p, reading.Spot{}) // the gap names the position, of which the client may have another
		s.gap(p)
		return true
	}
	s.open(p, s.spot)
	if s.own.join(p.ready, p.pending.Count) {
		s.spot, p.known = p.pending.Next, p.pending.Next
	}
	return true
}

// open queues the opening words of a stream at spot, before the words of [Session.Say]
// and the event of [Session.Push].
func (s *Session) open(p *Pass, spot reading.Spot) {
	s.state = Live
	p.known = s.spot
	o := s.alone()
	o.words = append(p.Words.Open(nil, p.Name, spot), o.words...)
	if o.join(o.pushed, o.count) {
		o.pushed = nil
	}
}

// join puts frames in one write with the words before them, if there are both and the
// frames are small. It reports whether it did.
func (o *own) join(frames []byte, count int) bool {
	if len(o.words) == 0 || len(frames) == 0 || len(frames) > joinUpTo {
		return false
	}
	o.rest, o.events = append(o.words, frames...), count
	o.words = nil
	return true
}

func (s *Session) gap(p *Pass) {
	g := p.pending.Gap
	s.spot, p.known = p.pending.Next, p.pending.Next
	o := s.alone()
	o.words = p.Words.Gap(o.words, g)
	p.tell(g)
}

// Say queues words for this client alone. They are sent before the next event, and do not
// count as one.
func (s *Session) Say(p *Pass, words []byte) {
	if s.state >= Leaving {
		return
	}
	o := s.alone()
	o.words = append(o.words, words...)
	if s.state == Opening {
		p.Open = true // the opening words go before them
	}
}

func (s *Session) alone() *own {
	if s.own == nil {
		s.own = new(own)
	}
	return s.own
}

// Push offers the next event of a source that makes events for this stream alone:
// frame, which holds count of them. It returns false if the stream's end is decided.
// The caller may use frame again when Next has returned nothing.
func (s *Session) Push(frame []byte, count int) bool {
	if s.state >= Leaving {
		return false
	}
	o := s.alone()
	o.pushed, o.count = frame, count
	return true
}

// Took settles the last call of Next or Beat: n bytes of what it returned were
// written. It returns true if the driver must call Next again at once. If n is not all of
// it the client is full, and the session gives it up unless it takes bytes within the
// timeout.
func (s *Session) Took(p *Pass, n int) (more bool) {
	s.bytes += uint64(n)
	p.Bytes += uint64(n)
	if s.offered == offerBatch {
		if n == len(p.ready) {
			s.spot, s.stalls = p.pending.Next, Never
			p.known = s.spot
			s.counted(p, p.pending.Count)
			return p.pending.More || s.state != Live
		}
		if n > 0 {
			left := p.Words.unfinished(p.ready, n, p.pending.Count)
			s.spot = p.pending.Next
			p.known = s.spot
			s.keep(p.ready[n:], left, p.lent)
			s.counted(p, p.pending.Count-left)
		}
		s.full(p, n)
		return false
	}
	return s.tookOwn(p, n)
}

func (s *Session) tookOwn(p *Pass, n int) (more bool) {
	offered := s.offered
	s.offered = offerNone
	switch o := s.own; offered {
	case offerRest:
		if n < len(o.rest) {
			left := p.Words.unfinished(o.rest, n, o.events)
			done := o.events - left
			o.rest, o.events = o.rest[n:], left
			s.counted(p, done)
			s.full(p, n)
			return false
		}
		done := o.events
		o.rest, o.events = nil, 0
		s.counted(p, done)
	case offerWords:
		words := o.words
		o.words = nil
		if n < len(words) {
			o.rest = words[n:]
			s.full(p, n)
			return false
		}
	case offerPushed:
		frame, count := o.pushed, o.count
		o.pushed = nil
		if n < len(frame) {
			left := p.Words.unfinished(frame, n, count)
			o.rest, o.events = frame[n:], left
			s.counted(p, count-left)
			s.full(p, n)
			return false
		}
		s.counted(p, count)
	case offerBeat:
		if n == 0 {
			return false // the client is full: the heartbeat is dropped
		}
		p.known = s.spot
		p.Beats++
		if n < len(p.beat) {
			s.keep(p.beat[n:], 0, false)
			s.full(p, n)
			return false
		}
	default:
		return false
	}
	s.stalls = Never
	return s.state == Leaving || !s.own.empty() || !p.Pushes && offered != offerBeat
}

// counted counts events that the client has got, and ends the stream after the last
// one that it wants.
func (s *Session) counted(p *Pass, n int) {
	if n == 0 {
		return
	}
	s.events += uint64(n)
	p.Events += uint64(n)
	if n > 1 {
		p.Many = true
	}
	if p.Take > 0 && s.events >= p.Take && s.state < Leaving {
		s.taken = true
		s.Leave(p, Complete, nil)
	}
}

// keep stores rest, in which count events end. It is sent before anything else.
func (s *Session) keep(rest []byte, count int, lent bool) {
	o := s.alone()
	if lent || len(rest) <= keepWhole {
		rest = append([]byte(nil), rest...)
	}
	o.rest, o.events = rest, count
}

// full notes that the client took only n of the bytes it was offered. While the
// session is leaving, expires bounds the wait too.
func (s *Session) full(p *Pass, n int) {
	if s.stalls == Never || n > 0 {
		s.stalls = min(Later(p.Now, p.Timeout), Never-1)
	}
}

// Beat returns the heartbeat to write, or nothing if s has other things to say, or
// its client is full. [Session.Took] settles it.
func (s *Session) Beat(p *Pass) []byte {
	if s.state != Live || s.stalls != Never || !s.own.empty() {
		return nil
	}
	s.offered = offerBeat
	p.makeBeat(s.spot)
	return p.beat
}

// Leave decides the end of the stream, if it has not been decided: Next returns what is
// left to say. The client has the timeout to take it, or the farewell if the server
// drains. cause is the encoded problem of [Error]. If nothing has been sent yet, Error
// ends the session without last words: the driver answers with a status.
func (s *Session) Leave(p *Pass, reason Reason, cause []byte) {
	if s.state >= Leaving {
		return
	}
	s.reason = reason
	if s.state == Opening {
		if reason == Error && (s.own == nil || len(s.own.pushed) == 0) {
			s.state = Ended
			return
		}
		s.open(p, s.spot)
	}
	patience := p.Timeout
	if reason == Shutdown {
		patience = min(patience, p.Farewell)
	}
	s.state, s.expires = Leaving, Later(p.Now, patience)
	words, ok := p.Words.Last(nil, reason, cause, s.taken)
	s.abort = !ok
	if len(words) > 0 {
		s.alone().last = words
	}
}

// Drain ends the stream because the server shuts down. A stream that is Leaving gets
// no more than the farewell from now on.
func (s *Session) Drain(p *Pass) {
	if s.state == Leaving {
		s.drained = true
		s.expires = min(s.expires, Later(p.Now, p.Farewell))
		return
	}
	s.Leave(p, Shutdown, nil)
}

// Gone ends the session because its connection is closed or broken. timedOut reports
// that the client stopped answering.
func (s *Session) Gone(timedOut bool) {
	switch {
	case s.state == Ended:
	case timedOut:
		s.giveUp()
	default:
		s.state, s.reason, s.abort = Ended, Left, false
	}
}

// giveUp ends the session and sends nothing more. A reason that was decided stands,
// unless it means that the client got everything.
func (s *Session) giveUp() {
	switch {
	case s.drained:
		s.reason = Shutdown
	case s.state < Leaving || s.reason == Complete || s.reason == Error:
		s.reason = Stalled
	}
	s.state, s.abort = Ended, true
}

// Tick ends what is due at p.Now.
func (s *Session) Tick(p *Pass) {
	switch {
	case s.state == Ended:
	case s.stalls <= p.Now:
		s.giveUp()
	case s.expires > p.Now:
	case s.state == Leaving: // its client takes bytes, but too slowly
		s.giveUp()
	case s.grant:
		s.Leave(p, Grant, nil)
	default:
		s.Leave(p, MaxAge, nil)
	}
}

// Due returns when Tick has something to do, or [Never].
func (s *Session) Due() int64 {
	if s.state == Ended {
		return Never
	}
	return min(s.expires, s.stalls)
}

// State returns how far the stream has got.
func (s *Session) State() State { return s.state }

// Full reports whether the client took less than it was last offered. The driver offers
// it more only when it takes bytes again.
func (s *Session) Full() bool { return s.stalls != Never }

// Spot returns the position after everything that was offered.
func (s *Session) Spot() reading.Spot { return s.spot }

// Move sets the position of a session that is [Session.Settled], for a source that
// identifies it in another way.
func (s *Session) Move(spot reading.Spot) { s.spot = spot }

// Settled reports whether the stream is open and nothing waits for this client alone.
func (s *Session) Settled() bool { return s.state == Live && s.own.empty() && s.stalls == Never }

// Unsent returns how many events before [Session.Spot] have not been written whole.
func (s *Session) Unsent() uint64 {
	if s.own == nil {
		return 0
	}
	return uint64(s.own.events)
}

// Counts returns how many events and bytes the client has taken.
func (s *Session) Counts() (events, bytes uint64) { return s.events, s.bytes }

// End returns why the stream has ended, or is about to. abort reports that the driver
// must abort the connection: a client would take its close for a good end.
func (s *Session) End() (reason Reason, abort bool) { return s.reason, s.abort }
