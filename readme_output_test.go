//go:build unix

package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checkOutput leaves the work to the block before, which must be one that prints.
func (s *stage) checkOutput(t *testing.T, b *block) {
	if b.before == nil || !slices.Contains([]string{"go", "sh", "sh service", "sh first-terminal"}, b.before.kind) {
		t.Error("nothing before this block prints")
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

// satisfied reports whether nothing more has to be read.
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
	{regexp.MustCompile(`^id: \d+$`), "id: <n>"},
	{regexp.MustCompile(`"id":"\d+"`), `"id":"<n>"`},
	{regexp.MustCompile(`^\d+ periodic-event `), "<n> periodic-event "},
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

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		got        []string
		satisfied  bool
		ok         bool
	}{
		{"the same lines", "a\nb\n", []string{"a", "b"}, false, true},
		{"a carriage return is none of the line", "a\n", []string{"a\r"}, false, true},
		{"other times and ids", "id: 1\nSSE - 04:07:58.228\n", []string{"id: 27", "SSE - 23:59:00.001"}, false, true},
		{"another status", "HTTP/1.1 200 OK\n", []string{"HTTP/1.1 204 No Content"}, false, false},
		{"a line too few", "a\nb\n", []string{"a"}, false, false},
		{"a line too many", "a\n", []string{"a", "b"}, false, false},
		{"more that may follow", "a\n…\n", []string{"a", "b"}, true, true},
		{"more that need not follow", "a\n…\n", []string{"a"}, true, true},
		{"too few though more may follow", "a\nb\n…\n", []string{"a"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgress(tt.want)
			for _, line := range tt.got {
				p.line(line)
			}
			if got := p.satisfied(); got != tt.satisfied {
				t.Errorf("satisfied() = %v after %q of %q, want %v", got, tt.got, tt.want, tt.satisfied)
			}
			if err := p.end(); (err == nil) != tt.ok {
				t.Errorf("end() = %v after %q of %q, want ok = %v", err, tt.got, tt.want, tt.ok)
			}
		})
	}
}
