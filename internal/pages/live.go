//go:build unix

package pages

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// checkLog opens a stream, leaves it, and waits for lines like those of a block in
// the service's log.
func (s *stage) checkLog(t *testing.T, b *block) {
	p := s.service(t)
	stream := testkit.Open(t, testkit.Client(t, nil), p.url+"/stream-sse")
	if _, err := stream.Next(); err != nil {
		t.Fatal(err)
	}
	stream.Leave()
	for want := range strings.Lines(b.text) {
		testkit.Eventually(t, "the log has a line like "+want, func() bool {
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

// checkScript opens the EventSource of a script as its page would, and waits for
// each event that it listens to, while the test pings.
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
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
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
// of a stream that has no end through it.
func (s *stage) checkNginx(t *testing.T, b *block) {
	at := regexp.MustCompile(`location (/\S*) \{`).FindStringSubmatch(b.text)
	if at == nil || !documented.MatchString(b.text) {
		t.Fatal("the block is not a location that leads to the service")
	}
	url := s.service(t).url
	// A location may stand in another.
	proxy := s.startNginx(t, strings.TrimPrefix(url, "http://"), s.atService(t, b.text))
	ev, err := testkit.Open(t, testkit.Client(t, nil), proxy+at[1]+"stream-sse-mvc").Next()
	if err != nil || ev.Event != "sse event - mvc" {
		t.Errorf("the first event = %q, %v; want one of /stream-sse-mvc", ev.Event, err)
	}
}
