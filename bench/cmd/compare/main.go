// Command compare runs the Go benchmarks of two checkouts in turns, and prints how they
// have changed. Each benchmark of each round runs in both, one right after the other, so
// that what else the machine does harms both alike.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// A figure is one unit of one benchmark.
type figure struct{ pkg, name, unit string }

// results are the values of the rounds, by figure.
type results map[figure][]float64

// A suite is the benchmarks of one package, built from both checkouts.
type suite struct {
	pkg   string
	dirs  [2]string // where they run
	tests [2]string // programs; empty where the checkout has no such package, or no test in it
	names []string  // of the benchmarks
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: compare [flags] before now package...")
		fs.PrintDefaults()
	}
	rounds := fs.Int("rounds", 10, "how often each benchmark runs in each checkout")
	pattern := fs.String("bench", ".", "`pattern` of the names of benchmarks")
	skip := fs.String("skip", "", "`pattern` of those left out, as of go test: in a list with |, names with fewer slashes first")
	benchtime := fs.String("benchtime", "100ms", "how `long` each runs")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() < 3 || *rounds < 1 {
		fs.Usage()
		return errors.New("two directories, packages as of the go command, and at least one round are wanted")
	}
	checkouts := [2]string{fs.Arg(0), fs.Arg(1)}
	tmp, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	suites, err := build(ctx, tmp, checkouts, fs.Args()[2:], *pattern, stderr)
	if err != nil {
		return err
	}
	var all [2]results
	all[0], all[1] = results{}, results{}
	for i := range *rounds {
		for _, s := range suites {
			for _, name := range s.names {
				for k := range all {
					side := (k + i) % 2 // the first one of a pair may have the better machine
					if s.tests[side] == "" {
						continue
					}
					cmd := exec.CommandContext(ctx, s.tests[side], "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.benchtime", *benchtime, "-test.benchmem", "-test.skip", *skip)
					cmd.Dir, cmd.Stderr = s.dirs[side], stderr
					out, err := cmd.Output()
					if err != nil {
						return fmt.Errorf("%s of %s in %s: %w\n%s", name, s.pkg, checkouts[side], err, out)
					}
					all[side].read(s.pkg, out)
				}
			}
		}
		fmt.Fprintf(stderr, "round %d of %d\n", i+1, *rounds)
	}
	write(stdout, all[0], all[1])
	return nil
}

// build makes the test programs of what patterns name in checkouts.
func build(ctx context.Context, tmp string, checkouts [2]string, patterns []string, pattern string, stderr io.Writer) ([]*suite, error) {
	byPkg := make(map[string]*suite)
	for side, checkout := range checkouts {
		goTool := func(args ...string) ([]byte, error) {
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir, cmd.Stderr = checkout, stderr
			out, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("go %s in %s: %w", args[0], checkout, err)
			}
			return out, nil
		}
		list, err := goTool(append([]string{"list", "-f", "{{.ImportPath}} {{.Module.Path}} {{.Dir}}"}, patterns...)...)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(list)) {
			f := strings.SplitN(strings.TrimSpace(line), " ", 3)
			path, dir := f[0], f[2]
			program := filepath.Join(tmp, fmt.Sprintf("%d-%s.test", side, strings.ReplaceAll(path, "/", "-")))
			if _, err := goTool("test", "-c", "-o", program, path); err != nil {
				return nil, err
			}
			pkg := "." + strings.TrimPrefix(path, f[1])
			if _, err := os.Stat(program); err != nil {
				continue // it has no tests
			}
			cmd := exec.CommandContext(ctx, program, "-test.list", pattern)
			cmd.Dir, cmd.Stderr = dir, stderr
			names, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("%s in %s: %w", pkg, checkout, err)
			}
			for name := range strings.FieldsSeq(string(names)) {
				if !strings.HasPrefix(name, "Benchmark") {
					continue
				}
				s := byPkg[pkg]
				if s == nil {
					s = &suite{pkg: pkg}
					byPkg[pkg] = s
				}
				s.dirs[side], s.tests[side] = dir, program
				if !slices.Contains(s.names, name) {
					s.names = append(s.names, name)
				}
			}
		}
	}
	var suites []*suite
	for _, pkg := range slices.Sorted(maps.Keys(byPkg)) {
		suites = append(suites, byPkg[pkg])
	}
	if len(suites) == 0 {
		return nil, errors.New("there are no benchmarks of that name in these packages")
	}
	return suites, nil
}

// read adds what a test program has printed of its benchmarks.
func (r results) read(pkg string, out []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		// BenchmarkName-2  1000  1234 ns/op  16 B/op  1 allocs/op
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		for i := 2; i+1 < len(f); i += 2 {
			if x, err := strconv.ParseFloat(f[i], 64); err == nil {
				key := figure{pkg, f[0], f[i+1]}
				r[key] = append(r[key], x)
			}
		}
	}
}

// write prints each time of before and now, and what else differs, and names what is on
// one side only. Figures a second say again what a time has said.
func write(w io.Writer, before, now results) {
	fmt.Fprintf(w, "Medians; now / before is the median of the ratios in the same round, and (least–most).\n\n")
	fmt.Fprintf(w, "| package | benchmark | unit | before | now | now / before |\n|---|---|---|---|---|---|\n")
	var alone []string
	all := maps.Clone(before)
	maps.Copy(all, now)
	for _, f := range slices.SortedFunc(maps.Keys(all), func(a, b figure) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name), -cmp.Compare(a.unit, b.unit))
	}) {
		x, y := before[f], now[f]
		switch {
		case x == nil || y == nil:
			side := "now"
			if y == nil {
				side = "before"
			}
			if f.unit == "allocs/op" { // which -test.benchmem gives all
				alone = append(alone, fmt.Sprintf("- only %s: %s %s\n", side, f.pkg, f.name))
			}
			continue
		case strings.HasSuffix(f.unit, "/s"):
			continue
		case f.unit != "ns/op" && (median(x) == median(y) || change(x, y) == "1.00, undecided"):
			continue
		case f.unit != "ns/op" && change(x, y) == change(before[figure{f.pkg, f.name, "ns/op"}], now[figure{f.pkg, f.name, "ns/op"}]):
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.4g | %.4g | %s |\n", f.pkg, f.name, f.unit, median(x), median(y), change(x, y))
	}
	if len(alone) > 0 {
		fmt.Fprintf(w, "\nNot compared:\n\n%s", strings.Join(alone, ""))
	}
}

// change is the median of the ratios of ys to xs, and their spread. If that covers 1, it
// is undecided whether anything has changed.
func change(xs, ys []float64) string {
	var all []float64
	for i := range min(len(xs), len(ys)) {
		if xs[i] > 0 {
			all = append(all, ys[i]/xs[i])
		}
	}
	if len(all) == 0 {
		return "–"
	}
	least, most := slices.Min(all), slices.Max(all)
	s := fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), least, most)
	if from, to := fmt.Sprintf("%.2f", least), fmt.Sprintf("%.2f", most); from == to {
		s = from
	}
	if least <= 1 && most >= 1 {
		s += ", undecided"
	}
	return s
}

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	return (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
}
