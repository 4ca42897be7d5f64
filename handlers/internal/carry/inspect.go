package carry

import "github.com/fluxwire-go/fluxwire/internal/socket"

// A Holding is what a [Shard] holds at a moment.
type Holding struct {
	Running  bool
	Expected int // connections that are about to be handed over
	Groups   int
	IDs      int // numbers of groups in use
	Slots    int // for connections
	Conns    int // open connections
}

// Inspect returns what the shard holds. It is for tests, as is what follows.
func (s *Shard) Inspect() Holding {
	var h Holding
	ran := s.ask(func() {
		h.Groups, h.IDs = len(s.groups), len(s.ids)
		for _, g := range s.groups {
			h.Slots += len(g.conns)
			h.Conns += g.live
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Running, h.Expected = s.looping, s.expected
	if !ran {
		h.Groups, h.IDs = len(s.groups), len(s.ids)
	}
	return h
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

// OpenWith has the shard open its sockets by wrapping what it would open.
func (s *Shard) OpenWith(wrap func(open func() (Sockets, error)) (Sockets, error)) {
	open := s.open
	s.open = func() (Sockets, error) { return wrap(open) }
}

// NearLastID has the numbers of groups wrap around n groups from now. The shard must be
// stopped, or its loop is asked.
func (s *Shard) NearLastID(n uint32) {
	if !s.ask(func() { s.lastID = idMask - n }) {
		s.lastID = idMask - n
	}
}

// Hear has the loop handle events as if its sockets had told of them.
func (s *Shard) Hear(events ...socket.Event) { s.ask(func() { s.handle(events) }) }
