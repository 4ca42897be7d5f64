package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// values are the figures of one run.
type values map[string]float64

// A table shows the figures of some scenarios.
type table struct {
	title   string
	columns []column
}

type column struct {
	head, key, format string
	kind              kind
	ratios            ratios
}

type kind int

const (
	median kind = iota // and from the least to the most, where runs differ
	sum                // over all runs: counts that must not be averaged
)

// ratios are the columns after a figure that compare it.
type ratios int

const (
	toFloor     ratios = 1 << iota // with the floor's
	toLeast                        // with the least of a peer
	toMost                         // with the most of a peer
	toBefore                       // with the same system of the version before, in a table of their own
	none        ratios = 0
	toLeastPeer        = toFloor | toLeast
)

var counted = []column{
	{"lost", "lost", "%.0f", sum, none},
	{"twice", "twice", "%.0f", sum, none},
	{"misordered", "misordered", "%.0f", sum, none},
}

var (
	delivery = &table{"Delivery", append([]column{
		{"server CPU µs/delivery", "cpu", "%.2f", median, toLeastPeer | toBefore},
		{"of a core", "core", "%.2f", median, none},
		{"thousand deliveries/s", "delivered", "%.0f", median, toMost},
		{"p50 ms", "p50", "%.1f", median, none},
		{"p99 ms", "p99", "%.1f", median, none},
		{"p99.9 ms", "p999", "%.1f", median, none},
		{"% there in time", "kept", "%.1f", median, none},
	}, append(counted, column{"told missing", "told", "%.0f", sum, none})...)}

	stuck = &table{"Clients that never read", append([]column{
		{"all read: server CPU µs/delivery", "all", "%.2f", median, none},
		{"1 % do not: server CPU µs/delivery", "cpu", "%.2f", median, toLeastPeer | toBefore},
		{"ratio of the two", "ratio", "%.2f", median, none},
		{"all read: p99 ms", "p99 all", "%.1f", median, none},
		{"1 % do not: p99 ms", "p99", "%.1f", median, none},
		{"stopped serving, runs", "stopped", "%.0f", sum, none},
		{"the last is behind by", "behind", "%.0f", median, none},
		{"dropped for who does not read", "dropped", "%.0f", median, none},
		{"peak RSS growth MiB", "peak", "%.1f", median, none},
	}, counted...)}

	memory = &table{"Idle connections", []column{
		{"RSS bytes/conn", "settled", "%.0f", median, toLeast},
		{"after GC", "collected", "%.0f", median, toLeast},
		{"heap/conn", "heap", "%.0f", median, toBefore},
		{"stack/conn", "stack", "%.0f", median, none},
		{"goroutines/conn", "goroutines", "%.1f", median, none},
		{"kernel bytes/conn, both ends", "kernel", "%.0f", median, none},
		{"set-up CPU µs/conn", "setup", "%.0f", median, toLeastPeer | toBefore},
		{"connect to head, p99 ms", "head", "%.0f", median, none},
	}}

	fleet = &table{"Idle connections to several processes, then one event to all", append([]column{
		{"all servers' RSS MiB, after GC", "total", "%.0f", median, toLeast},
		{"RSS bytes/conn, after GC", "collected", "%.0f", median, toLeast},
		{"kernel bytes/conn, both ends", "kernel", "%.0f", median, none},
		{"set-up CPU µs/conn", "setup", "%.0f", median, toLeastPeer | toBefore},
		{"ms to the last byte", "wall", "%.0f", median, toLeastPeer},
		{"server CPU µs/delivery", "cpu", "%.2f", median, toLeastPeer | toBefore},
	}, counted...)}

	storm = &table{"Resume storm", append([]column{
		{"million events", "events", "%.2f", median, none},
		{"s to the last event of the last client", "wall", "%.2f", median, none},
		{"server CPU s", "server", "%.2f", median, none},
		{"µs/client", "each", "%.0f", median, none},
		{"µs/event", "cpu", "%.3f", median, none},
		{"peak RSS growth MiB", "peak", "%.0f", median, none},
		{"then RSS bytes/conn, after GC", "rest", "%.0f", median, none},
		{"connect to head, p99 ms", "head", "%.0f", median, none},
	}, counted...)}

	shutdown = &table{"Shutdown", append([]column{
		{"% told stream.bye", "bye", "%.1f", median, none},
		{"ended without a word", "cut", "%.0f", median, none},
		{"ms from SIGTERM to exit", "exit", "%.0f", median, none},
		{"had to give up", "gave up", "%.0f", sum, none},
		{"stopped serving before, runs", "stopped", "%.0f", sum, none},
	}, counted...)}

	tables = []*table{delivery, stuck, memory, fleet, storm, shutdown}
)

// line is v in one line, for the progress on standard error.
func (v values) line(t *table, err error) string {
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, c := range t.columns {
		if x, ok := v[c.key]; ok {
			parts = append(parts, c.key+" "+fmt.Sprintf(c.format, x))
		}
	}
	return strings.Join(parts, ", ")
}

