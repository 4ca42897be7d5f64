package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
)

// Config is the settings of a [Server]. The zero Config works.
type Config struct {
	// Heartbeat is how long a stream may be silent before a comment (in NDJSON
	// an empty line) is sent to keep it open through proxies. It is announced
	// in the header Stream-Heartbeat, in seconds. Negative sends none.
	// Defaults to 15 s.
	Heartbeat time.Duration

	// Grace is how long the answer's head waits for the first value, so that a
	// source that fails at once is answered with a status. Negative waits for
	// nothing. Defaults to 50 ms.
	Grace time.Duration

	// WriteTimeout is how long one write may take before the stream is cut.
	// Over HTTP/2 that holds for one stream that its client does not read; for a
	// connection that takes no bytes at all, set the WriteByteTimeout of the
	// [net/http.Server]'s HTTP2 to the same. Over TLS the end of a cut connection
	// may take 5 s more. Defaults to 10 s.
	WriteTimeout time.Duration

	// MaxAge is when a stream is ended by stream.bye, so that its client
	// connects again, within 10 % either way. Negative ends none.
	// Defaults to 1 h.
	MaxAge time.Duration

	// Retry is how long clients are asked to wait before they reconnect,
	// within 50 % either way. Defaults to 2 s.
	Retry time.Duration

	// MaxEvent is the size in bytes of the largest encoded event. A larger one
	// ends its stream with stream.error. Defaults to 1 MiB.
	MaxEvent int

	// Origins lists the origins whose pages may read the streams (CORS), such
	// as "https://app.example"; "*" is every origin. Pages of listed origins
	// may send credentials, those admitted by "*" alone may not.
	// Defaults to none.
	Origins []string

	// MaxStreams is how many streams may be open at a time, and
	// MaxStreamsPerSubject how many of one subject (see [Grant]). A client over
	// a limit is told when to try again: by a stream that says stream.bye, since
	// an EventSource would give up for good at any other answer, or by status
	// 503 or 429 where it asked for another form. Negative is no limit.
	// Default to 100,000 and 100.
	MaxStreams           int
	MaxStreamsPerSubject int

	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	// Defaults to none: the client is whoever is connected.
	TrustedProxies []netip.Prefix

	// Authorize, if not nil, is asked before the first byte of every stream. Its
	// error is answered as a [Problem]: return one with status 401 or 403. It
	// may be called from any number of goroutines at once.
	Authorize func(r *http.Request, access Access) (Grant, error)

	// Transport is how topics' event streams get to their clients. Defaults to
	// Auto.
	Transport Transport

	// Pace is how far apart the rounds of the fast transport are, in each of which it
	// writes a topic's pending events to all clients: from beginning to beginning,
	// or, where events come faster than rounds, from the end of one to the beginning of the
	// next. So several events leave in one write. The first event after a rest goes
	// out at once. Negative is no rest. Defaults to 2 ms.
	Pace time.Duration

	// Logger gets a line for each stream that fails or stalls, and at debug
	// for each other end. Its handler must not call the Server, and should not
	// block: many streams may wait for it. Defaults to [slog.Default].
	Logger *slog.Logger
}

// A Server owns the streams that its handlers serve: it counts them, ends
// them, and waits for them. Its methods may be called from any goroutine.
type Server struct {
	cfg    Config
	cors   answer.CORS
	base   time.Time      // of the sessions' times
	random func() float64 // in [0, 1)
	fast   *fast          // nil: there is only the portable transport

	mu       sync.Mutex
	open     map[*carry.Stream]struct{}
	subjects map[string]int // open streams of each
	routes   map[string]*carry.Route
	draining bool
	drained  chan struct{} // closed once draining and open is empty
	spread   time.Duration // over which the clients of a draining server are spread
}

// New returns a Server with settings cfg. Its error names every field that is
// out of range.
func New(cfg Config) (*Server, error) {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("handlers: config: "+format, args...))
		}
	}
	check(cfg.WriteTimeout >= 0, "WriteTimeout: %v is negative; a stream without one could be held open for ever", cfg.WriteTimeout)
	check(cfg.Retry >= 0, "Retry: %v is negative", cfg.Retry)
	check(cfg.Transport >= Auto && cfg.Transport <= Fast, "Transport: %d is none", int(cfg.Transport))
	check(cfg.MaxEvent >= 0, "MaxEvent: %d is negative", cfg.MaxEvent)
	cors, err := answer.NewCORS(cfg.Origins)
	if err != nil {
		check(false, "Origins: %w", err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 15*time.Second)
	cfg.Grace = cmp.Or(cfg.Grace, 50*time.Millisecond)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 10*time.Second)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, time.Hour)
	cfg.Retry = cmp.Or(cfg.Retry, 2*time.Second)
	cfg.MaxEvent = cmp.Or(cfg.MaxEvent, 1<<20)
	cfg.MaxStreams = cmp.Or(cfg.MaxStreams, 100_000)
	cfg.MaxStreamsPerSubject = cmp.Or(cfg.MaxStreamsPerSubject, 100)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.Pace = max(0, cmp.Or(cfg.Pace, 2*time.Millisecond))
	s := &Server{
		cfg:      cfg,
		cors:     cors,
		base:     time.Now(),
		random:   rand.Float64,
		open:     make(map[*carry.Stream]struct{}),
		subjects: make(map[string]int),
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
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// add enters st among the open streams, or says why it may not run.
func (s *Server) add(st *carry.Stream) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch total, each := s.cfg.MaxStreams, s.cfg.MaxStreamsPerSubject; {
	case s.draining:
		return refusedDraining
	case total > 0 && len(s.open) >= total:
		return refusedTotal
	case each > 0 && s.subjects[st.Subject] >= each:
		return refusedSubject(each)
	}
	s.open[st] = struct{}{}
	s.subjects[st.Subject]++
	st.Route.Opened.Add(1)
	return nil
}

func (s *Server) remove(st *carry.Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	if s.subjects[st.Subject]--; s.subjects[st.Subject] == 0 {
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
