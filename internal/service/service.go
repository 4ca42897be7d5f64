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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
)

// Config is the settings of a [Service]. The tags describe them to package cli:
// the name of the flag, if it is not the field's, its default and its help.
// [handlers.Off] switches off what has the type "off".
type Config struct {
	Addr                 string             `default:":8080" placeholder:"ADDRESS" help:"Listen on this address. Port 0 takes a free one."`
	AdminAddr            string             `placeholder:"ADDRESS" help:"Serve health, metrics and pprof on this address. Without it health and metrics are on the public address, and pprof is not served."`
	Origins              []string           `name:"cors-origin" type:"origins" default:"*" placeholder:"ORIGINS" help:"Origins whose pages may read the streams, separated by commas. * is every origin; off, or an empty list, is no origin."`
	Heartbeat            time.Duration      `type:"off" default:"15s" placeholder:"TIME" help:"Send a heartbeat on a stream after this much silence, or off."`
	MaxAge               time.Duration      `type:"off" default:"1h" placeholder:"TIME" help:"End a stream at this age, give or take a tenth, so that its client connects again; or off."`
	MaxStreams           int                `type:"off" default:"100000" placeholder:"N" help:"Allow this many open streams, or off for no limit."`
	MaxStreamsPerSubject int                `name:"max-streams-per-client" type:"off" default:"100" placeholder:"N" help:"Allow one client address this many open streams, or off for no limit."`
	TrustedProxies       []netip.Prefix     `type:"proxies" placeholder:"ADDRESSES" help:"Believe X-Forwarded-For from proxies at these addresses, separated by commas, such as 10.0.0.0/8,::1."`
	DrainDelay           time.Duration      `type:"off" default:"off" placeholder:"TIME" help:"Keep serving for this long after the signal to stop, while /healthz/ready answers 503; or off."`
	Transport            handlers.Transport `default:"auto" placeholder:"NAME" help:"Carry event streams of topics by this transport: fast, portable, or auto, which is fast where possible."`
	Pace                 time.Duration      `type:"off" default:"2ms" placeholder:"TIME" help:"Write to one client of a topic at most once in this time. Events that arrive meanwhile leave in one write. Or off."`
	TLSCert              string             `placeholder:"FILE" help:"Serve TLS and HTTP/2 with the certificate chain in this file (PEM). Needs --tls-key."`
	TLSKey               string             `placeholder:"FILE" help:"The file with the key of the certificate (PEM)."`
	Logger               *slog.Logger       `kong:"-"` // Defaults to [slog.Default].
}

// A SettingError is returned by [Config.Check] and [New] for a setting that is
// wrong on every machine, unlike a file that cannot be read on this one.
type SettingError struct {
	Setting string // its flag, without dashes
	Err     error
}

func (e *SettingError) Error() string { return "--" + e.Setting + ": " + e.Err.Error() }
func (e *SettingError) Unwrap() error { return e.Err }

// Check returns a [SettingError] for each setting that is wrong, joined.
func (c Config) Check() error {
	var errs []error
	wrong := func(setting string, err error) {
		errs = append(errs, &SettingError{setting, err})
	}
	for _, origin := range c.Origins {
		if _, err := handlers.New(handlers.Config{Origins: []string{origin}, Transport: handlers.TransportPortable}); err != nil {
			wrong("cors-origin", errors.New(strings.TrimPrefix(err.Error(), "handlers: config: Origins: ")))
		}
	}
	if _, err := handlers.New(handlers.Config{Transport: c.Transport}); err != nil {
		wrong("transport", err)
	}
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		wrong("tls-cert", errors.New("--tls-key is missing: a certificate needs its key"))
	case c.TLSKey != "" && c.TLSCert == "":
		wrong("tls-key", errors.New("--tls-cert is missing: a key needs its certificate"))
	}
	return errors.Join(errs...)
}

// Both limits start at the signal, one after the other: the first is for streams to
// say goodbye, the second for answers in progress. They are rarely used up; the
// second is by connections without a request yet, for which net/http waits too.
const (
	stopStreams = 500 * time.Millisecond
	stopAnswers = 200 * time.Millisecond
)

// readTimeout is how long a request may take to arrive.
const readTimeout = 10 * time.Second

// writeTimeout is how long a client may accept no bytes while some are waiting.
const writeTimeout = 10 * time.Second

// A Service is one running instance. Make it with [New].
type Service struct {
	cfg     Config
	tls     *tls.Config // nil: plain HTTP
	streams *handlers.Server
	builtin *builtin
	public  http.Handler
	admin   http.Handler // nil: the public address serves health and metrics, too
}

// New returns a service with settings cfg. Its error names what is wrong with
// them; see [SettingError].
func New(cfg Config) (*Service, error) {
	cfg.Addr = cmp.Or(cfg.Addr, ":8080")
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if err := cfg.Check(); err != nil {
		return nil, err
	}
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
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, streams: srv}
	if s.builtin, err = newBuiltin(cfg.Logger); err != nil {
		return nil, err
	}
	if cfg.TLSCert != "" {
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

// Run listens on the configured addresses and serves until ctx ends, then stops
// within a second: every stream gets stream.bye. ready, if not nil, is called with
// the address in use once connections are accepted.
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

// Serve serves on ln, and on admin if it is not nil, until ctx ends, which is not an
// error, or until a listener fails. It closes both. A Service serves once.
func (s *Service) Serve(ctx context.Context, ln, admin net.Listener) error {
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
	failed := make(chan error, 2) // one for each listener
	serve := func(ln net.Listener, server *http.Server) {
		servers = append(servers, server)
		work.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("service: serve: %w", err)
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
	// Streams set their own deadlines. pprof must not have these: it takes a
	// deadline for the end of the request.
	public.ReadTimeout = readTimeout
	public.WriteTimeout = readTimeout + writeTimeout // net/http counts from the end of the head
	serve(ln, public)

	var err error
	select {
	case <-ctx.Done():
		err = s.drain(failed)
	case err = <-failed:
	}
	s.stop(context.WithoutCancel(ctx), servers)
	return err
}

// drain waits for the drain delay, so that a load balancer notices that it should
// send requests elsewhere. It returns early, with the error, if a listener fails,
// because no request can arrive then.
func (s *Service) drain(failed <-chan error) error {
	if s.cfg.DrainDelay <= 0 {
		return nil
	}
	s.streams.Drain()
	select {
	case <-time.After(s.cfg.DrainDelay):
		return nil
	case err := <-failed:
		return err
	}
}

// stop ends the streams first, since the servers wait for them.
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
		// The message of a ping may be in the query: 64 KiB of text take up to
		// three times as much when each byte is written as %XX.
		MaxHeaderBytes: 256 << 10,
		// The deadline of a stream does not cover a write that is stuck below all
		// streams of an HTTP/2 connection.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: writeTimeout},
		// Mistakes of clients do not concern the operator.
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