// A row is the runs of one scenario with one system; nil is a run that has failed.
type row struct {
	scenario scenario
	system   string
	runs     []values
}

// write writes t in Markdown, if any of rows belongs to it.
func (t *table) write(w io.Writer, rows []*row) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return r.scenario.table != t })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "### %s\n\n| scenario | system |", t.title)
	n := 0
	for _, c := range t.columns {
		for _, head := range c.heads() {
			fmt.Fprintf(w, " %s |", head)
			n++
		}
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", strings.Repeat("---|", n))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %s |", r.scenario.what, r.system)
		same := slices.DeleteFunc(slices.Clone(rows), func(o *row) bool { return o.scenario.name != r.scenario.name })
		for _, c := range t.columns {
			for _, cell := range c.cells(r, same) {
				fmt.Fprintf(w, " %s |", cell)
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func (c column) heads() []string {
	heads := []string{c.head}
	if c.ratios&toFloor != 0 {
		heads = append(heads, "× floor")
	}
	if c.ratios&(toLeast|toMost) != 0 {
		heads = append(heads, "× best peer")
	}
	return heads
}

// cells are r's figure, and its ratios to those of the other systems in same, the rows
// of its scenario.
func (c column) cells(r *row, same []*row) []string {
	cells := []string{c.show(r.runs)}
	if c.ratios&toFloor != 0 {
		i := slices.IndexFunc(same, func(o *row) bool { return o.system == floorName })
		if i < 0 {
			cells = append(cells, "–")
		} else {
			cells = append(cells, spread(c.times(r, same[i])))
		}
	}
	if c.ratios&(toLeast|toMost) != 0 {
		best := c.best(same)
		if best == nil {
			cells = append(cells, "–")
		} else {
			cells = append(cells, fmt.Sprintf("%.2f %s", middle(c.times(r, best)), best.system))
		}
	}
	return cells
}

// best is the row of the peer with the best median, or nil.
func (c column) best(same []*row) (best *row) {
	var least float64
	for _, o := range same {
		all := c.all(o.runs)
		if !peer(o.system) || len(all) == 0 {
			continue
		}
		m := middle(all)
		if c.ratios&toMost != 0 {
			m = -m
		}
		if best == nil || m < least {
			best, least = o, m
		}
	}
	return best
}

// times are the ratios of r's runs to those of o, in order of size: each with the one of
// its own turn, which the machine disturbed as much.
func (c column) times(r, o *row) (all []float64) {
	for i := range min(len(r.runs), len(o.runs)) {
		x, ok1 := r.runs[i][c.key]
		y, ok2 := o.runs[i][c.key]
		if ok1 && ok2 && y > 0 {
			all = append(all, x/y)
		}
	}
	slices.Sort(all)
	return all
}

// spread is the median of sorted values, and from the least to the most.
func spread(sorted []float64) string {
	if len(sorted) == 0 {
		return "–"
	}
	s := fmt.Sprintf("%.2f", middle(sorted))
	least, most := fmt.Sprintf("%.2f", sorted[0]), fmt.Sprintf("%.2f", sorted[len(sorted)-1])
	if least != most {
		s += " (" + least + "–" + most + ")"
	}
	return s
}

// writeChanges writes the ratios of each system to the version before, if that has run.
func writeChanges(w io.Writer, rows []*row) {
	head := "### Now / before\n\n| scenario | system | figure | now / before |\n|---|---|---|---|\n"
	for _, r := range rows {
		i := slices.IndexFunc(rows, func(o *row) bool { return o.scenario.name == r.scenario.name && o.system == r.system+before })
		if i < 0 {
			continue
		}
		for _, c := range r.scenario.table.columns {
			if c.ratios&toBefore == 0 {
				continue
			}
			all := c.times(r, rows[i])
			verdict := ""
			if len(all) > 0 && all[0] <= 1 && all[len(all)-1] >= 1 {
				verdict = ", undecided"
			}
			fmt.Fprintf(w, "%s| %s | %s | %s | %s%s |\n", head, r.scenario.what, r.system, c.head, spread(all), verdict)
			head = ""
		}
	}
	if head == "" {
		fmt.Fprintln(w)
	}
}

// all are c's values in runs, in order of size.
func (c column) all(runs []values) (all []float64) {
	for _, v := range runs {
		if x, ok := v[c.key]; ok {
			all = append(all, x)
		}
	}
	slices.Sort(all)
	return all
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func (c column) show(runs []values) string {
	if !slices.ContainsFunc(runs, func(v values) bool { return v != nil }) {
		return "failed"
	}
	all := c.all(runs)
	if c.kind == sum {
		total := 0.
		for _, x := range all {
			total += x
		}
		return fmt.Sprintf(c.format, total)
	}
	if len(all) == 0 {
		return "–"
	}
	s := fmt.Sprintf(c.format, middle(all))
	least, most := fmt.Sprintf(c.format, all[0]), fmt.Sprintf(c.format, all[len(all)-1])
	if least != most {
		s += " (" + least + "–" + most + ")"
	}
	return s
}
