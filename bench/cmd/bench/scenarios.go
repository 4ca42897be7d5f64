package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

// A scenario measures one thing of one system.
type scenario struct {
	name  string
	what  string // for the table
	table *table
	only  func(system string) bool // reports whether a system can run it; nil means all
	args  []string                 // of the server
	run   func(r *rig, system string) (values, error)

	servers int // with fleet: how many, each with its own load
	fleet   func(rs []*rig) (values, error)
}

// sizes are the sizes of the scenarios.
type sizes struct {
	conns    int
	many     int
	idle     []int
	servers  int // each with this many connections:
	each     int
	measured time.Duration
	longer   time.Duration // for scenarios whose many connections make a round long
	warmUp   time.Duration
	storm    int
	history  int
	rate     float64 // connections opened in a second
}

var (
	full = sizes{
		conns: 1000, many: 10_000, idle: []int{1000, 10_000, 18_000}, servers: 5, each: 18_000,
		measured: 2 * time.Second, longer: 5 * time.Second, warmUp: 500 * time.Millisecond,
		storm: 9000, history: 10_000, rate: 3000,
	}
	smoke = sizes{
		conns: 100, many: 300, idle: []int{200}, servers: 2, each: 150,
		measured: 300 * time.Millisecond, longer: 500 * time.Millisecond, warmUp: 100 * time.Millisecond,
		storm: 200, history: 500, rate: 2000,
	}
)

func scenarios(z sizes) []scenario {
	var all []scenario
	for _, n := range []int{1, 4, 32} {
		all = append(all, scenario{
			name: "inflight" + strconv.Itoa(n), what: fmt.Sprintf("%d in flight, %d connections", n, z.conns), table: delivery,
			run: func(r *rig, _ string) (values, error) { return z.loop(r, z.conns, looped(r, n), z.measured) },
		})
	}
	all = append(all,
		scenario{
			name: "http32", what: fmt.Sprintf("32 in flight, a request each, %d connections", z.conns), table: delivery,
			run: func(r *rig, system string) (values, error) {
				again := posted(r, 32)
				if system == floorName { // it closes each connection
					again = looped(r, 32)
				}
				return z.loop(r, z.conns, again, z.measured)
			},
		},
		scenario{
			name: fmt.Sprintf("flat%d", z.many), what: fmt.Sprintf("32 in flight, %d connections", z.many), table: delivery,
			run: func(r *rig, _ string) (values, error) { return z.loop(r, z.many, looped(r, 32), z.longer) },
		},
		scenario{
			name: fmt.Sprintf("rate%d", z.many), what: fmt.Sprintf("10 events/s, %d connections", z.many), table: delivery,
			run: func(r *rig, _ string) (values, error) { return z.onSchedule(r, z.many, 10, 1) },
		},
		scenario{
			name: "bursts", what: fmt.Sprintf("5 bursts of ten a second, %d connections", z.conns), table: delivery,
			run: func(r *rig, _ string) (values, error) { return z.onSchedule(r, z.conns, 50, 10) },
		},
		scenario{
			name: "stuck1pct", what: fmt.Sprintf("1,000 bytes, 4 in flight, %d connections that read and %d that do not", z.conns-z.mute(), z.mute()), table: stuck,
			args: []string{"-size", "1000"},
			run:  func(r *rig, _ string) (values, error) { return z.stuck(r) },
		},
		scenario{
			name: "churn", what: fmt.Sprintf("20 events/s, %d connections, half of them reopened at %d/s", 2*z.conns, z.conns/2), table: delivery,
			run: z.churn,
		},
	)
	for _, n := range z.idle {
		all = append(all, scenario{
			name: fmt.Sprintf("idle%d", n), what: fmt.Sprintf("%d idle connections", n), table: memory,
			run: func(r *rig, _ string) (values, error) { return z.idleConns(r, n) },
		})
	}
	n := z.servers * z.each
	all = append(all, scenario{
		name: fmt.Sprintf("idle%d", n), what: fmt.Sprintf("%d idle connections to %d servers", n, z.servers), table: fleet,
		servers: z.servers, fleet: z.spread,
	})
	return append(all,
		scenario{
			name: "storm", what: fmt.Sprintf("%d clients come back within a second, each from another id", z.storm), table: storm,
			only: keeps,
			args: []string{"-history", strconv.Itoa(z.history + 100)},
			run:  func(r *rig, _ string) (values, error) { return z.resume(r) },
		},
		scenario{
			name: "shutdown", what: fmt.Sprintf("SIGTERM, %d open streams", z.conns), table: shutdown,
			run: func(r *rig, _ string) (values, error) { return z.shutdown(r, 0) },
		},
		scenario{
			name: "shutdown-slow", what: "the same, and 1 % more that never read", table: shutdown,
			args: []string{"-size", "1000"},
			run:  func(r *rig, _ string) (values, error) { return z.shutdown(r, z.mute()) },
		},
	)
}

