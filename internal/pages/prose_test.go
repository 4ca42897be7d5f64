//go:build unix

package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxLine is how many characters a line of prose has at most.
const maxLine = 100

// TestProseLines: lines of prose are short. Tables, blocks and the targets of links
// may be as long as they have to be.
func TestProseLines(t *testing.T) {
	found, err := paths("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(found, "bench/README.md") {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range longLines(string(text)) {
			t.Errorf("%s:%d: the line has more than %d characters: break it", page, n, maxLine)
		}
	}
}

// target matches where a Markdown link leads.
var target = regexp.MustCompile(`\]\([^)\s]+\)`)

// longLines returns the numbers of the lines of prose that are too long.
func longLines(text string) (numbers []int) {
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		mark := fenceOf(strings.TrimSpace(line))
		switch {
		case fence == "" && mark != "":
			fence = mark
		case fence != "" && strings.HasPrefix(mark, fence):
			fence = ""
		case fence != "" || strings.HasPrefix(line, "|"):
		case utf8.RuneCountInString(target.ReplaceAllString(line, "]")) > maxLine:
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("wörd ", 21)
	for _, tt := range []struct {
		name, text string
		want       []int
	}{
		{"prose", "a\n" + long + "\nb\n" + long, []int{2, 4}},
		{"100 characters of more than one byte", strings.Repeat("ö", 100), nil},
		{"a table", "| " + long + "|", nil},
		{"a block", "```sh\n" + long + "\n```\n" + long, []int{4}},
		{"the target of a link", "[here](" + strings.Repeat("a", 100) + ")", nil},
		{"the text of a link", "[" + long + "](here)", []int{1}},
	} {
		if got := longLines(tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s: longLines returns %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestGlossary: the words that other pages use without explaining them are there.
func TestGlossary(t *testing.T) {
	text, err := os.ReadFile("../../docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		"stream", "topic", "subject", "log", "window", "position", "stamp", "id", "cursor",
		"message id", "gap", "policy", "grant", "session", "driver", "pass", "transport",
	} {
		if !strings.Contains(string(text), "\n| **"+word+"** | ") {
			t.Errorf("docs/glossary.md has no row for the word %q", word)
		}
	}
}

// TestPicture: README.md and docs/choosing.md show the same picture.
func TestPicture(t *testing.T) {
	var pictures []string
	for _, path := range []string{"README.md", "docs/choosing.md"} {
		p, err := readPage("../..", path)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range p.blocks {
			if b.kind == "text figure" && strings.Contains(b.text, "TOPIC") {
				pictures = append(pictures, b.text)
			}
		}
	}
	if len(pictures) != 2 || pictures[0] != pictures[1] {
		t.Errorf("README.md and docs/choosing.md have %d pictures with the word TOPIC, want one each, and the same", len(pictures))
	}
}
