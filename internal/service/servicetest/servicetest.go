// Package servicetest runs services in the test's own process: on loopback ports, or
// on a network in memory for tests in virtual time.
package servicetest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// A Service is one that runs in this process, on a loopback port.
type Service struct {
	URL  string
	Addr string
	Log  *testkit.Buffer // from level info, unless its Config had a logger
	Stop func() error    // ends the service and returns what Serve returned; further calls return the same
}

// Serve runs a service on a loopback port, and ends it when t ends.
func Serve(t testing.TB, cfg service.Config) *Service {
	t.Helper()
	return ServeAt(t, "127.0.0.1:0", cfg)
}

// ServeAt is [Serve] at a given address.
func ServeAt(t testing.TB, addr string, cfg service.Config) *Service {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &Service{Addr: ln.Addr().String(), Log: new(testkit.Buffer)}
	r.URL = "http://" + r.Addr
	if cfg.TLSCert != "" {
		r.URL = "https://" + r.Addr
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(r.Log, nil))
	}
	r.Stop = run(t, ln, cfg)
	return r
}

// MemURL is the address of the service on any network in memory.
const MemURL = "http://mem"

// ServeMem runs a service on a network in memory until stop is called or t, which
// is the test of a synctest bubble, ends. Unless cfg has a logger, the service logs
// to t.
func ServeMem(t testing.TB, cfg service.Config) (ln *memnet.Listener, stop func()) {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	cfg.Transport = handlers.TransportPortable // there are no sockets to take over
	ln = memnet.Listen()
	end := run(t, ln, cfg)
	return ln, func() { end() }
}

func run(t testing.TB, ln net.Listener, cfg service.Config) (stop func() error) {
	t.Helper()
	s, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return stop
}
