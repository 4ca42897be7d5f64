//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link matches a Markdown link: its target is the first group. What stands in
// backquotes is none.
var (
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

// TestLinks checks that what a page links to is there, and that README.md links
// to every page of docs.
func TestLinks(t *testing.T) {
	linked := make(map[string]bool)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, prose, err := parseBlocks(page, string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(prose, ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			path := filepath.Join(filepath.Dir(page), target)
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
			if page == "README.md" {
				linked[path] = true
			}
		}
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("docs/*.md: %q, %v; want pages", docs, err)
	}
	for _, page := range docs {
		if !linked[page] {
			t.Errorf("README.md does not link to %s", page)
		}
	}
}