// books are the counts that are added up over all runs, not averaged: no run may hide
// behind the others.
func books(v values, groups map[string]load.Report) {
	for _, g := range groups {
		v["lost"] += float64(g.Lost)
		v["twice"] += float64(g.Twice)
		v["misordered"] += float64(g.Misordered)
		v["told"] += float64(g.Told)
		v["malformed"] += float64(g.Malformed) + float64(g.WrongGaps)
		v["broken"] += float64(g.Broken) + float64(g.Failed)
	}
}

// A closedLoop keeps events under way for d. last is the number of the last event so far.
type closedLoop func(last uint64, d time.Duration) (control.Answer, error)

// loop is the closed loop, which keeps the same number of events under way.
func (z sizes) loop(r *rig, conns int, again closedLoop, d time.Duration) (values, error) {
	if _, err := r.open(load.Group{Name: "readers", N: conns, Rate: z.rate, Next: 1}); err != nil {
		return nil, err
	}
	warm, err := again(0, z.warmUp)
	if err != nil {
		return nil, err
	}
	return measured(r, func() (control.Answer, uint64, error) {
		a, err := again(warm.Published, d)
		return a, warm.Published + a.Published, err
	})
}

// looped keeps inFlight events under way. One goroutine publishes them.
func looped(r *rig, inFlight int) closedLoop {
	return func(last uint64, d time.Duration) (control.Answer, error) {
		return r.do(control.Command{Op: "loop", Last: last, InFlight: inFlight, For: d, Trigger: r.hello.Trigger})
	}
}

// posted is like looped, but each event is a separate request: the server's HTTP
// goroutines publish them.
func posted(r *rig, inFlight int) closedLoop {
	return func(last uint64, d time.Duration) (control.Answer, error) {
		return r.do(control.Command{Op: "loop", Last: last, InFlight: inFlight, For: d, Post: r.hello.Control})
	}
}

// onSchedule is the open loop: events are published whether or not earlier ones have
// arrived. An event that has not arrived at the end of the time is late; it counts as
// lost only if it does not arrive later either.
func (z sizes) onSchedule(r *rig, conns int, rate float64, burst int) (values, error) {
	if _, err := r.open(load.Group{Name: "readers", N: conns, Rate: z.rate, Next: 1}); err != nil {
		return nil, err
	}
	first, err := r.publish(1)
	if err != nil {
		return nil, err
	}
	if _, err := r.settle(first, patience); err != nil {
		return nil, err
	}
	n := max(burst, int(rate*z.longer.Seconds())/burst*burst)
	var inTime float64
	v, err := measured(r, func() (control.Answer, uint64, error) {
		var last uint64
		published := make(chan error, 1)
		go func() {
			var err error
			last, err = r.schedule(n, rate, burst)
			published <- err
		}()
		began := time.Now()
		a, err := r.do(control.Command{Op: "for", For: time.Duration(float64(n) / rate * 1e9)})
		inTime = float64(a.Delivered) / float64(n*conns) * 100
		// Wait for late events: the work for them is part of the figures.
		if err := errors.Join(err, <-published); err != nil {
			return a, 0, err
		}
		took := time.Since(began)
		a, err = r.settle(last, 10*time.Second)
		if a.Done { // otherwise some events were dropped and never arrive
			took += a.Took
		}
		a.Took = took
		return a, last, err
	})
	if v != nil {
		v["kept"] = inTime
	}
	return v, err
}

// mute is how many connections never read in scenarios where some do not: 1 %.
func (z sizes) mute() int { return max(1, z.conns/100) }

