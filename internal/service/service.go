// Package service is the Fluxwire service: built-in streams, the routes they
// are served on, the page, and the life of the process around them.
//
// New streams are added in streams.go, where the built-in ones are written and
// entered in the table of routes.
package service

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
)

// Config is the settings of a [Service].
type Config struct {
	Addr                 string             // where the service listens. Defaults to ":8080".
	AdminAddr            string             // where health, metrics and pprof listen. Defaults to none: health and metrics are beside the rest.
	Origins              []string           // see [handlers.Config]
	Heartbeat            time.Duration      // see [handlers.Config]
	MaxAge               time.Duration      // see [handlers.Config]
	MaxStreams           int                // see [handlers.Config]
	MaxStreamsPerSubject int                // see [handlers.Config]
	TrustedProxies       []netip.Prefix     // see [handlers.Config]
	Transport            handlers.Transport // see [handlers.Config]
	Pace                 time.Duration      // see [handlers.Config]
	DrainDelay           time.Duration      // how long Serve goes on as before once ctx has ended, but for /healthz/ready and new streams
	TLSCert              string             // file of the certificate chain, PEM; with TLSKey it turns TLS and HTTP/2 on
	TLSKey               string
	Logger               *slog.Logger // Defaults to [slog.Default].
}

// The service has ended within these two of the signal: the first is for streams
// to say goodbye, the second for answers that are under way. Both are seldom used
// up, the second by connections that have not asked for anything yet, for which
// net/http waits too.
const (
	stopStreams = 500 * time.Millisecond
	stopAnswers = 200 * time.Millisecond
)

// readTimeout is how long a request may take to arrive.
const readTimeout = 10 * time.Second

// writeTimeout is how long a client may take no bytes while there are some for
// it.
const writeTimeout = 10 * time.Second

// A Service is one running instance. Make it with [New].
type Service struct {
	cfg     Config
	tls     *tls.Config // nil: plain HTTP
	streams *handlers.Server
	builtin *builtin
	public  http.Handler
	admin   http.Handler // nil: health and metrics are beside the rest
}

// A SettingError is returned by [New] for a setting that is wrong on every
// machine, unlike a file that cannot be read on this one.
type SettingError struct {
	Flag string // the flag that it is set by
	Err  error
}

func (e *SettingError) Error() string { return e.Flag + ": " + e.Err.Error() }
func (e *SettingError) Unwrap() error { return e.Err }

// New returns a service with settings cfg. Its error names what is wrong with
// them; see [SettingError].
func New(cfg Config) (*Service, error) {
	cfg.Addr = cmp.Or(cfg.Addr, ":8080")
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	srv, err := handlers.New(handlers.Config{
		Heartbeat:            cfg.Heartbeat,
		WriteTimeout:         writeTimeout,
		MaxAge:               cfg.MaxAge,
		Origins:              cfg.Origins,
		MaxStreams:           cfg.MaxStreams,
		MaxStreamsPerSubject: cfg.MaxStreamsPerSubject,
		TrustedProxies:       cfg.TrustedProxies,
		Transport:            cfg.Transport,
		Pace:                 cfg.Pace,
		Logger:               cfg.Logger,
	})
	switch {
	case errors.Is(err, handlers.ErrNoFast):
		return nil, &SettingError{"--transport", err}
	case err != nil:
		return nil, &SettingError{"--cors-origin", err} // nothing else is the user's to choose wrongly
	}
	s := &Service{cfg: cfg, streams: srv}
	if s.builtin, err = newBuiltin(cfg.Logger); err != nil {
		return nil, err
	}
	if cfg.TLSCert != "" || cfg.TLSKey != "" {
		if cfg.TLSCert == "" || cfg.TLSKey == "" {
			return nil, errors.New("service: TLS needs both a certificate and a key: give --tls-cert and --tls-key")
		}
		pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("service: TLS: --tls-cert %s, --tls-key %s: %w", cfg.TLSCert, cfg.TLSKey, err)
		}
		s.tls = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	}
	s.public = s.routes()
	if cfg.AdminAddr != "" {
		s.admin = s.adminRoutes()
	}
	return s, nil
}

// Run listens on the configured addresses and serves until ctx ends, then
// stops: streams are told stream.bye, and all is over within a second. ready,
// if not nil, is called with the address in use once connections are accepted.
func (s *Service) Run(ctx context.Context, ready func(net.Addr)) error {
	ln, err := listen(s.cfg.Addr, "--addr")
	if err != nil {
		return err
	}
	var admin net.Listener
	if s.admin != nil {
		if admin, err = listen(s.cfg.AdminAddr, "--admin-addr"); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	if ready != nil {
		ready(ln.Addr())
	}
	return s.Serve(ctx, ln, admin)
}

// Serve serves on ln, and on admin if it is not nil, until ctx ends or a
// listener fails. It closes both. A Service serves once.
func (s *Service) Serve(ctx context.Context, ln, admin net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var work sync.WaitGroup
	defer work.Wait()
	pipelines, stopPipelines := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPipelines()
	work.Go(func() {
		if err := s.builtin.run(pipelines); err != nil {
			s.cfg.Logger.Error("topics ended with an error", "error", err)
		}
	})

	var servers []*http.Server
	serve := func(ln net.Listener, server *http.Server) {
		servers = append(servers, server)
		work.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("service: serve: %w", err))
			}
		})
	}
	if admin != nil {
		serve(admin, s.server(s.admin))
	}
	ln = resetListener{ln}
	if s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	public := s.server(s.public)
	// Streams have deadlines of their own. These are not for pprof, which takes
	// one for the client's leaving.
	public.ReadTimeout = readTimeout
	public.WriteTimeout = readTimeout + writeTimeout // net/http counts from the end of the head
	serve(ln, public)

	<-ctx.Done()
	failed := context.Cause(ctx)
	if s.cfg.DrainDelay > 0 {
		// Whoever sends requests here needs a moment to hear that it should not.
		s.streams.Drain()
		time.Sleep(s.cfg.DrainDelay)
	}
	s.stop(context.WithoutCancel(ctx), servers)
	if errors.Is(failed, context.Canceled) {
		return nil
	}
	return failed
}

// stop ends the streams, then the servers, which would wait for the streams.
func (s *Service) stop(ctx context.Context, servers []*http.Server) {
	drain, cancelDrain := context.WithTimeout(ctx, stopStreams)
	defer cancelDrain()
	if err := s.streams.Shutdown(drain); err != nil {
		s.cfg.Logger.Warn(err.Error())
	}
	answer, cancelAnswer := context.WithTimeout(ctx, stopAnswers)
	defer cancelAnswer()
	var stopping sync.WaitGroup
	for _, server := range servers {
		stopping.Go(func() {
			if server.Shutdown(answer) != nil {
				server.Close()
			}
		})
	}
	stopping.Wait()
}

func (s *Service) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		IdleTimeout:       2 * time.Minute,
		// A ping's message may stand in the query: 64 KiB of text are up to
		// three times that when each byte is written as %XX.
		MaxHeaderBytes: 256 << 10,
		// A stream's own deadline has no say over what is stuck below all the
		// streams of an HTTP/2 connection.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: writeTimeout},
		// What clients do wrong is nothing to tell the operator about.
		ErrorLog:    slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		ConnContext: handlers.ConnContext,
	}
}

// listen listens on addr, which was given by flag.
func listen(addr, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("service: listen: %s is in use: stop the program that uses it, or choose another address with %s", addr, flag)
	default:
		return nil, fmt.Errorf("service: listen: %w: choose another address with %s", err, flag)
	}
}
