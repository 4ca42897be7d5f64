package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
)

// patience is how long anything that should end soon may take.
const patience = time.Minute

// A rig is a server and a load, each a process on its own core.
type rig struct {
	hello  control.Hello
	server *exec.Cmd
	load   *exec.Cmd
	in     io.WriteCloser // of load
	out    *json.Decoder
	exited chan error // of server
}

// pinning reports whether programs can be tied to core.
func pinning(core int) bool {
	_, err := exec.LookPath("taskset")
	return err == nil && runtime.NumCPU() > core
}

// pinned is the command line of a program that may run on one core only. The Go
// runtime sees that and runs one thread of Go at a time.
func pinned(ctx context.Context, core int, program string, args ...string) *exec.Cmd {
	if pinning(core) {
		args = append([]string{"-c", strconv.Itoa(core), program}, args...)
		program = "taskset"
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// start starts a server of system with args, and a load for it.
func start(ctx context.Context, dir, system string, args ...string) (*rig, error) {
	r := &rig{exited: make(chan error, 1)}
	r.server = server(ctx, dir, system, args)
	out, err := r.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.server.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(&r.hello); err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not say where it listens: %w", err), r.server.Process.Kill(), r.server.Wait())
	}
	go func() { r.exited <- r.server.Wait() }()
	r.load = pinned(ctx, 1, filepath.Join(dir, "load"), "-control", "-addr", r.hello.Addr)
	if r.in, err = r.load.StdinPipe(); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	answers, err := r.load.StdoutPipe()
	if err == nil {
		err = r.load.Start()
	}
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	r.out = json.NewDecoder(bufio.NewReader(answers))
	return r, nil
}

// stop ends both processes, the load first: it resets its connections.
func (r *rig) stop() error {
	if r.load != nil && r.load.Process != nil {
		r.in.Close()
		r.load.Wait()
	}
	select {
	case <-r.exited:
	default:
		r.server.Process.Kill()
		<-r.exited
	}
	return nil
}

// do makes the load execute c.
func (r *rig) do(c control.Command) (control.Answer, error) {
	if c.For == 0 {
		c.For = patience
	}
	var a control.Answer
	err := json.NewEncoder(r.in).Encode(c)
	if err == nil {
		err = r.out.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
		if a.Stalled {
			err = fmt.Errorf("%w%s", load.ErrStalled, strings.TrimPrefix(a.Error, load.ErrStalled.Error()))
		}
	}
	if err != nil {
		return a, fmt.Errorf("%s: %w", c.Op, err)
	}
	return a, nil
}

func (r *rig) open(g load.Group) (control.Answer, error) {
	g.Path, g.Enveloped = "/events", r.hello.Enveloped
	a, err := r.do(control.Command{Op: "open", Group: g})
	if err == nil && a.Groups[g.Name].Failed > 0 {
		err = fmt.Errorf("open: %d of %d connections failed", a.Groups[g.Name].Failed, g.N)
	}
	return a, err
}

// settle waits until every client has event last.
func (r *rig) settle(last uint64, within time.Duration) (control.Answer, error) {
	return r.do(control.Command{Op: "settle", Last: last, For: within})
}

func (r *rig) ask(method, path string, v any) error {
	req, err := http.NewRequest(method, "http://"+r.hello.Control+path, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Timeout: 2 * patience}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s: %s: %s", path, res.Status, text)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

func (r *rig) stats() (s control.Stats, err error) { return s, r.ask("GET", "/stats", &s) }

func (r *rig) collected() (s control.Stats, err error) { return s, r.ask("POST", "/gc", &s) }

// publish publishes n events at once and returns the number of the last.
func (r *rig) publish(n int) (uint64, error) { return r.schedule(n, 0, 1) }

// schedule publishes n events, rate a second and burst at a time.
func (r *rig) schedule(n int, rate float64, burst int) (uint64, error) {
	var p control.Published
	err := r.ask("POST", fmt.Sprintf("/publish?n=%d&rate=%g&burst=%d", n, rate, burst), &p)
	return p.Last, err
}

// terminate sends SIGTERM to the server, calls meanwhile, and returns how long the server
// took to exit.
func (r *rig) terminate(meanwhile func() error) (time.Duration, error) {
	began := time.Now()
	if err := r.server.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	took := make(chan time.Duration, 1)
	var exit error
	go func() {
		exit = <-r.exited
		took <- time.Since(began)
	}()
	err := meanwhile()
	select {
	case d := <-took:
		r.exited <- exit
		return d, errors.Join(err, exit)
	case <-time.After(patience):
		return 0, errors.Join(err, errors.New("the server does not exit"))
	}
}
