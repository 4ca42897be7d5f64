// Command load opens event streams, reads them, and reports what it has received, in
// JSON. With -control it takes its commands from standard input, see package control.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` of the server")
	commands := flag.Bool("control", false, "take commands from standard input")
	g := load.Group{Name: "readers"}
	flag.StringVar(&g.Path, "path", "/events", "`path` of the stream")
	flag.IntVar(&g.N, "n", 100, "`connections` to open")
	flag.Float64Var(&g.Rate, "rate", 2000, "connections to open in a `second`; 0 is as fast as it goes")
	flag.BoolVar(&g.Mute, "mute", false, "never read")
	d := flag.Duration("for", 10*time.Second, "how long to read")
	flag.Parse()
	l, err := load.New(*addr)
	if err != nil {
		return err
	}
	defer l.Close()
	if *commands {
		return obey(l)
	}
	if err := l.Open(g, time.Minute); err != nil {
		return err
	}
	if err := l.For(*d); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(answer(l, 0))
}

func obey(l *load.Load) error {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	o := &operator{Load: l}
	for in.More() {
		var c control.Command
		if err := in.Decode(&c); err != nil {
			return err
		}
		began := time.Now()
		done, published, err := o.do(c)
		took := time.Since(began)
		a := answer(l, c.Last)
		a.Done, a.Published, a.Took = done, published, took
		if err != nil {
			a.Error, a.Stalled = err.Error(), errors.Is(err, load.ErrStalled)
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

func answer(l *load.Load, last uint64) control.Answer {
	a := control.Answer{CPU: usage.CPU(), Delivered: l.Delivered(), Groups: l.Report(last)}
	a.Latency, a.Head = l.Latency()
	return a
}

// An operator executes commands.
type operator struct {
	*load.Load
	publish func(n int) error // set by the first loop, for all loops
}

func (o *operator) publisher(c control.Command) (publish func(n int) error, err error) {
	if c.Post != "" {
		return o.Post(c.Post, "/publish?n=1&rate=0", c.InFlight)
	}
	trigger, err := net.Dial("tcp4", c.Trigger)
	if err != nil {
		return nil, err
	}
	return func(n int) error {
		_, err := trigger.Write(make([]byte, n))
		return err
	}, nil
}

func (o *operator) do(c control.Command) (done bool, published uint64, err error) {
	switch c.Op {
	case "open":
		return true, 0, o.Open(c.Group, c.For)
	case "learn":
		return true, 0, o.Learn(c.Group.Path, c.Last, c.For)
	case "loop":
		if o.publish == nil {
			if o.publish, err = o.publisher(c); err != nil {
				return false, 0, err
			}
		}
		published, err = o.Loop(c.Last+1, c.InFlight, c.For, o.publish)
		return err == nil, published, err
	case "for":
		return true, 0, o.For(c.For)
	case "churn":
		return true, 0, o.Churn(c.Group.Name, c.Rate, c.For)
	case "settle":
		done, err = o.Settle(c.Last, c.For)
	case "ended":
		done, err = o.Ended(c.For)
	case "measure":
		o.Measure()
		done = true
	case "report":
		done = true
	default:
		err = errors.New("there is no command " + c.Op)
	}
	return done, 0, err
}
