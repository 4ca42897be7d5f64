//go:build unix

package pages

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checkOutput leaves the comparison to the block before, which must be one that
// prints.
func (s *stage) checkOutput(t *testing.T, b *block) {
	if b.before == nil || !slices.Contains([]string{"go", "sh", "sh service", "sh first-terminal"}, b.before.kind) {
		t.Error("no block before this one prints")
	}
}

// A progress compares what is printed, line by line, with what is wanted.
type progress struct {
	want []string
	open bool // more may follow
	got  []string
}

func newProgress(want string) *progress {
	p := &progress{want: strings.Split(strings.TrimSuffix(want, "\n"), "\n")}
	if n := len(p.want) - 1; p.want[n] == "…" {
		p.want, p.open = p.want[:n], true
	}
	return p
}

func (p *progress) line(s string) { p.got = append(p.got, strings.TrimSuffix(s, "\r")) }

// satisfied reports whether no more lines have to be read.
func (p *progress) satisfied() bool { return p.open && len(p.got) >= len(p.want) }

// end returns how what was printed differs from what was wanted.
func (p *progress) end() error {
	if p.open && len(p.got) > len(p.want) {
		p.got = p.got[:len(p.want)]
	}
	if slices.EqualFunc(p.got, p.want, func(a, b string) bool { return steady(a) == steady(b) }) {
		return nil
	}
	return errors.New("printed\n" + strings.Join(p.got, "\n") + "\nand the page says\n" + strings.Join(p.want, "\n"))
}

// volatile is what changes from run to run, and what is compared in its place.
var volatile = []struct {
	match *regexp.Regexp
	name  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "<time>"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "<clock>"},
	{regexp.MustCompile(`^Date: .*`), "Date: <date>"},
	{regexp.MustCompile(`^retry: \d+$`), "retry: <ms>"},
	{regexp.MustCompile(`"retry":\d+`), `"retry":<ms>`},
	{regexp.MustCompile(`^id: \d+\.[0-9a-z]+$`), "id: <position>"},
	{regexp.MustCompile(`"id":"\d+\.[0-9a-z]+"`), `"id":"<position>"`},
	{regexp.MustCompile(`^\d+\.[0-9a-z]+ periodic-event `), "<position> periodic-event "},
	{regexp.MustCompile(`^id: \d+$`), "id: <n>"},
	{regexp.MustCompile(`"id":"\d+"`), `"id":"<n>"`},
	{regexp.MustCompile(`"sequence":\d+`), `"sequence":<n>`},
	{regexp.MustCompile(`^(fluxwire_\S+) \d+$`), "$1 <n>"},
}

// steady returns line without what is volatile.
func steady(line string) string {
	for _, v := range volatile {
		line = v.match.ReplaceAllString(line, v.name)
	}
	return line
}
