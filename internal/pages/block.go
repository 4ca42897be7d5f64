//go:build unix

package pages

import (
	"fmt"
	"strings"
)

// A block is a fenced block of a page.
type block struct {
	page string // its path from the root
	line int    // of its first fence
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

// above returns the nearest block of that kind before b on its page, or nil.
func (b *block) above(kind string) *block {
	for b = b.before; b != nil && b.kind != kind; b = b.before {
	}
	return b
}

// parseBlocks returns the fenced code blocks of a page (CommonMark, section 4.5),
// and the text around them. A fence that is not closed is an error.
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
