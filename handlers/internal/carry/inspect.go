package carry

// A Holding is what a [Shard] holds at a moment.
type Holding struct {
	Running  bool
	Expected int // connections that are about to be handed over
	Groups   int
	IDs      int // numbers of groups in use
	Slots    int // for connections
	Conns    int // open connections
}

// Inspect returns what the shard holds. It is for tests.
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
