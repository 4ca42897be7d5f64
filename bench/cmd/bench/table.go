package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// values are the figures of one run.
type values map[string]float64

// A table is how the figures of some scenarios are shown.
type table struct {
	title   string
	columns []column
}

type column struct {
	head, key, format string
	kind              kind
}

type kind int

const (
	median kind = iota
	least       // median, and the least in brackets
	sum         // over all runs: what must not be averaged away
)

var counted = []column{
	{"lost", "lost", "%.0f", sum},
	{"twice", "twice", "%.0f", sum},
	{"misordered", "misordered", "%.0f", sum},
}

var (
	delivery = &table{"Delivery", append([]column{
		{"server CPU µs/delivery (least)", "cpu", "%.2f", least},
		{"of a core", "core", "%.2f", median},
		{"thousand deliveries/s", "delivered", "%.0f", median},
		{"p50 ms", "p50", "%.1f", median},
		{"p99 ms", "p99", "%.1f", median},
		{"p99.9 ms", "p999", "%.1f", median},
	}, append(counted, column{"told missing", "told", "%.0f", sum}, column{"the last is behind by", "behind", "%.0f", median}, column{"dropped for who does not read", "dropped", "%.0f", median})...)}

	memory = &table{"Idle connections", []column{
		{"RSS bytes/conn", "settled", "%.0f", median},
		{"after GC", "collected", "%.0f", median},
		{"heap/conn", "heap", "%.0f", median},
		{"stack/conn", "stack", "%.0f", median},
		{"goroutines/conn", "goroutines", "%.1f", median},
		{"set-up CPU µs/conn", "setup", "%.0f", median},
		{"connect to head, p99 ms", "head", "%.0f", median},
	}}

	storm = &table{"Resume storm", append([]column{
		{"million events", "events", "%.2f", median},
		{"s to the last event of the last client", "wall", "%.2f", median},
		{"server CPU s", "server", "%.2f", median},
		{"µs/client", "each", "%.0f", median},
		{"µs/event", "cpu", "%.3f", median},
		{"peak RSS growth MiB", "peak", "%.0f", median},
		{"then RSS bytes/conn, after GC", "rest", "%.0f", median},
		{"connect to head, p99 ms", "head", "%.0f", median},
	}, counted...)}

	shutdown = &table{"Shutdown", append([]column{
		{"% told stream.bye", "bye", "%.1f", median},
		{"ended without a word", "cut", "%.0f", median},
		{"ms from SIGTERM to exit", "exit", "%.0f", median},
		{"had to give up", "gave up", "%.0f", sum},
	}, counted...)}

	tables = []*table{delivery, memory, storm, shutdown}
)

// line is v in one line, for the impatient.
func (v values) line(t *table, err error) string {
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, c.key+" "+fmt.Sprintf(c.format, v[c.key]))
	}
	return strings.Join(parts, ", ")
}

// A row is the runs of one scenario with one system.
type row struct {
	scenario scenario
	system   string
	runs     []values
	failed   []error
}

// write writes t in Markdown, if any of rows belongs to it.
func (t *table) write(w io.Writer, rows []*row) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return r.scenario.table != t })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "### %s\n\n| scenario | system |", t.title)
	for _, c := range t.columns {
		fmt.Fprintf(w, " %s |", c.head)
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", strings.Repeat("---|", len(t.columns)))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %s |", r.scenario.what, r.system)
		for _, c := range t.columns {
			fmt.Fprintf(w, " %s |", c.show(r.runs))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func (c column) show(runs []values) string {
	if len(runs) == 0 {
		return "failed"
	}
	var all []float64
	total := 0.
	for _, v := range runs {
		all = append(all, v[c.key])
		total += v[c.key]
	}
	slices.Sort(all)
	middle := (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	switch c.kind {
	case sum:
		return fmt.Sprintf(c.format, total)
	case least:
		return fmt.Sprintf(c.format+" ("+c.format+")", middle, all[0])
	}
	return fmt.Sprintf(c.format, middle)
}