// stuck measures the closed loop with connections that all read. Then it opens 1 % that
// never read, and measures the others again on the same server.
func (z sizes) stuck(r *rig) (values, error) {
	if _, err := r.open(load.Group{Name: "readers", N: z.conns - z.mute(), Rate: z.rate, Next: 1}); err != nil {
		return nil, err
	}
	again := looped(r, 4)
	warm, err := again(0, z.warmUp)
	if err != nil {
		return nil, err
	}
	last := warm.Published
	run := func() (control.Answer, uint64, error) {
		a, err := again(last, z.measured)
		last += a.Published
		return a, last, err
	}
	all, err := measured(r, run)
	if err != nil {
		return nil, err
	}
	before, err := r.collected()
	if err != nil {
		return nil, err
	}
	if err := r.ask("POST", "/reset-peak", new(struct{})); err != nil {
		return nil, err
	}
	if _, err := r.open(load.Group{Name: "mute", N: z.mute(), Mute: true}); err != nil {
		return nil, err
	}
	v := values{}
	last, err = fill(r, last, again)
	if err == nil {
		v, err = measured(r, run)
	}
	if errors.Is(err, load.ErrStalled) {
		v, err = values{"stopped": 1}, nil
	}
	if err != nil {
		return nil, err
	}
	after, err := r.stats()
	if err != nil {
		return nil, err
	}
	v["all"], v["p99 all"] = all["cpu"], all["p99"]
	v["peak"] = (float64(after.PeakRSS) - float64(before.RSS)) / (1 << 20)
	if cpu, ok := v["cpu"]; ok {
		v["ratio"] = cpu / all["cpu"]
	}
	return v, nil
}

// fill publishes events until the buffers of the connections that do not read are full.
// A system shows that by the count of what it has not sent or has dropped; fill waits
// some time for a system that counts neither. last is the number of the last event so
// far; fill returns the new one.
func fill(r *rig, last uint64, again closedLoop) (uint64, error) {
	for i := range 20 {
		a, err := again(last, time.Second)
		if err != nil {
			return 0, err
		}
		last += a.Published
		s, err := r.stats()
		if err != nil {
			return 0, err
		}
		_, lags := s.Counts["lag"]
		_, drops := s.Counts["dropped"]
		// A few may still be on their way to connections that read.
		if s.Counts["lag"] > 64 || s.Counts["dropped"] > 0 || !lags && !drops && i == 4 {
			return last, nil
		}
	}
	return 0, errors.New("the connections that do not read hold nothing up: nothing would be measured")
}

// measured calls run and returns the figures of one table row for it. run returns the
// number of the last event.
func measured(r *rig, run func() (control.Answer, uint64, error)) (values, error) {
	if _, err := r.do(control.Command{Op: "measure"}); err != nil {
		return nil, err
	}
	before, err := r.stats()
	if err != nil {
		return nil, err
	}
	a, last, err := run()
	if err != nil {
		return nil, err
	}
	after, err := r.stats()
	if err != nil {
		return nil, err
	}
	end, err := r.settle(last, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if a.Delivered == 0 {
		return nil, errors.New("nothing was delivered")
	}
	v := values{
		"cpu":       float64(after.CPU-before.CPU) / 1e3 / float64(a.Delivered),
		"core":      float64(after.CPU-before.CPU) / float64(a.Took),
		"delivered": float64(a.Delivered) / a.Took.Seconds() / 1e3,
		"p50":       a.Latency.P50,
		"p99":       a.Latency.P99,
		"p999":      a.Latency.P999,
		"behind":    float64(after.Counts["lag"]),
		"dropped":   float64(after.Counts["dropped"]),
	}
	books(v, end.Groups)
	return v, nil
}

func (z sizes) churn(r *rig, system string) (values, error) {
	resume := keeps(system)
	for _, g := range []load.Group{
		{Name: "stable", N: z.conns, Rate: z.rate, Next: 1},
		{Name: "churn", N: z.conns, Rate: z.rate, Next: 1, Resume: resume},
	} {
		if _, err := r.open(g); err != nil {
			return nil, err
		}
	}
	// Each client has an event, and so an id, before the first one leaves.
	first, err := r.publish(1)
	if err != nil {
		return nil, err
	}
	if _, err := r.settle(first, patience); err != nil {
		return nil, err
	}
	return measured(r, func() (control.Answer, uint64, error) {
		const rate = 20
		published := make(chan error, 1)
		go func() {
			_, err := r.schedule(int(rate*z.measured.Seconds()), rate, 1)
			published <- err
		}()
		a, err := r.do(control.Command{
			Op: "churn", Group: load.Group{Name: "churn"}, Rate: float64(z.conns) / 2, For: z.measured,
		})
		if err := errors.Join(err, <-published); err != nil {
			return a, 0, err
		}
		// Wait until clients that have just reconnected are subscribed, so that events
		// that they cannot resume do not count as lost; then one event for all.
		if _, err := r.do(control.Command{Op: "for", For: 500 * time.Millisecond}); err != nil {
			return a, 0, err
		}
		last, err := r.publish(1)
		return a, last, err
	})
}

// calm returns [usage.Kernel] once it has stopped falling: the kernel may still be
// freeing sockets of an earlier run.
func calm() (uint64, error) {
	last, err := usage.Kernel()
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		before := last
		if last, err = usage.Kernel(); err != nil || last+64<<10 > before {
			break
		}
	}
	return last, err
}

