package handlers

// End ends the open streams of a subject as if their grants expired now: with a
// stream.bye whose reason is "grant". It returns how many streams those are, and does not
// wait for them to end. The subject is the one of their [Grant] or, where that has none,
// the address of their client.
//
// Take away the right first, so that [Config.Authorize] refuses the clients when they
// connect again, and then call End. A request that Authorize has not answered at that
// time, or whose stream has not been opened yet, gets no stream; it does not count.
func (s *Server) End(subject string) int {
	s.check("Server.End")
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.openings {
		o.ended = append(o.ended, subject)
	}
	streams := s.subjects[subject]
	for _, st := range streams {
		st.Revoke()
	}
	return len(streams)
}

// An opening is a request for a stream from before Authorize is asked until the stream
// is open.
type opening struct {
	ended []string // the subjects whose streams were ended meanwhile
}

// begin enters a request, if Authorize will be asked about it.
func (s *Server) begin() *opening {
	if s.cfg.Authorize == nil {
		return nil
	}
	o := new(opening)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openings[o] = struct{}{}
	return o
}

// forget removes a request, for which a stream is open or will not be.
func (s *Server) forget(o *opening) {
	if o == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.openings, o)
}
