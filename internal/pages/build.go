//go:build unix

package pages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// A build is the Go of all pages, compiled in one module, which uses ours as
// anybody's would: by a replacement, and without the network.
type build struct {
	root string
	dir  string // of the module
	// service runs in this process, and the code has its address.
	service *servicetest.Service
	// programs are the directories of the blocks that are run, in dir.
	programs map[*block]string
	tests    []string // directories of tests, as ./name
}

// compile compiles the Go of all pages, and runs its tests. Errors name the line of
// the page.
func compile(t *testing.T, root string, all []*page) *build {
	t.Helper()
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	c := &build{root: root, dir: t.TempDir(), service: servicetest.Serve(t, service.Config{}), programs: make(map[*block]string)}
	c.init(t)
	for _, p := range all {
		var given *block
		for i := range p.blocks {
			if p.blocks[i].kind == "go given" {
				given = &p.blocks[i]
			}
		}
		for i := range p.blocks {
			c.add(t, &p.blocks[i], given)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	c.run(t, "vet", "-unreachable=false", "./...") // a fragment may end with return
	if len(c.tests) > 0 {
		c.run(t, append([]string{"test"}, c.tests...)...)
	}
	if len(c.programs) > 0 {
		args := []string{"build", "-o", "bin/"}
		for _, name := range c.programs {
			args = append(args, "./"+name)
		}
		c.run(t, args...)
	}
	return c
}

// init writes a go.mod that lists what ours does, as go mod tidy would: with less the
// go command reads the requirements of requirements, which need not be on this machine.
func (c *build) init(t *testing.T) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(c.root, name))
		if err != nil {
			t.Fatal(err)
		}
		c.write(t, name, string(text))
	}
	c.run(t, "mod", "edit", "-module=example.com/page", "-require=github.com/fluxwire-go/fluxwire@v0.0.0",
		"-replace=github.com/fluxwire-go/fluxwire="+c.root)
}

// add writes the files of a block into directories of their own.
func (c *build) add(t *testing.T, b, given *block) {
	t.Helper()
	switch b.kind {
	case "go", "go given", "go stream":
		name := dirOf(b)
		c.writeBlock(t, name+"/block.go", b)
		if given != nil && b.kind == "go" && !strings.HasPrefix(b.text, "package ") {
			c.writeBlock(t, name+"/given.go", given)
		}
		if b.kind == "go" && b.output() != nil {
			c.programs[b] = name
		}
	case "go test":
		tested := 0
		for above := b.before; above != nil && above.kind != "go test"; above = above.before {
			if above.kind != "go stream" {
				continue
			}
			tested++
			name := fmt.Sprintf("%s-of-line%d", dirOf(b), above.line)
			c.writeBlock(t, name+"/stream.go", above)
			c.writeBlock(t, name+"/stream_test.go", b)
			c.tests = append(c.tests, "./"+name)
		}
		if tested == 0 {
			t.Errorf("%s: there is no go stream above that it could test", b.place())
		}
	}
}

// dirOf returns the name of the directory for a block, which no other has.
func dirOf(b *block) string {
	return fmt.Sprintf("%s-line%d", strings.ReplaceAll(strings.TrimSuffix(b.page, ".md"), "/", "-"), b.line)
}

func (c *build) writeBlock(t *testing.T, path string, b *block) {
	t.Helper()
	text := documented.ReplaceAllString(b.text, c.service.URL)
	source, err := goSource(text, fmt.Sprintf("%s:%d", filepath.Join(c.root, b.page), b.line+1))
	if err != nil {
		t.Errorf("%s: %v", b.place(), err)
		return
	}
	c.write(t, path, source)
}

func (c *build) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the go command in the module and fails t if it fails.
func (c *build) run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// runGo runs a program, or what became one in the wrapper, if output follows.
func (s *stage) runGo(t *testing.T, b *block) {
	name, ok := s.code.programs[b]
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.code.dir, "bin", name))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := newProgress(b.output().text)
	for lines := bufio.NewScanner(stdout); !p.satisfied() && lines.Scan(); {
		p.line(strings.ReplaceAll(lines.Text(), s.code.service.Addr, "localhost:8080"))
	}
	left := p.satisfied()
	if left {
		cmd.Process.Kill()
	}
	if err := cmd.Wait(); err != nil && !left {
		t.Errorf("%v\n%s", err, &stderr)
	}
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

// compileRoute compiles package service with one more line in its table of streams.
func (s *stage) compileRoute(t *testing.T, b *block) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay="+s.overlay(t, b), "./internal/service")
	cmd.Dir = s.root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// overlay writes a file for the flag -overlay of the go command that adds a line to the
// table of streams, and the function that it names.
func (s *stage) overlay(t *testing.T, b *block) string {
	t.Helper()
	stream := b.above("go stream")
	if stream == nil {
		t.Fatal("there is no go stream above that it could serve")
	}
	path := filepath.Join(s.root, "internal/service/streams.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const table = "return []streamRoute{\n"
	before, after, ok := strings.Cut(string(text), table)
	if !ok {
		t.Fatalf("%s has no table of streams that begins with %q", path, table)
	}
	function, err := goSource(stream.text, "")
	if err != nil {
		t.Fatal(err)
	}
	// The function is put beside streams.go rather than in it: there its imports would
	// have to be merged, which an editor does for its user.
	dir := s.t.TempDir()
	changed, added := filepath.Join(dir, "streams.go"), filepath.Join(dir, "added.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		path: changed,
		filepath.Join(filepath.Dir(path), "added.go"): added,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	for name, text := range map[string]string{
		changed: before + table + b.text + after,
		added:   strings.Replace(function, "package main", "package service", 1),
		file:    string(overlay),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}
