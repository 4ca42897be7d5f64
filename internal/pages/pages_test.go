//go:build unix

package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages checks the blocks of our own pages that need the go command alone. The
// others are checked in e2e.
func TestPages(t *testing.T) { CheckGo(t, "../..") }

func TestLinks(t *testing.T) { CheckLinks(t, "../..") }

// A docs page lists each reason for the portable transport, in the words of the log.
func TestTableOfReasonsForThePortableTransport(t *testing.T) {
	rows := Rows(t, "../..", "docs/transports.md", "the ")
	reason := regexp.MustCompile(`\n\t+return "(the [^"]+)"`)
	found := 0
	err := filepath.WalkDir("../../handlers", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range reason.FindAllStringSubmatch(string(code), -1) {
			found++
			told := false
			for cell := range rows {
				if strings.HasPrefix(cell, "`"+m[1]) {
					told = true
					delete(rows, cell)
				}
			}
			if !told {
				t.Errorf("docs/transports.md does not have the reason %q of %s", m[1], path)
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d reasons found in handlers, %v; want some", found, err)
	}
	for cell := range rows {
		t.Errorf("docs/transports.md has the reason %s, which handlers does not give", cell)
	}
}

// TestReadPage: what makes a check fail before any block is checked.
func TestReadPage(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a README without a block is refused", "# Title\n", "there is no fenced block"},
		{"a block without an info string is refused", "```\nx\n```\n", `README.md:1: unknown info string ""`},
		{"an unknown info string is refused", "```go rnu\nx\n```\n", `unknown info string "go rnu"`},
		{"a block that is not closed is refused", "text\n\n```go\nx\n", "README.md:3: the block is not closed"},
		{"a known one is fine", "```go\nx\n```\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readPage(root, "README.md")
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("readPage(%q): %v, want no error", tt.text, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("readPage(%q): %v, want an error with %q", tt.text, err, tt.want)
			}
		})
	}
}
