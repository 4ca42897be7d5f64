// Package system holds the systems that are compared: ways to send the same events to
// many clients over HTTP.
package system

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

// A System fans out events to the clients of its handler.
type System interface {
	http.Handler
	// Publish sends one event. It is not called concurrently, and must not keep data.
	Publish(ctx context.Context, seq uint64, data []byte) error
	// Shutdown ends all streams in the way of the system.
	Shutdown(ctx context.Context) error
	// Counts returns what the system counts itself.
	Counts() map[string]uint64
}

// An Outside system is another program, which New starts and Shutdown stops. It serves
// its clients itself; Publish sends it the events.
type Outside interface {
	System
	Addr() string
	Usage() (usage.Usage, error)
	ResetPeak() error
}

// An Enveloped system sends its events inside its own JSON.
type Enveloped interface {
	System
	Enveloped()
}

// A ConnContexter is a System that wants a ConnContext in the [http.Server].
type ConnContexter interface {
	ConnContext(ctx context.Context, conn net.Conn) context.Context
}

// Config has the settings of the systems.
type Config struct {
	History      int           // events kept for clients that come back
	WriteTimeout time.Duration // how long a client may take no bytes; 0 is the system's default
	Transport    string        // Fluxwire's: auto, portable or fast; empty is auto
	Pace         time.Duration // Fluxwire's rest between two passes over its clients; 0 is its default, a negative one is no rest
	Core         int           // the processor of an Outside system, if not negative
}

var systems = map[string]func(Config) (System, error){
	"fluxwire": newFluxwire,
	"fluxwire-unpaced": func(cfg Config) (System, error) {
		cfg.Pace = -1
		return newFluxwire(cfg)
	},
	"fluxwire-portable": func(cfg Config) (System, error) {
		cfg.Transport = "portable"
		return newFluxwire(cfg)
	},
	"subject":          newSubject,
	"nethttp":          func(Config) (System, error) { return newNetHTTP(false), nil },
	"nethttp-coalesce": func(Config) (System, error) { return newNetHTTP(true), nil },
	"r3labs":           func(Config) (System, error) { return newR3labs(), nil },
	"go-sse":           func(Config) (System, error) { return newGoSSE(), nil },
	"centrifuge":       func(Config) (System, error) { return newCentrifuge() },
	"nchan":            newNchan,
}

// Names are the systems there are.
func Names() []string { return slices.Sorted(maps.Keys(systems)) }

// Missing returns an error that names what the system called name needs and this machine
// lacks, or nil.
func Missing(name string) error {
	if name == "nchan" {
		_, _, err := nginx()
		return err
	}
	return nil
}

// New makes the system called name.
func New(name string, cfg Config) (System, error) {
	make, ok := systems[name]
	if !ok {
		return nil, fmt.Errorf("system: there is no %q; there are %v", name, Names())
	}
	return make(cfg)
}
