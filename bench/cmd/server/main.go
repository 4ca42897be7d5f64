// Command server publishes numbered events through one of the systems that are
// compared. It prints where it listens on standard output; package control describes
// its requests. SIGTERM shuts it down in the way of the system.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/event"
	"github.com/fluxwire-go/fluxwire/bench/internal/system"
	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("system", "fluxwire", "what serves the events: "+strings.Join(system.Names(), ", "))
	size := flag.Int("size", 100, "`bytes` of an event's data")
	var cfg system.Config
	flag.IntVar(&cfg.History, "history", 0, "`events` kept; 0 is the default")
	flag.DurationVar(&cfg.WriteTimeout, "write-timeout", 0, "how long a client may take no bytes; 0 is the default")
	flag.StringVar(&cfg.Transport, "transport", "", "how Fluxwire writes: auto, portable or fast")
	flag.DurationVar(&cfg.Pace, "pace", 0, "`time` that Fluxwire rests between two passes over its clients; 0 is its default, a negative one is no rest")
	flag.IntVar(&cfg.Core, "core", -1, "`processor` of the program that the system starts, if it does; -1 is any")
	flag.Parse()
	sys, err := system.New(*name, cfg)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	var listeners [3]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	p := &publisher{sys: sys, size: *size}
	mux := http.NewServeMux()
	mux.Handle("GET /events", sys)
	public := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // the cost of 10,000 lines would be measured too
	}
	if s, ok := sys.(system.ConnContexter); ok {
		public.ConnContext = s.ConnContext
	}
	private := &http.Server{Handler: p.control(), ReadHeaderTimeout: 10 * time.Second}
	var wg sync.WaitGroup
	failed := make(chan error, 3)
	wg.Go(func() { failed <- public.Serve(listeners[0]) })
	wg.Go(func() { failed <- private.Serve(listeners[1]) })
	wg.Go(func() { failed <- p.triggers(ctx, listeners[2]) })
	hello := control.Hello{
		Addr:    listeners[0].Addr().String(),
		Control: listeners[1].Addr().String(),
		Trigger: listeners[2].Addr().String(),
	}
	if o, ok := sys.(system.Outside); ok {
		hello.Addr = o.Addr()
	}
	_, hello.Enveloped = sys.(system.Enveloped)
	if err := json.NewEncoder(os.Stdout).Encode(hello); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	}
	// A system that has not finished by then is cut off: the exit code reports it.
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = errors.Join(sys.Shutdown(within), public.Shutdown(within), private.Close(), listeners[2].Close())
	wg.Wait()
	return err
}

// A publisher numbers events and publishes them, one at a time.
type publisher struct {
	sys  system.System
	size int
	last atomic.Uint64 // number of the last event; read while publish is stuck in a system that has stopped

	mu  sync.Mutex
	buf []byte
}

// publish publishes an event with the time of sending at, or now.
func (p *publisher) publish(ctx context.Context, size int, at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.IsZero() {
		at = time.Now()
	}
	seq := p.last.Add(1)
	p.buf = event.Append(p.buf[:0], seq, at.UnixNano(), size)
	return p.sys.Publish(ctx, seq, p.buf)
}

// triggers publishes an event for each byte that arrives at ln.
func (p *publisher) triggers(ctx context.Context, ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		var b [1024]byte
		for {
			n, err := c.Read(b[:])
			for range n {
				if err := p.publish(ctx, p.size, time.Time{}); err != nil {
					return fmt.Errorf("publish: %w", err)
				}
			}
			if err != nil {
				break
			}
		}
		stop()
		c.Close()
	}
}

func (p *publisher) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", p.stats)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("POST /gc", func(w http.ResponseWriter, r *http.Request) {
		runtime.GC()
		debug.FreeOSMemory() // collects again: the second collection empties the pools
		p.stats(w, r)
	})
	mux.HandleFunc("POST /reset-peak", func(w http.ResponseWriter, r *http.Request) {
		if o, ok := p.sys.(system.Outside); ok {
			answer(w, struct{}{}, o.ResetPeak())
			return
		}
		answer(w, struct{}{}, usage.ResetPeak())
	})
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		n, err1 := strconv.Atoi(r.FormValue("n"))
		rate, err2 := strconv.ParseFloat(r.FormValue("rate"), 64)
		size, err3 := number(r, "size", p.size)
		burst, err4 := number(r, "burst", 1)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			answer(w, nil, err)
			return
		}
		err := p.many(r.Context(), n, rate, max(1, burst), size)
		answer(w, control.Published{Last: p.last.Load()}, err)
	})
	return mux
}

// number is the form value called name, or otherwise if it is missing.
func number(r *http.Request, name string, otherwise int) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return otherwise, nil
	}
	return strconv.Atoi(s)
}

// many publishes n events on schedule, burst at a time. A late event does not delay the
// next, and has the time at which it was due.
func (p *publisher) many(ctx context.Context, n int, rate float64, burst, size int) error {
	began := time.Now()
	for i := range n {
		var due time.Time
		if rate > 0 {
			due = began.Add(time.Duration(float64(i-i%burst) / rate * 1e9))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := p.publish(ctx, size, due); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) stats(w http.ResponseWriter, _ *http.Request) {
	ask := usage.Now
	if o, ok := p.sys.(system.Outside); ok {
		ask = o.Usage
	}
	u, err := ask()
	answer(w, control.Stats{Usage: u, Last: p.last.Load(), Counts: p.sys.Counts()}, err)
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
