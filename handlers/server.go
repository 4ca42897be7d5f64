package handlers

import (
	"context"
	"fmt"
	"math"
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
	drained  chan struct{} // closed when draining is set and open is empty
	spread   time.Duration // a draining server's clients are to reconnect within this time
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

// Drain refuses new streams from now on, and leaves open ones as they are: requests
// for a stream are answered with stream.bye (or status 503, if the client asked for
// another form). [Server.Draining] becomes true, so that a load balancer can be told.
// [Server.Shutdown] ends the open streams.
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
	// All clients connect to another server, where a stream costs more to open than to
	// keep: spread them over a second for every thousand.
	s.spread = time.Duration(len(s.open)) * time.Millisecond
	if len(s.open) == 0 {
		close(s.drained)
	}
}

// Shutdown refuses new streams (see [Server.Drain]), ends every open stream with
// stream.bye, and waits until the last one has ended. The clients are told to
// reconnect within a time that is longer the more they are, so that they do not all
// reach the next server at once. Streams of handlers with [Finish] may end by
// themselves before its limit.
//
// If ctx ends first, Shutdown returns its error, and the streams end later.
//
// Call it before [net/http.Server.Shutdown], which waits for open streams, and would
// wait forever.
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

// Draining reports whether Drain or Shutdown has been called.
func (s *Server) Draining() bool {
	s.check("Server.Draining")
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
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

// retry returns the reconnection time for one client: drawn at random, so that the
// clients of a server that is gone do not all return at the same moment.
func (s *Server) retry() time.Duration {
	return s.jitter(s.cfg.Retry, 0.5).Round(time.Millisecond)
}

// retryElsewhere returns the reconnection time for one client of a draining server.
func (s *Server) retryElsewhere() time.Duration {
	s.mu.Lock()
	spread := s.spread
	s.mu.Unlock()
	return (s.retry() + time.Duration(s.random()*float64(spread))).Round(time.Millisecond)
}

func (s *Server) maxAge() time.Duration { return s.jitter(s.cfg.MaxAge, 0.1) }

// jitter returns a random time in d ± part·d.
func (s *Server) jitter(d time.Duration, part float64) time.Duration {
	spread := time.Duration((2*s.random() - 1) * part * float64(d))
	if spread > math.MaxInt64-d {
		return d
	}
	return d + spread
}
