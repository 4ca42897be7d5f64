//go:build unix

package main

import (
	"fmt"
	"strings"
	"testing"
)

// A block is a fenced block of a page.
type block struct {
	page string
	line int // of its first fence
	// kind is the info string, without the value of a word such as file=main.go.
	kind string
	file string // that value
	text string // with a line end after every line

	before *block // the block before it on its page, or nil
	after  *block
}

func (b *block) place() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// output returns the block that says what b prints, or nil.
func (b *block) output() *block {
	if b.after != nil && b.after.kind == "text output" {
		return b.after
	}
	return nil
}

// parseBlocks returns the fenced code blocks of a page (CommonMark, section 4.5),
// and what is around them. A fence that is not closed is an error.
func parseBlocks(page, text string) (blocks []block, around string, err error) {
	var fence, indent string // of the block that is open
	for i, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimSpace(line)
		mark := fenceOf(trimmed)
		switch {
		case fence == "" && mark != "":
			kind, file, _ := strings.Cut(strings.TrimSpace(trimmed[len(mark):]), "=")
			blocks = append(blocks, block{page: page, line: i + 1, kind: strings.Join(strings.Fields(kind), " "), file: file})
			fence, indent = mark, line[:strings.Index(line, mark)]
		case fence == "":
			around += line
		case strings.HasPrefix(mark, fence) && len(mark) == len(trimmed):
			fence = ""
		default:
			blocks[len(blocks)-1].text += strings.TrimPrefix(line, indent)
		}
	}
	if fence != "" {
		return nil, "", fmt.Errorf("%s: the block is not closed", blocks[len(blocks)-1].place())
	}
	for i := 1; i < len(blocks); i++ {
		blocks[i].before, blocks[i-1].after = &blocks[i-1], &blocks[i]
	}
	return blocks, around, nil
}

// fenceOf returns the fence at the start of line: three or more backticks or
// tildes, or "".
func fenceOf(line string) string {
	for _, c := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, c)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

func TestParseBlocks(t *testing.T) {
	const page = "text\n" +
		"```go\na\n\n\tb\n```\n" +
		"- item\n\n  ~~~~ go  file=x/y.go\n  c\n  ```\n  ~~~~\n" +
		"```\nd\n```\n"
	blocks, around, err := parseBlocks("p.md", page)
	if want := "text\n- item\n\n"; err != nil || around != want {
		t.Fatalf("parseBlocks: %q around the blocks, %v; want %q, nil", around, err, want)
	}
	want := []block{
		{line: 2, kind: "go", text: "a\n\n\tb\n"},
		{line: 9, kind: "go file", file: "x/y.go", text: "c\n```\n"},
		{line: 13, kind: "", text: "d\n"},
	}
	if len(blocks) != len(want) {
		t.Fatalf("parseBlocks found %d blocks, want %d: %+v", len(blocks), len(want), blocks)
	}
	for i, b := range blocks {
		if w := want[i]; b.line != w.line || b.kind != w.kind || b.file != w.file || b.text != w.text {
			t.Errorf("block %d = line %d, %q, %q, %q; want line %d, %q, %q, %q", i, b.line, b.kind, b.file, b.text, w.line, w.kind, w.file, w.text)
		}
	}
	if blocks[0].after != &blocks[1] || blocks[1].before != &blocks[0] || blocks[2].after != nil {
		t.Error("the blocks do not know their neighbours")
	}
	if _, _, err := parseBlocks("p.md", "```go\nx\n"); err == nil || !strings.Contains(err.Error(), "p.md:1") {
		t.Errorf("parseBlocks of an open fence: %v, want an error that names p.md:1", err)
	}
}
