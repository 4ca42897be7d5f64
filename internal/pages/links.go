//go:build unix

package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link matches a Markdown link: its target is the first group. Text in backquotes
// is not a link.
var (
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inlineCode = regexp.MustCompile("`[^`\n]*`")
)

// CheckLinks checks that every file that a page links to exists, and that README.md
// links to every page of docs.
func CheckLinks(t *testing.T, root string) {
	linked := make(map[string]bool)
	found, err := paths(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range found {
		for _, m := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(prose(t, root, page), ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			path := filepath.Join(filepath.Dir(page), target)
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
			if page == "README.md" {
				linked[path] = true
			}
		}
	}
	docs := 0
	for _, page := range found {
		if filepath.Dir(page) != "docs" {
			continue
		}
		if docs++; !linked[page] {
			t.Errorf("README.md does not link to %s", page)
		}
	}
	if docs == 0 {
		t.Error("there is no page in docs")
	}
}

// prose returns the text of a page around its blocks.
func prose(t *testing.T, root, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	_, around, err := parseBlocks(page, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return around
}

// Rows returns the rows of a page's tables whose first cell begins with prefix in
// backquotes, each as its cells, by the first cell. A page without such a row fails
// the test.
func Rows(t *testing.T, root, page, prefix string) map[string][]string {
	t.Helper()
	rows := make(map[string][]string)
	for line := range strings.Lines(prose(t, root, page)) {
		if !strings.HasPrefix(line, "| `"+prefix) {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[cells[0]] = cells
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table whose rows begin with `%s", page, prefix)
	}
	return rows
}
