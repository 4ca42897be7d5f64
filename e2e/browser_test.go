//go:build unix

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/e2e/internal/browser"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
)

// soon bounds how long a page may take for what it does at once.
const soon = 20 * time.Second

// config is the configuration of a service whose streams pages of other origins may read.
var config = service.Config{Origins: []string{"*"}}

func isOpen(p *browser.Page) {
	p.WaitFor(`document.querySelector("#state").dataset.state === "open"`, soon)
}

// shown waits until the page's log has a row of that event whose text contains words.
func shown(p *browser.Page, event, words string) {
	p.WaitFor(fmt.Sprintf(`[...document.querySelectorAll("#log [data-event='%s']")].some(row => row.textContent.includes(%q))`, event, words), soon)
}

func noErrors(t *testing.T, p *browser.Page) {
	t.Helper()
	for _, e := range p.Errors() {
		t.Errorf("console: %v", e)
	}
}

// TestBrowser uses the service as people do. Its parts share one browser.
func TestBrowser(t *testing.T) {
	b := browser.Start(t)

	t.Run("one click on ping reaches both pages, and ticks arrive", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		one, two := b.NewPage(t, base+"/"), b.NewPage(t, base+"/")
		for _, p := range []*browser.Page{one, two} {
			isOpen(p)
			shown(p, "periodic-event", "SSE - ")
		}
		one.Click("#ping")
		shown(one, "pong", "pong!")
		shown(two, "pong", "pong!")
		if id := one.Eval(`document.querySelector("#last-id").textContent`); id == "" {
			t.Error("no last event id is shown")
		}
		noErrors(t, one)
		noErrors(t, two)
	})

	t.Run("a message is text, never HTML", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		p := b.NewPage(t, base+"/")
		isOpen(p)
		p.Click("#message")
		p.Type(`<img src=x onerror="window.pwned=1">`)
		p.Click("#send")
		shown(p, "pong", `<img src=x onerror="window.pwned=1">`)
		if p.Eval(`window.pwned ?? null`) != nil || p.Eval(`document.querySelectorAll("#log img").length`) != 0.0 {
			t.Error("the message became HTML")
		}
		noErrors(t, p)
	})

	t.Run("a tab that navigates to a stream shows its events", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		p := b.NewPage(t, "about:blank")
		// A stream never finishes loading, so the page is sent there from within.
		p.Eval(fmt.Sprintf(`void (location.href = %q)`, base+"/stream-sse"))
		p.WaitFor(`document.body.innerText.includes("event: periodic-event") && document.body.innerText.includes("SSE - ")`, soon)
	})

	t.Run("with four tabs open a ping is still answered", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		tabs := []*browser.Page{b.NewPage(t, base+"/")}
		for range 3 {
			tabs = append(tabs, tabs[0].NewTab(base+"/"))
		}
		for _, p := range tabs {
			isOpen(p)
		}
		answer := tabs[0].Eval(`fetch("ping").then(r => r.text())`)
		if answer != "sent ping!" {
			t.Errorf("ping answered %v", answer)
		}
		for _, p := range tabs {
			shown(p, "pong", "pong!")
		}
	})

	t.Run("a hidden tab takes no connection", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		first := b.NewPage(t, base+"/")
		isOpen(first)
		p := first
		for range 7 { // more tabs than the six connections that a browser allows
			p.SetVisible(false)
			p.WaitFor(`document.querySelector("#state").dataset.state === "closed"`, soon)
			p = first.NewTab(base + "/")
			isOpen(p)
		}
		if answer := p.Eval(`fetch("ping").then(r => r.text())`); answer != "sent ping!" {
			t.Errorf("ping answered %v", answer)
		}
		shown(p, "pong", "pong!")
	})

	t.Run("a page of another origin reads the streams and pings", func(t *testing.T) {
		base := servicetest.Serve(t, config).URL
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<!doctype html><title>other</title>")
		}))
		defer other.Close()
		p := b.NewPage(t, other.URL)
		if got := p.Eval(fmt.Sprintf(`new Promise((ok, no) => {
			const es = new EventSource(%q);
			es.onerror = () => no(new Error("the stream cannot be read"));
			es.onopen = () => fetch(%q, {method: "POST", body: new URLSearchParams({message: "across"})});
			es.onmessage = e => { es.close(); ok(e.data); };
		})`, base+"/events", base+"/ping")); got != "across" {
			t.Errorf("the page read %v, want its own message", got)
		}
		// A header of the page's own makes a preflight necessary.
		if got := p.Eval(fmt.Sprintf(`fetch(%q, {headers: {"Last-Event-ID": "7", "X-Token": "t", "Accept": "application/json"}})
			.then(r => r.json()).then(values => values[0].slice(0, 4))`, base+"/stream-flux?take=1")); got != "Flux" {
			t.Errorf("fetch across origins: %v", got)
		}
		noErrors(t, p)
	})

	t.Run("a server that restarts gets its page back", func(t *testing.T) {
		first := servicetest.Serve(t, config)
		base := first.URL
		p := b.NewPage(t, base+"/")
		isOpen(p)
		shown(p, "periodic-event", "SSE - ")
		if err := first.Stop(); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		p.WaitFor(`document.querySelector("#state").dataset.state !== "open"`, soon)
		shown(p, "stream.bye", "")
		servicetest.ServeAt(t, first.Addr, config)
		isOpen(p)
		before := p.Eval(`document.querySelector("#count").textContent`)
		p.WaitFor(fmt.Sprintf(`document.querySelector("#count").textContent !== %q`, before), soon)
		// The events of the old stream are gone, and the page says so, once.
		shown(p, "stream.gap", "Some events were missed (restart)")
		shown(p, "periodic-event", "SSE - ")
		if n := p.Eval(`document.querySelectorAll("#log [data-event='stream.gap']").length`); n != 1.0 {
			t.Errorf("the page shows %v gaps, want 1", n)
		}
		p.WaitFor(`document.querySelector("#state-text").textContent === "Open: resumed, some events missed"`, soon)
	})
}
