package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTheScenariosRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes, for some ten seconds")
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-smoke", "-scenarios", "inflight4,http32,bursts,stuck1pct,idle200,idle300,storm,shutdown"}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if !strings.Contains(out.String(), "### "+table.title) {
			t.Errorf("there is no table %q in\n%s", table.title, out.String())
		}
	}
	if strings.Contains(out.String(), "failed") {
		t.Errorf("something failed:\n%s", out.String())
	}
	for _, name := range []string{"fluxwire", floorName, "nchan"} {
		row := "| " + name + " |"
		if missing(name) != nil {
			row = "SKIPPED: " + name
		}
		if !strings.Contains(out.String(), row) {
			t.Errorf("there is no %q in\n%s", row, out.String())
		}
	}
}

func TestWhatIsNotInstalledIsSkippedAloud(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, what := range map[string]string{floorName: "cc", "nchan": "nginx"} {
		if err := missing(name); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("missing(%s) = %v, want what to install", name, err)
		}
	}
	if err := missing("nethttp"); err != nil {
		t.Errorf("missing(nethttp) = %v", err)
	}
}

func TestWhoIsWho(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		ours, peer, foreign, keeps bool
	}{
		{"fluxwire", true, false, false, true},
		{"fluxwire-fast", true, false, false, true}, // a future variant
		{"subject", true, false, false, false},
		{"nethttp", false, true, false, false},
		{"nchan", false, true, true, false},
		{floorName, false, false, false, false},
	} {
		if ours(tt.name) != tt.ours || peer(tt.name) != tt.peer || foreign(tt.name) != tt.foreign || keeps(tt.name) != tt.keeps {
			t.Errorf("%s: ours %v, peer %v, foreign %v, keeps %v", tt.name, ours(tt.name), peer(tt.name), foreign(tt.name), keeps(tt.name))
		}
	}
	for _, name := range everySystem {
		if !slices.Contains(names(), name) {
			t.Errorf("%s is to run, but there is no such system", name)
		}
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-scenarios", "nosuch"}, {"-systems", "nosuch"}} {
		var out strings.Builder
		if err := run(t.Context(), args, &out, &out); err == nil || !strings.Contains(err.Error(), "nosuch") {
			t.Errorf("run(%v) = %v", args, err)
		}
	}
}

func TestWhatFluxwireMustNotDoFails(t *testing.T) {
	for _, key := range []string{"lost", "twice", "misordered", "malformed", "broken", "cut", "gave up", "stopped"} {
		r := &row{scenario: scenario{name: "x", table: delivery}, system: "fluxwire"}
		if wrong := r.check(values{key: 1}); len(wrong) != 1 {
			t.Errorf("check(%s: 1) = %v", key, wrong)
		}
	}
	r := &row{scenario: scenario{name: "x", table: shutdown}, system: "fluxwire"}
	if wrong := r.check(values{"bye": 99.9}); len(wrong) != 1 {
		t.Errorf("check(bye: 99.9) = %v", wrong)
	}
	if wrong := r.check(values{"bye": 100}); len(wrong) != 0 {
		t.Errorf("check(bye: 100) = %v", wrong)
	}
}

func TestShow(t *testing.T) {
	runs := []values{{"x": 3}, {"x": 1}, nil, {"x": 2}}
	for _, tt := range []struct {
		name string
		kind kind
		runs []values
		want string
	}{
		{"median and spread", median, runs, "2 (1–3)"},
		{"no spread", median, []values{{"x": 2}, {"x": 2.1}}, "2"},
		{"sum", sum, runs, "6"},
		{"sum of nothing", sum, []values{{}}, "0"},
		{"all failed", median, []values{nil, nil}, "failed"},
		{"never ran", median, nil, "failed"},
		{"not measured", median, []values{{"y": 1}}, "–"},
	} {
		if got := (column{"", "x", "%.0f", tt.kind, none}).show(tt.runs); got != tt.want {
			t.Errorf("%s: show = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRatios(t *testing.T) {
	xs := func(all ...float64) (runs []values) {
		for _, x := range all {
			if x < 0 {
				runs = append(runs, nil) // has failed
			} else {
				runs = append(runs, values{"x": x})
			}
		}
		return runs
	}
	our := &row{system: "fluxwire", runs: xs(6, 12, 18)}
	same := []*row{
		our,
		{system: "subject", runs: xs(1, 1, 1)}, // not a peer, so never the best
		{system: "nchan", runs: xs(-1, 10, -1)},
		{system: "nethttp", runs: xs(8, 16, 24)},
		{system: "r3labs", runs: xs(-1, -1, -1)},
		{system: floorName, runs: xs(5, 5, 20)},
	}
	for _, tt := range []struct {
		name   string
		ratios ratios
		same   []*row
		want   string
	}{
		{"none", none, same, "12 (6–18)"},
		{"each turn with the floor's", toFloor, same, "12 (6–18)|1.20 (0.90–2.40)"},
		{"with the least peer, in the turns that both have", toLeast, same, "12 (6–18)|1.20 nchan"},
		{"with the most", toMost, same, "12 (6–18)|0.75 nethttp"},
		{"both", toLeastPeer, same, "12 (6–18)|1.20 (0.90–2.40)|1.20 nchan"},
		{"nobody to compare with", toLeastPeer, same[:2], "12 (6–18)|–|–"},
		{"the only peer has failed", toLeast, []*row{our, same[4]}, "12 (6–18)|–"},
	} {
		c := column{"h", "x", "%.0f", median, tt.ratios}
		cells := c.cells(our, tt.same)
		if got := strings.Join(cells, "|"); got != tt.want {
			t.Errorf("%s: cells = %q, want %q", tt.name, got, tt.want)
		}
		if got := len(c.heads()); got != len(cells) {
			t.Errorf("%s: %d heads for %d cells", tt.name, got, len(cells))
		}
	}
}

func TestNowAndBefore(t *testing.T) {
	of := func(s scenario, system string, cpu ...float64) *row {
		r := &row{scenario: s, system: system}
		for _, x := range cpu {
			r.runs = append(r.runs, values{"cpu": x, "p50": 1})
		}
		return r
	}
	one := scenario{name: "one", what: "1 in flight", table: delivery}
	four := scenario{name: "four", what: "4 in flight", table: delivery}
	rows := []*row{
		of(one, "fluxwire", 2, 3, 4),
		of(one, "fluxwire"+before, 4, 4, 5),
		of(one, "fluxwire-portable", 9, 5),
		of(one, "fluxwire-portable"+before, 8, 10),
		of(one, floorName, 1, 1, 1),
		of(four, "fluxwire", 1),
		of(four, "fluxwire"+before), // has failed
	}
	var out strings.Builder
	writeChanges(&out, rows)
	want := `### Now / before

| scenario | system | figure | now / before |
|---|---|---|---|
| 1 in flight | fluxwire | server CPU µs/delivery | 0.75 (0.50–0.80) |
| 1 in flight | fluxwire-portable | server CPU µs/delivery | 0.81 (0.50–1.12), undecided |
| 4 in flight | fluxwire | server CPU µs/delivery | – |

`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	writeChanges(&out, rows[4:6])
	if out.String() != "" {
		t.Errorf("without a version before: %q, want nothing", out.String())
	}
}
