package rx

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The tables of docs/rxgo.md have a row for each test case, and no other rows.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/rxgo.md")
	if err != nil {
		t.Fatal(err)
	}
	var tested, faulty []string
	for _, s := range sounds {
		tested = append(tested, s.name)
	}
	for _, c := range crashes {
		faulty = append(faulty, c.name)
	}
	for _, f := range faults {
		faulty = append(faulty, f.name)
	}
	for header, want := range map[string][]string{
		"| operator | note |":               tested,
		"| what | what happens | instead |": faulty,
	} {
		got := rows(string(page), header)
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%q is tested but has no row under %q", name, header)
			}
		}
		for _, name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("%q has a row under %q but no test", name, header)
			}
		}
	}
}

// rows returns the first column of the tables with this header, as plain text.
func rows(page, header string) []string {
	var names []string
	in := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case line == header:
			in = true
		case !strings.HasPrefix(line, "|"):
			in = false
		case in && !strings.HasPrefix(line, "|---"):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
			names = append(names, strings.ReplaceAll(name, "`", ""))
		}
	}
	return names
}
