package main

import (
	"strings"
	"testing"
)

func TestTheScenariosRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes, for some ten seconds")
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-smoke", "-scenarios", "inflight4,idle200,storm,shutdown"}, &out, t.Output()); err != nil {
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
	for _, key := range []string{"lost", "twice", "misordered", "malformed", "broken", "cut", "gave up"} {
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
	runs := []values{{"x": 3}, {"x": 1}, {"x": 2}}
	for _, tt := range []struct {
		kind kind
		want string
	}{{median, "2"}, {least, "2 (1)"}, {sum, "6"}} {
		if got := (column{"", "x", "%.0f", tt.kind}).show(runs); got != tt.want {
			t.Errorf("show = %q, want %q", got, tt.want)
		}
	}
	if got := (column{"", "x", "%.0f", median}).show(nil); got != "failed" {
		t.Errorf("show of nothing = %q", got)
	}
}
