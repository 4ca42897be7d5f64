package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
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

	// Logger gets a line for each stream that fails or stalls, and at debug
	// for each other end. Defaults to [slog.Default].
	Logger *slog.Logger
}

// A Server owns the streams that its handlers serve: it counts them, ends
// them, and waits for them. Its methods may be called from any goroutine.
type Server struct {
	cfg    Config
	cors   cors
	random func() float64 // in [0, 1)

	mu       sync.Mutex
	open     map[*stream]struct{}
	routes   map[string]*route
	draining bool
	drained  chan struct{} // closed once draining and open is empty
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
	check(cfg.MaxEvent >= 0, "MaxEvent: %d is negative", cfg.MaxEvent)
	cors, err := newCORS(cfg.Origins)
	if err != nil {
		errs = append(errs, err)
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
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return &Server{
		cfg:     cfg,
		cors:    cors,
		random:  rand.Float64,
		open:    make(map[*stream]struct{}),
		routes:  make(map[string]*route),
		drained: make(chan struct{}),
	}, nil
}

// Shutdown ends every open stream with stream.bye, has new ones answered the
// same way (or with status 503 where the client asked for no event stream),
// and waits until the last one has ended. Its error is the context's when ctx
// ends first; the streams go on ending then.
//
// Call it before [net/http.Server.Shutdown], which waits for open streams and
// would wait for ever.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		if len(s.open) == 0 {
			close(s.drained)
		}
	}
	for st := range s.open {
		st.cancel(errDraining)
	}
	s.mu.Unlock()

	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handlers: shutdown: %d streams still open: %w", s.Stats().Open, context.Cause(ctx))
	}
}

// Draining reports whether [Server.Shutdown] has been called.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// add enters st among the open streams and reports whether it may run.
func (s *Server) add(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.open[st] = struct{}{}
	st.route.opened.Add(1)
	return true
}

func (s *Server) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	if s.draining && len(s.open) == 0 {
		close(s.drained)
	}
}

// retry is the reconnection time to ask of one client: spread, so that clients
// that lost the same server do not all return at the same moment.
func (s *Server) retry() time.Duration {
	return s.jitter(s.cfg.Retry, 0.5).Round(time.Millisecond)
}

func (s *Server) maxAge() time.Duration { return s.jitter(s.cfg.MaxAge, 0.1) }

// jitter spreads d evenly over d ± part·d.
func (s *Server) jitter(d time.Duration, part float64) time.Duration {
	return d + time.Duration((2*s.random()-1)*part*float64(d))
}