func (z sizes) idleConns(r *rig, n int) (values, error) {
	// Do not count memory that only the first connections cause.
	if _, err := r.open(load.Group{Name: "first", N: 10}); err != nil {
		return nil, err
	}
	kernel, err := calm()
	if err != nil {
		return nil, err
	}
	before, err := r.collected()
	if err != nil {
		return nil, err
	}
	opened, err := r.open(load.Group{Name: "idle", N: n, Rate: z.rate})
	if err != nil {
		return nil, err
	}
	settled, err := r.stats()
	if err != nil {
		return nil, err
	}
	after, err := r.collected()
	if err != nil {
		return nil, err
	}
	taken, err := usage.Kernel()
	if err != nil {
		return nil, err
	}
	each := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	v := values{
		"settled":   each(before.RSS, settled.RSS),
		"collected": each(before.RSS, after.RSS),
		"kernel":    each(kernel, taken),
		"setup":     float64(settled.CPU-before.CPU) / 1e3 / float64(n),
		"head":      opened.Head.P99,
	}
	if before.Goroutines > 0 { // else it is not a Go program
		v["heap"] = each(before.HeapAlloc, after.HeapAlloc)
		v["stack"] = each(before.StackInuse, after.StackInuse)
		v["goroutines"] = (float64(after.Goroutines) - float64(before.Goroutines)) / float64(n)
	}
	// All must still be open: each gets the next event.
	last, err := r.publish(1)
	if err != nil {
		return nil, err
	}
	end, err := r.settle(last, patience)
	if err != nil {
		return nil, err
	}
	if got := end.Groups["idle"].Events; got != uint64(n) {
		return nil, fmt.Errorf("%d of %d idle connections got the event", got, n)
	}
	books(v, end.Groups)
	return v, nil
}

