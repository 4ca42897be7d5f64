package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	before, now := results{}, results{}
	for _, line := range []string{"BenchmarkA-2 100 10 ns/op 1 ns/event 5 MB/s 16 B/op 1 allocs/op", "BenchmarkA-2 100 20 ns/op 2 ns/event 5 MB/s 16 B/op 1 allocs/op", "BenchmarkOld-2 1 7 ns/op 0 allocs/op"} {
		before.read("p", []byte("goos: linux\n"+line+"\nPASS\n"))
	}
	for _, line := range []string{"BenchmarkA-2 100 5 ns/op 0.5 ns/event 9 MB/s 32 B/op 1 allocs/op", "BenchmarkA-2 100 18 ns/op 1.8 ns/event 8 MB/s 32 B/op 1 allocs/op", "BenchmarkNew-2 1 7 ns/op 0 allocs/op"} {
		now.read("p", []byte(line))
	}
	var out strings.Builder
	write(&out, before, now)
	_, got, _ := strings.Cut(out.String(), "|---|---|---|---|---|---|\n")
	want := `| p | BenchmarkA-2 | ns/op | 15 | 11.5 | 0.70 (0.50–0.90) |
| p | BenchmarkA-2 | B/op | 16 | 32 | 2.00 |

Not compared:

- only now: p BenchmarkNew-2
- only before: p BenchmarkOld-2
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChange(t *testing.T) {
	for _, tt := range []struct {
		name   string
		xs, ys []float64
		want   string
	}{
		{"less", []float64{10, 20, 10}, []float64{5, 15, 9}, "0.75 (0.50–0.90)"},
		{"more", []float64{10, 20}, []float64{20, 30}, "1.75 (1.50–2.00)"},
		{"less and more", []float64{10, 10}, []float64{5, 11}, "0.80 (0.50–1.10), undecided"},
		{"the same", []float64{10}, []float64{10}, "1.00, undecided"},
		{"nothing before", []float64{0}, []float64{1}, "–"},
	} {
		if got := change(tt.xs, tt.ys); got != tt.want {
			t.Errorf("%s: change = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// checkout writes a module whose package p has benchmarks of these names.
func checkout(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("package p\n\nimport \"testing\"\n")
	for _, name := range names {
		text.WriteString("\nfunc " + name + "(b *testing.B) { for b.Loop() { } }\n")
	}
	for file, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26.0\n", "p/p.go": "package p\n", "p/p_test.go": text.String(), "q/q.go": "package q\n",
	} {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	var out strings.Builder
	before, now := checkout(t, "BenchmarkBoth", "BenchmarkOld", "BenchmarkSkipped"), checkout(t, "BenchmarkBoth", "BenchmarkNew", "BenchmarkLeft")
	if err := run(t.Context(), []string{"-rounds", "2", "-benchtime", "10x", "-bench", "Both|Old|New|Left", "-skip", "Left", before, now, "./..."}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| ./p | BenchmarkBoth", "- only before: ./p BenchmarkOld", "- only now: ./p BenchmarkNew"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Skipped") || strings.Contains(out.String(), "Left") {
		t.Errorf("what is left out has run:\n%s", out.String())
	}
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	var out strings.Builder
	for _, args := range [][]string{{}, {".", "."}, {"-rounds", "0", ".", ".", "."}, {t.TempDir(), t.TempDir(), "./..."}} {
		if err := run(t.Context(), args, &out, &out); err == nil {
			t.Errorf("run(%v) = nil error", args)
		}
	}
}
