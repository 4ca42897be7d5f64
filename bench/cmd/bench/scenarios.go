package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
)

// A scenario measures one thing of one system.
type scenario struct {
	name   string
	what   string // for the table
	table  *table
	except map[string]bool // systems that have not got what it takes
	args   []string        // of the server
	run    func(r *rig, system string) (values, error)
}

// sizes are how large the scenarios are.
type sizes struct {
	conns    int
	idle     []int
	measured time.Duration
	warmUp   time.Duration
	storm    int
	history  int
	rate     float64 // connections opened in a second
}

var (
	full  = sizes{1000, []int{1000, 10_000}, 2 * time.Second, 500 * time.Millisecond, 9000, 10_000, 3000}
	smoke = sizes{100, []int{200}, 300 * time.Millisecond, 100 * time.Millisecond, 200, 500, 2000}
)

func scenarios(z sizes) []scenario {
	var all []scenario
	for _, n := range []int{1, 4, 32} {
		all = append(all, scenario{
			name: "inflight" + strconv.Itoa(n), what: fmt.Sprintf("%d in flight, %d connections", n, z.conns), table: delivery,
			run: func(r *rig, _ string) (values, error) { return z.loop(r, n, 0) },
		})
	}
	thousand := []string{"-size", "1000"}
	all = append(all,
		scenario{
			name: "healthy", what: fmt.Sprintf("1,000 bytes, 4 in flight, %d connections, all read", z.conns), table: delivery, args: thousand,
			run: func(r *rig, _ string) (values, error) { return z.loop(r, 4, 0) },
		},
		scenario{
			name: "slow", what: "the same, and 1 % more that never read", table: delivery, args: thousand,
			run: func(r *rig, _ string) (values, error) { return z.loop(r, 4, max(1, z.conns/100)) },
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
	return append(all,
		scenario{
			name: "storm", what: fmt.Sprintf("%d clients come back within a second, each from another id", z.storm), table: storm,
			except: map[string]bool{"nethttp": true, "nethttp-coalesce": true, "subject": true}, // keep no history
			args:   []string{"-history", strconv.Itoa(z.history + 100)},
			run:    func(r *rig, _ string) (values, error) { return z.resume(r) },
		},
		scenario{
			name: "shutdown", what: fmt.Sprintf("SIGTERM, %d open streams", z.conns), table: shutdown,
			run: func(r *rig, _ string) (values, error) { return z.shutdown(r, 0) },
		},
		scenario{
			name: "shutdown-slow", what: "the same, and 1 % more that never read", table: shutdown,
			args: []string{"-size", "1000"},
			run:  func(r *rig, _ string) (values, error) { return z.shutdown(r, max(1, z.conns/100)) },
		},
	)
}

// books are the counts that no run may hide: they are added up, not averaged.
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

// loop is the closed loop: inFlight events are under way at any time.
func (z sizes) loop(r *rig, inFlight, mute int) (values, error) {
	if mute > 0 {
		if _, err := r.open(load.Group{Name: "mute", N: mute, Mute: true}); err != nil {
			return nil, err
		}
	}
	if _, err := r.open(load.Group{Name: "readers", N: z.conns, Rate: z.rate, Next: 1}); err != nil {
		return nil, err
	}
	again := func(last uint64, d time.Duration) (control.Answer, error) {
		return r.do(control.Command{Op: "loop", Last: last, InFlight: inFlight, For: d, Trigger: r.hello.Trigger})
	}
	warm, err := again(0, z.warmUp)
	if err != nil {
		return nil, err
	}
	last := warm.Published
	if mute > 0 {
		if last, err = fill(r, last, again); err != nil {
			return nil, err
		}
	}
	return measured(r, func() (control.Answer, uint64, error) {
		a, err := again(last, z.measured)
		return a, last + a.Published, err
	})
}

// fill has events published, last being the number of the last by now, until those
// that do not read have taken all that their buffers hold. A system tells that by
// what it has not sent or has dropped; one that does neither is given some time. It
// returns the number of the last event.
func fill(r *rig, last uint64, publish func(last uint64, d time.Duration) (control.Answer, error)) (uint64, error) {
	for i := range 20 {
		a, err := publish(last, time.Second)
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
		// A few may be on their way into the books of those that do read.
		if s.Counts["lag"] > 64 || s.Counts["dropped"] > 0 || !lags && !drops && i == 4 {
			return last, nil
		}
	}
	return 0, errors.New("the connections that do not read hold nothing up: nothing would be measured")
}

// measured returns the figures of one table row for what run does; run returns the
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
	end, err := r.settle(last, 5*time.Second)
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
	resume := system == "fluxwire"
	for _, g := range []load.Group{
		{Name: "stable", N: z.conns, Rate: z.rate, Next: 1},
		{Name: "churn", N: z.conns, Rate: z.rate, Next: 1, Resume: resume},
	} {
		if _, err := r.open(g); err != nil {
			return nil, err
		}
	}
	// Everybody has an event, and so an id, before anybody leaves.
	first, err := r.publish(1, 0)
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
			_, err := r.publish(int(rate*z.measured.Seconds()), rate)
			published <- err
		}()
		a, err := r.do(control.Command{
			Op: "churn", Group: load.Group{Name: "churn"}, Rate: float64(z.conns) / 2, For: z.measured,
		})
		if err := errors.Join(err, <-published); err != nil {
			return a, 0, err
		}
		// Those that have just come back are given time, so that what they cannot
		// resume is not held against them; then one event for all.
		if _, err := r.do(control.Command{Op: "for", For: 500 * time.Millisecond}); err != nil {
			return a, 0, err
		}
		last, err := r.publish(1, 0)
		return a, last, err
	})
}

func (z sizes) idleConns(r *rig, n int) (values, error) {
	// What the first connections bring with them is not theirs.
	if _, err := r.open(load.Group{Name: "first", N: 10}); err != nil {
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
	each := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(n) }
	v := values{
		"settled":    each(before.RSS, settled.RSS),
		"collected":  each(before.RSS, after.RSS),
		"heap":       each(before.HeapAlloc, after.HeapAlloc),
		"stack":      each(before.StackInuse, after.StackInuse),
		"goroutines": (float64(after.Goroutines) - float64(before.Goroutines)) / float64(n),
		"setup":      float64(settled.CPU-before.CPU) / 1e3 / float64(n),
		"head":       opened.Head.P99,
	}
	// They are open, and stay so: each gets the next event.
	last, err := r.publish(1, 0)
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

func (z sizes) resume(r *rig) (values, error) {
	last, err := r.publish(z.history, 0)
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
	// And they are live: each gets the next event.
	if last, err = r.publish(1, 0); err != nil {
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
	// Client i has had z.history-z.storm+i events: exactly those behind are to come.
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
	publish := func(last uint64, d time.Duration) (control.Answer, error) {
		return r.do(control.Command{Op: "loop", Last: last, InFlight: 4, For: d, Trigger: r.hello.Trigger})
	}
	warm, err := publish(0, z.warmUp)
	if err != nil {
		return nil, err
	}
	last := warm.Published
	if mute > 0 {
		if last, err = fill(r, last, publish); err != nil {
			return nil, err
		}
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
	}
	if gaveUp {
		v["gave up"] = 1
	}
	books(v, end.Groups)
	v["broken"] = 0 // they were meant to end
	return v, nil
}

// once runs s for system, with processes of its own.
func (s scenario) once(ctx context.Context, dir, system string) (values, error) {
	r, err := start(ctx, dir, append([]string{"-system", system}, s.args...)...)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	return s.run(r, system)
}