// together calls f for all of rs at the same time, and returns their errors, joined.
func together(rs []*rig, f func(i int, r *rig) error) error {
	errs := make([]error, len(rs))
	var wg sync.WaitGroup
	for i, r := range rs {
		wg.Go(func() { errs[i] = f(i, r) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stock adds up what ask returns for each server.
func stock(rs []*rig, ask func(*rig) (control.Stats, error)) (total control.Stats, err error) {
	for _, r := range rs {
		s, err := ask(r)
		if err != nil {
			return total, err
		}
		total.CPU += s.CPU
		total.RSS += s.RSS
	}
	return total, nil
}

// spread opens connections to several servers, since a process may have some 20,000
// files; then each gets one event.
func (z sizes) spread(rs []*rig) (values, error) {
	n := float64(len(rs) * z.each)
	// Do not count memory that only the first connections cause.
	if err := together(rs, func(_ int, r *rig) error {
		_, err := r.open(load.Group{Name: "first", N: 10})
		return err
	}); err != nil {
		return nil, err
	}
	kernel, err := calm()
	if err != nil {
		return nil, err
	}
	before, err := stock(rs, (*rig).collected)
	if err != nil {
		return nil, err
	}
	if err := together(rs, func(_ int, r *rig) error {
		_, err := r.open(load.Group{Name: "idle", N: z.each, Rate: 2 * z.rate / float64(len(rs)), Next: 1})
		return err
	}); err != nil {
		return nil, err
	}
	open, err := stock(rs, (*rig).stats)
	if err != nil {
		return nil, err
	}
	after, err := stock(rs, (*rig).collected)
	if err != nil {
		return nil, err
	}
	taken, err := usage.Kernel()
	if err != nil {
		return nil, err
	}
	v := values{
		"total":     float64(after.RSS) / (1 << 20),
		"collected": (float64(after.RSS) - float64(before.RSS)) / n,
		"kernel":    (float64(taken) - float64(kernel)) / n,
		"setup":     float64(open.CPU-before.CPU) / 1e3 / n,
	}
	ends := make([]control.Answer, len(rs))
	began := time.Now()
	if err := together(rs, func(i int, r *rig) error {
		// No client may be subscribed late, so the load reads while its server publishes.
		last := make(chan error, 1)
		go func() {
			_, err := r.publish(1)
			last <- err
		}()
		var err error
		ends[i], err = r.settle(1, patience)
		return errors.Join(err, <-last)
	}); err != nil {
		return nil, err
	}
	v["wall"] = float64(time.Since(began)) / 1e6
	end, err := stock(rs, (*rig).stats)
	if err != nil {
		return nil, err
	}
	v["cpu"] = float64(end.CPU-after.CPU) / 1e3 / n
	for i, a := range ends {
		books(v, a.Groups)
		if got := a.Groups["idle"].Events; got != uint64(z.each) {
			err = errors.Join(err, fmt.Errorf("server %d: %d of %d idle connections got the event", i+1, got, z.each))
		}
	}
	return v, err
}

func (z sizes) resume(r *rig) (values, error) {
	last, err := r.publish(z.history)
	if err != nil {
		return nil, err
	}
	if _, err := r.do(control.Command{Op: "learn", Group: load.Group{Path: "/events?earliest"}, Last: last}); err != nil {
		return nil, err
	}
	before, err := r.collected()
	if err != nil {
		return nil, err
	}
	if err := r.ask("POST", "/reset-peak", new(struct{})); err != nil {
		return nil, err
	}
	if _, err := r.do(control.Command{Op: "measure"}); err != nil {
		return nil, err
	}
	began := time.Now()
	opened, err := r.do(control.Command{Op: "open", Group: load.Group{
		Name: "storm", Path: "/events", N: z.storm, Rate: float64(z.storm), Spread: uint64(z.history - z.storm), NoWait: true,
	}})
	if err != nil {
		return nil, err
	}
	settled, err := r.settle(last, 2*patience)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := r.stats()
	if err != nil {
		return nil, err
	}
	// All must be live: each gets the next event.
	if last, err = r.publish(1); err != nil {
		return nil, err
	}
	end, err := r.settle(last, patience)
	if err != nil {
		return nil, err
	}
	rest, err := r.collected()
	if err != nil {
		return nil, err
	}
	v := values{
		"wall":   took.Seconds(),
		"ramp":   opened.Took.Seconds(),
		"server": (after.CPU - before.CPU).Seconds(),
		"events": float64(settled.Delivered) / 1e6,
		"cpu":    float64(after.CPU-before.CPU) / 1e3 / float64(settled.Delivered),
		"each":   float64(after.CPU-before.CPU) / 1e3 / float64(z.storm),
		"peak":   (float64(after.PeakRSS) - float64(before.RSS)) / (1 << 20),
		"rest":   (float64(rest.RSS) - float64(before.RSS)) / float64(z.storm),
		"head":   settled.Head.P99,
		"load":   (settled.CPU - opened.CPU).Seconds(),
	}
	books(v, end.Groups)
	// Client i has had z.history-z.storm+i events: exactly the later ones must come.
	want := uint64(0)
	for i := range z.storm {
		want += uint64(z.storm-i) + 1
	}
	if got := end.Groups["storm"].Events; got != want {
		v["lost"] += max(0, float64(want)-float64(got))
		return v, fmt.Errorf("storm: %d events received, want exactly %d", got, want)
	}
	return v, nil
}

func (z sizes) shutdown(r *rig, mute int) (values, error) {
	if mute > 0 {
		if _, err := r.open(load.Group{Name: "mute", N: mute, Mute: true}); err != nil {
			return nil, err
		}
	}
	if _, err := r.open(load.Group{Name: "readers", N: z.conns, Rate: z.rate, Next: 1}); err != nil {
		return nil, err
	}
	publish := looped(r, 4)
	warm, err := publish(0, z.warmUp)
	last := warm.Published
	if err == nil && mute > 0 {
		last, err = fill(r, last, publish)
	}
	stopped := 0.
	if errors.Is(err, load.ErrStalled) && mute > 0 {
		// A system that has stopped serving must still exit. Missing events are expected
		// then.
		stopped, last, err = 1, 0, nil
	}
	if err != nil {
		return nil, err
	}
	var end control.Answer
	took, err := r.terminate(func() error {
		var err error
		end, err = r.do(control.Command{Op: "ended", Last: last, For: 20 * time.Second})
		return err
	})
	_, gaveUp := errors.AsType[*exec.ExitError](err)
	if err != nil && !gaveUp {
		return nil, err
	}
	readers := end.Groups["readers"]
	v := values{
		"bye":  float64(readers.Bye) / float64(readers.Conns) * 100,
		"cut":  float64(readers.Cut),
		"exit": float64(took) / 1e6,

		"stopped": stopped,
	}
	if gaveUp {
		v["gave up"] = 1
	}
	books(v, end.Groups)
	v["broken"] = 0 // the server was stopped, so they had to end
	return v, nil
}

// once runs s for system, in new processes.
func (s scenario) once(ctx context.Context, dir, system string) (values, error) {
	var rs []*rig
	for range max(1, s.servers) {
		r, err := start(ctx, dir, system, s.args...)
		if err != nil {
			return nil, err
		}
		defer r.stop()
		rs = append(rs, r)
	}
	if s.fleet != nil {
		return s.fleet(rs)
	}
	return s.run(rs[0], system)
}
