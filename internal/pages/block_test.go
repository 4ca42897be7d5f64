//go:build unix

package pages

import (
	"strings"
	"testing"
)

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
