//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/sse"
)

// checkFlow checks that every room in a drawing is there.
func (s *session) checkFlow(t *testing.T, b *block) {
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
// that a reader would pass over.
func (s *session) checkEventStream(t *testing.T, b *block) {
	text := b.text + "\n"
	for line := range strings.Lines(b.text) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "", "id", "event", "retry", "data":
		default:
			t.Errorf("%q is no line of an event stream", line)
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
func (s *session) checkJSON(t *testing.T, b *block) {
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

// checkScript opens each EventSource of a script as its page would, and waits for
// each event that it listens to, while somebody pings.
func (s *session) checkScript(t *testing.T, b *block) {
	url := s.service(t).url
	sources := regexp.MustCompile(`new EventSource\('([^']+)'\)`).FindAllStringSubmatch(b.text, -1)
	listeners := regexp.MustCompile(`addEventListener\('([^']+)'`).FindAllStringSubmatch(b.text, -1)
	if len(sources) != 1 || len(listeners) == 0 {
		t.Fatalf("the script makes %d event sources and has %d listeners, want 1 and some", len(sources), len(listeners))
	}
	missing := make(map[string]bool)
	for _, l := range listeners {
		missing[l[1]] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	allowed := ""
	events := client.Follow[string](ctx, strings.Replace(sources[0][1], documented, url, 1),
		client.Header("Origin", "https://page.example"),
		client.OnConnect(func(res *http.Response) { allowed = res.Header.Get("Access-Control-Allow-Origin") }))
	for ev, err := range events {
		if err != nil {
			t.Fatalf("the events %v did not come: %v", missing, err)
		}
		if delete(missing, ev.Event); len(missing) == 0 {
			break
		}
		if _, err := client.Once[string](ctx, url+"/ping"); err != nil {
			t.Fatal(err)
		}
	}
	if allowed != "*" {
		t.Errorf("Access-Control-Allow-Origin = %q, so a page of another origin could not read the stream", allowed)
	}
}

// checkNginx starts an nginx with the block's location, and reads the first event
// of a stream, which goes on, through it.
func (s *session) checkNginx(t *testing.T, b *block) {
	required(t, "nginx")
	at := regexp.MustCompile(`location (/\S*) \{`).FindStringSubmatch(b.text)
	if at == nil || !strings.Contains(b.text, documented) {
		t.Fatalf("the block is no location that leads to %s", documented)
	}
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	free.Close()
	var conf strings.Builder
	if os.Getuid() == 0 {
		conf.WriteString("user root;\n") // its workers would else have no right to the test's directory
	}
	fmt.Fprintf(&conf, "daemon off; worker_processes 1; pid %s/pid; error_log stderr;\nevents {}\nhttp { access_log off;\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&conf, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	fmt.Fprintf(&conf, "server { listen %s;\n%s}\n}\n", listen, strings.ReplaceAll(b.text, documented, s.service(t).url))
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nginx := exec.CommandContext(ctx, "nginx", "-e", "stderr", "-p", dir, "-c", path)
	var stderr bytes.Buffer
	nginx.Stderr = &stderr
	nginx.Cancel = func() error { return nginx.Process.Signal(os.Interrupt) }
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- nginx.Wait() }()

	err = firstEvent(ctx, done, "http://"+listen+at[1]+"stream-sse")
	cancel()
	ended := <-done
	if err != nil {
		t.Fatalf("%v (nginx: %v)\n%s", err, ended, &stderr)
	}
}

// firstEvent reads a stream up to its first event.
func firstEvent(ctx context.Context, done chan error, url string) error {
	body, err := throughProxy(ctx, done, url)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if lines.Text() == "event: periodic-event" {
			return nil
		}
	}
	return fmt.Errorf("the stream ended before an event came: %w", cmp.Or(lines.Err(), io.EOF))
}

// throughProxy asks until a proxy that has just been started answers. How the
// proxy ended, if it has, is in done, and stays there.
func throughProxy(ctx context.Context, done chan error, url string) (io.ReadCloser, error) {
	for {
		res, err := client.Exchange(ctx, url)
		if err == nil && res.StatusCode == http.StatusOK {
			return res.Body, nil
		}
		if err == nil {
			res.Body.Close()
			return nil, fmt.Errorf("GET %s = %s, want 200", url, res.Status)
		}
		select {
		case ended := <-done:
			done <- ended
			return nil, err
		case <-ctx.Done():
			return nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
