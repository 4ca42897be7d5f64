// Command bench runs the scenarios, each with a server process on core 0 and a load
// process on core 1. It prints Markdown. It fails if a scenario fails, or if Fluxwire
// loses, repeats or reorders an event, ends a stream without last words, or stops serving
// because some clients do not read. Failures of other people's systems are only listed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	small := fs.Bool("smoke", false, "small and short: does everything work?")
	runs := fs.Int("runs", 5, "how often each scenario runs; the tables have medians")
	only := fs.String("scenarios", "", "`names` of scenarios, with commas between; default all")
	which := fs.String("systems", strings.Join(everySystem, ","), "`names` of systems, with commas between, of "+strings.Join(names(), ", "))
	file := fs.String("o", "", "`file` for what is printed, too")
	old := fs.String("before", "", "`program` built from cmd/server of another version: for each of Fluxwire's systems that version runs, too, in the same turns")
	if err := fs.Parse(args); err != nil {
		return err
	}
	z := full
	if *small {
		z, *runs = smoke, 1
	}
	chosen := scenarios(z)
	if *only != "" {
		names := strings.Split(*only, ",")
		for _, name := range names {
			if !slices.ContainsFunc(chosen, func(s scenario) bool { return s.name == name }) {
				return fmt.Errorf("there is no scenario %q", name)
			}
		}
		chosen = slices.DeleteFunc(chosen, func(s scenario) bool { return !slices.Contains(names, s.name) })
	}
	var systems, notes []string
	for name := range strings.SplitSeq(*which, ",") {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no system %q", name)
		}
		if err := missing(name); err != nil {
			note := fmt.Sprintf("SKIPPED: %s: %v", name, err)
			fmt.Fprintln(stderr, note)
			notes = append(notes, note)
			continue
		}
		systems = append(systems, name)
		if *old != "" && ours(name) {
			systems = append(systems, name+before)
		}
	}
	out := stdout
	if *file != "" {
		f, err := os.Create(*file)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(stdout, f)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(ctx, dir, systems); err != nil {
		return err
	}
	if *old != "" {
		program, err := filepath.Abs(*old)
		if err != nil {
			return err
		}
		if err := os.Symlink(program, filepath.Join(dir, "server"+before)); err != nil {
			return err
		}
	}

	// Unless systems are named, it is enough that each works at all.
	brief := *small && !given(fs, "systems")
	var rows []*row
	for _, s := range chosen {
		for _, name := range systems {
			switch {
			case s.only != nil && !s.only(name):
			case brief && peer(name) && s.name != "inflight4":
			case brief && name == "subject":
			default:
				rows = append(rows, &row{scenario: s, system: name})
			}
		}
	}
	var wrong []string
runs:
	for i := range *runs {
		// In turns, so that other work of the machine harms all alike.
		for _, r := range rows {
			began := time.Now()
			v, err := r.scenario.once(ctx, dir, r.system)
			if ctx.Err() != nil {
				wrong = append(wrong, "stopped: the tables have what there was by then")
				break runs
			}
			if err != nil {
				what := fmt.Sprintf("%s, %s, run %d: %v", r.scenario.name, r.system, i+1, err)
				if foreign(r.system) {
					notes = append(notes, what)
				} else {
					wrong = append(wrong, what)
				}
			}
			r.runs = append(r.runs, v)
			if ours(r.system) {
				wrong = append(wrong, r.check(v)...)
			}
			fmt.Fprintf(stderr, "%s, %s, run %d of %d: %.1fs %s\n", r.scenario.name, r.system, i+1, *runs, time.Since(began).Seconds(), v.line(r.scenario.table, err))
		}
	}
	fmt.Fprintf(out, "%d cores, %s, %s, %d runs. Medians, and (least–most); × and now / before are medians of the ratios in the same turn.\n\n",
		runtime.NumCPU(), kernelVersion(), runtime.Version(), *runs)
	for _, t := range tables {
		t.write(out, rows)
	}
	writeChanges(out, rows)
	if all := slices.Concat(notes, wrong); len(all) > 0 {
		fmt.Fprintf(out, "### What did not work\n\n")
		for _, s := range all {
			fmt.Fprintf(out, "- %s\n", strings.ReplaceAll(s, "\n", "; "))
		}
		fmt.Fprintln(out)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("must not happen:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}

func kernelVersion() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "an unknown kernel"
	}
	return "Linux " + strings.TrimSpace(string(b))
}

func given(fs *flag.FlagSet, name string) (is bool) {
	fs.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// check returns the figures in v that Fluxwire must never have.
func (r *row) check(v values) (wrong []string) {
	for _, key := range []string{"lost", "twice", "misordered", "malformed", "broken", "cut", "gave up", "stopped"} {
		if v[key] > 0 {
			wrong = append(wrong, fmt.Sprintf("%s, %s: %v %s", r.scenario.name, r.system, v[key], key))
		}
	}
	if r.scenario.table == shutdown && v != nil && v["bye"] != 100 {
		wrong = append(wrong, fmt.Sprintf("%s, %s: only %v %% were told stream.bye", r.scenario.name, r.system, v["bye"]))
	}
	return wrong
}
