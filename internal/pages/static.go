//go:build unix

package pages

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

// checkExcerpt checks that a file has the block's lines as they are, as whole lines.
func (s *stage) checkExcerpt(t *testing.T, b *block) {
	text, err := os.ReadFile(filepath.Join(s.root, b.file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains("\n"+string(text), "\n"+b.text) {
		t.Errorf("%s does not have these lines; copy them again", b.file)
	}
}

// checkFlow checks that every room in a drawing is there.
func (s *stage) checkFlow(t *testing.T, b *block) {
	rooms := regexp.MustCompile(`[a-z/]+/`).FindAllString(b.text, -1)
	if len(rooms) == 0 {
		t.Error("the drawing has no rooms")
	}
	for _, room := range rooms {
		if sources, err := filepath.Glob(filepath.Join(s.root, room, "*.go")); err != nil || len(sources) == 0 {
			t.Errorf("there is no package in %s", room)
		}
	}
}

// checkEventStream checks that a block holds events, or parts of one, and nothing
// that a reader would ignore.
func (s *stage) checkEventStream(t *testing.T, b *block) {
	text := b.text + "\n"
	for line := range strings.Lines(b.text) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "", "id", "event", "retry", "data":
		default:
			t.Errorf("%q is not a line of an event stream", line)
		}
	}
	comments := 0
	dec := sse.NewDecoder(strings.NewReader(text))
	dec.OnComment = func(string) { comments++ }
	events := 0
	for {
		_, err := dec.Decode()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		events++
	}
	if _, retry := dec.Retry(); events+comments == 0 && !retry && dec.LastEventID() == "" {
		t.Error("the block says nothing to a reader")
	}
}

// checkJSON checks that a block is one JSON value, or one on each line.
func (s *stage) checkJSON(t *testing.T, b *block) {
	dec := json.NewDecoder(strings.NewReader(b.text))
	for n := 0; ; n++ {
		var v any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) && n > 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
