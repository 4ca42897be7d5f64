package handlers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
)

// A Server owns the streams that its handlers serve: it counts them, ends
// them, and waits for them. Its methods may be called from any goroutine.
// Make it with [New]: the methods of a zero Server panic, and so does what makes a
// [Handler] of one.
type Server struct {
	cfg    Config
	cors   answer.CORS
	base   time.Time      // of the sessions' times
	random func() float64 // in [0, 1)
	fast   *fast          // nil: there is only the portable transport

	mu       sync.Mutex
	open     map[*carry.Stream]struct{}
	subjects map[string][]*carry.Stream // open streams of each
	openings map[*opening]struct{}      // requests that Authorize is asked about
	routes   map[string]*carry.Route
	draining bool
	drained  chan struct{} // closed once draining and open is empty
	spread   time.Duration // over which the clients of a draining server are spread
}

// New returns a Server with settings cfg. Its error names every field that is
// out of range.
func New(cfg Config) (*Server, error) {
	cors, err := cfg.check()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg.withDefaults(),
		cors:     cors,
		base:     time.Now(),
		random:   rand.Float64,
		open:     make(map[*carry.Stream]struct{}),
		subjects: make(map[string][]*carry.Stream),
		openings: make(map[*opening]struct{}),
		routes:   make(map[string]*carry.Route),
		drained:  make(chan struct{}),
	}
	if s.fast, err = newFast(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Drain begins the end without ending a stream: [Server.Draining] is true from
// now on, so that a load balancer can be told, and requests for a stream are
// refused with stream.bye (or status 503, where the client asked for another
// form). Shutdown does the rest.
func (s *Server) Drain() {
	s.check("Server.Drain")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
}

// drain is Drain; the caller holds mu.
func (s *Server) drain() {
	if s.draining {
		return
	}
	s.draining = true
	// Each client comes back somewhere else, where a stream costs more to open
	// than to keep: a second for every thousand.
	s.spread = time.Duration(len(s.open)) * time.Millisecond
	if len(s.open) == 0 {
		close(s.drained)
	}
}

// Shutdown ends every open stream with stream.bye, has new ones refused (see
// [Server.Drain]), and waits until the last one has ended. The streams are told
// to come back within a time that is longer the more they are, so that they do
// not storm the next server. Streams of handlers with [Finish] are left to end
// by themselves for as long as that allows.
//
// Its error is the context's when ctx ends first; the streams go on ending then.
//
// Call it before [net/http.Server.Shutdown], which waits for open streams and
// would wait for ever.
func (s *Server) Shutdown(ctx context.Context) error {
	s.check("Server.Shutdown")
	s.mu.Lock()
	s.drain()
	var finishing sync.WaitGroup
	defer finishing.Wait()
	for st := range s.open {
		if st.Finish <= 0 {
			st.Drain()
			continue
		}
		finishing.Go(func() {
			wait := time.NewTimer(st.Finish)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-ctx.Done():
			case <-s.drained:
			}
			st.Drain()
		})
	}
	s.mu.Unlock()

	select {
	case <-s.drained:
		s.fast.wait()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handlers: shutdown: %d streams still open: %w", s.Stats().Open, context.Cause(ctx))
	}
}

// Draining reports whether the server is on its way to its end.
func (s *Server) Draining() bool {
	s.check("Server.Draining")
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

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

// add enters st, which o asked for, among the open streams, or says why it may not run.
func (s *Server) add(st *carry.Stream, o *opening) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.subjects[st.Subject]
	switch total, each := s.cfg.MaxStreams, s.cfg.MaxStreamsPerSubject; {
	case o != nil && slices.Contains(o.ended, st.Subject):
		return refusedGrant
	case s.draining:
		return refusedDraining
	case total > 0 && len(s.open) >= total:
		return refusedTotal
	case each > 0 && len(of) >= each:
		return refusedSubject(each)
	}
	s.open[st] = struct{}{}
	st.Index = len(of)
	s.subjects[st.Subject] = append(of, st)
	st.Route.Opened.Add(1)
	return nil
}

func (s *Server) remove(st *carry.Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	of := s.subjects[st.Subject]
	last := len(of) - 1
	of[st.Index], of[last].Index = of[last], st.Index
	of[last] = nil
	if s.subjects[st.Subject] = of[:last]; last == 0 {
		delete(s.subjects, st.Subject)
	}
	if s.draining && len(s.open) == 0 {
		close(s.drained)
	}
}

// retry is the reconnection time to ask of one client: spread, so that clients
// that lost the same server do not all return at the same moment.
func (s *Server) retry() time.Duration {
	return s.jitter(s.cfg.Retry, 0.5).Round(time.Millisecond)
}

// retryElsewhere is the reconnection time to ask of one client of a server that
// is draining.
func (s *Server) retryElsewhere() time.Duration {
	s.mu.Lock()
	spread := s.spread
	s.mu.Unlock()
	return (s.retry() + time.Duration(s.random()*float64(spread))).Round(time.Millisecond)
}

func (s *Server) maxAge() time.Duration { return s.jitter(s.cfg.MaxAge, 0.1) }

// jitter spreads d evenly over d ± part·d.
func (s *Server) jitter(d time.Duration, part float64) time.Duration {
	return d + time.Duration((2*s.random()-1)*part*float64(d))
}
