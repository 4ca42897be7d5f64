//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/sse"
)

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
// that a reader would pass over.
func (s *stage) checkEventStream(t *testing.T, b *block) {
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

// checkLog opens a stream, leaves it, and waits for lines like those of a block in
// the service's log.
func (s *stage) checkLog(t *testing.T, b *block) {
	p := s.service(t)
	stream := open(t, newClient(t, nil), p.url+"/stream-sse")
	if _, err := stream.next(); err != nil {
		t.Fatal(err)
	}
	stream.leave()
	for want := range strings.Lines(b.text) {
		eventually(t, "the log has a line like "+want, func() bool {
			for line := range strings.Lines(p.log.String()) {
				if logKeys(line) == logKeys(want) {
					return true
				}
			}
			return false
		})
	}
}

// logKeys returns the keys of a line of the log, and the values of level and msg.
func logKeys(line string) string {
	var keys []string
	for _, m := range regexp.MustCompile(`(\w+)=("[^"]*"|\S*)`).FindAllStringSubmatch(line, -1) {
		switch m[1] {
		case "level", "msg":
			keys = append(keys, m[0])
		default:
			keys = append(keys, m[1])
		}
	}
	return strings.Join(keys, " ")
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

// checkScript opens each EventSource of a script as its page would, and waits for
// each event that it listens to, while somebody pings.
func (s *stage) checkScript(t *testing.T, b *block) {
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
	events := client.Follow[string](ctx, s.atService(t, sources[0][1]),
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
func (s *stage) checkNginx(t *testing.T, b *block) {
	at := regexp.MustCompile(`location (/\S*) \{`).FindStringSubmatch(b.text)
	if at == nil || !documented.MatchString(b.text) {
		t.Fatal("the block is no location that leads to the service")
	}
	url := s.service(t).url
	// A location may stand in another.
	proxy := startNginx(t, strings.TrimPrefix(url, "http://"), s.atService(t, b.text))
	ev, err := open(t, newClient(t, nil), proxy+at[1]+"stream-sse-mvc").next()
	if err != nil || ev.Event != "sse event - mvc" {
		t.Errorf("the first event = %q, %v; want one of /stream-sse-mvc", ev.Event, err)
	}
}
