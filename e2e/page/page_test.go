//go:build unix

package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/e2e/internal/browser"
)

const tick = "id: %d\nevent: periodic-event\ndata: {\"sequence\":%[1]d,\"time\":\"2026-01-02T03:04:05Z\",\"text\":\"SSE - 03:04:05\"}\n\n"

// TestPage shares one browser between its parts.
func TestPage(t *testing.T) {
	b := browser.Start(t)
	for _, tt := range []struct {
		name string
		test func(*testing.T, *browser.Browser)
	}{
		{"ticks and pongs are shown and counted", testShown},
		{"every stream is shown under its own event name", testStreams},
		{"a message is text", testText},
		{"the log is bounded", testBounded},
		{"the place that is being read is held", testReading},
		{"a lost connection is left to the browser", testLost},
		{"a closed EventSource is replaced", testReplaced},
		{"a server that restarts gets its page back", testRestart},
		{"a hidden tab closes its stream and resumes", testHidden},
		{"pause and resume", testPause},
		{"a stream that is resumed says whether something is missing", testResumed},
		{"a gap is shown and summed up", testGap},
		{"a goodbye is obeyed", testBye},
		{"a complete stream is not asked for again", testComplete},
		{"a failed stream is shown and tried again", testFailed},
		{"the last event id", testIDs},
		{"events named as the page's own are events", testNames},
		{"a ping by keyboard alone", testKeyboard},
		{"a message of one's own", testMessage},
		{"a ping that fails says why", testPingFails},
		{"a command is copied", testCopy},
		{"another origin", testAPI},
		{"an unusable api", testBadAPI},
		{"ticks are not announced", testAnnounced},
		{"it fits a small phone", testSmall},
		{"text has contrast", testContrast},
		{"nothing moves when reduced motion is asked for", testMotion},
		{"without scripts", testNoScript},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, b) })
	}
}

// open opens the page and returns its first stream.
func open(t *testing.T, b *browser.Browser) (*fake, *browser.Page, *stream) {
	t.Helper()
	f := newFake(t)
	p := b.NewPage(t, f.page())
	return f, p, f.next()
}

// shows waits until the element has that text.
func shows(t *testing.T, p *browser.Page, selector, text string) {
	t.Helper()
	p.WaitFor(fmt.Sprintf(`document.querySelector(%q)?.textContent === %q`, selector, text), soon)
}

func state(t *testing.T, p *browser.Page, want string) {
	t.Helper()
	p.WaitFor(fmt.Sprintf(`document.querySelector("#state").dataset.state === %q`, want), soon)
}

// record makes the page record the states that it shows: one may be over before the
// test looks.
func record(p *browser.Page) {
	p.Eval(`window.said = []; new MutationObserver(() => {
		const el = document.querySelector("#state");
		said.push(el.dataset.state + ": " + el.textContent.trim());
	}).observe(document.querySelector("#state"), {attributes: true, subtree: true, childList: true, characterData: true}); 0`)
}

// said waits until the page has shown a state that matches the regular expression, and
// drops the records before it.
func said(t *testing.T, p *browser.Page, pattern string) {
	t.Helper()
	p.WaitFor(`said.some((s) => /`+pattern+`/.test(s))`, soon)
	p.Eval(`said.length = 0`)
}

// noErrors fails the test for every error on the console. A refused or cut connection
// is an error about the network there: tests that cut some pass true.
func noErrors(t *testing.T, p *browser.Page, network bool) {
	t.Helper()
	for _, e := range p.Errors() {
		if !network || e.Source != "network" {
			t.Errorf("on the console: %v", e)
		}
	}
}

func testShown(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	if s.path != "stream-sse" || s.query != "" || s.header != "" {
		t.Errorf("the page asked for %+v, want stream-sse from now on", s)
	}
	state(t, p, "connecting")
	s.send("retry: 100\n\n")
	state(t, p, "open")
	s.send(fmt.Sprintf(tick, 1) + fmt.Sprintf(tick, 2) + "id: 3\nevent: pong\ndata: pong!\n\n")
	shows(t, p, "#count", "3")
	shows(t, p, "#last-id", "3")
	shows(t, p, "#missed", "0")
	shows(t, p, "#log > :first-child .text", "pong!")
	shows(t, p, `#log > [data-event="periodic-event"][data-id="2"] .text`, "SSE - 03:04:05  #2")
	p.WaitFor(`document.querySelectorAll("#log > *").length === 3 && document.querySelector("#since").textContent !== ""`, soon)
	shows(t, p, "[data-path=ping]", "curl --data-urlencode 'message=hello' '"+f.page()+"ping'")
	p.Click("#clear")
	p.WaitFor(`document.querySelector("#log").childElementCount === 0`, soon)
	noErrors(t, p, false)
}

func testStreams(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send(fmt.Sprintf(tick, 7))
	shows(t, p, "#last-id", "7")
	for _, tt := range []struct{ path, event, name string }{
		{"stream-flux", "data: Flux - 1\n\n", "message"},
		{"stream-sse-mvc", "id: 1\nevent: sse event - mvc\ndata: SSE MVC - 1\n\n", "sse event - mvc"},
		{"events", "data: pong!\n\n", "message"},
	} {
		p.Click(`[value="` + tt.path + `"]`)
		s.closed()
		if s = f.next(); s.path != tt.path || s.query != "" {
			t.Errorf("the page asked for %s from %q, want %s from now on", s.path, s.query, tt.path)
		}
		s.send(tt.event)
		shows(t, p, "#count", "1")
		p.WaitFor(fmt.Sprintf(`document.querySelector("#log > :only-child").dataset.event === %q`, tt.name), soon)
		if got, want := p.Eval(`document.querySelector("#no-pongs").hidden`), tt.path == "events"; got != want {
			t.Errorf("%s: the note that it carries no pongs is hidden: %v, want %v", tt.path, got, want)
		}
	}
	p.Eval(`location.reload()`)
	s.closed()
	if s = f.next(); s.path != "events" {
		t.Errorf("after a reload the page asked for %s, want events as before", s.path)
	}
	noErrors(t, p, false)
}

func testText(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	evil := `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>&lt;`
	quoted := strings.ReplaceAll(evil, `"`, `\"`)
	s.send("id: " + evil + "\ndata: " + evil + "\n\nevent: pong\ndata: " + evil + "\n\n" +
		"event: periodic-event\ndata: {\"sequence\":\"" + quoted + "\",\"text\":\"" + quoted + "\"}\n\n" +
		"event: stream.gap\ndata: {\"reason\":\"" + quoted + "\",\"missed\":1}\n\nevent: stream.complete\ndata: " + evil + "\n\n")
	shows(t, p, "#count", "5")
	shows(t, p, "#last-id", evil)
	for event, text := range map[string]string{
		"message": evil, "pong": evil, "periodic-event": evil + "  #" + evil,
		"stream.gap": "1 event was missed (" + evil + ")", "stream.complete": "The stream is complete: " + evil,
	} {
		shows(t, p, `#log > [data-event="`+event+`"] .text`, text)
	}
	if got := p.Eval(`String(window.hacked) + document.querySelectorAll("#log img, #log script, #facts img").length`); got != "undefined0" {
		t.Errorf("markup in a message was not escaped: %v", got)
	}
	noErrors(t, p, false)
}

func testBounded(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	for part := range 10 {
		var burst strings.Builder
		for i := range 500 {
			fmt.Fprintf(&burst, tick, part*500+i)
		}
		s.send(burst.String())
		shows(t, p, "#count", fmt.Sprint((part+1)*500)) // so that the log is written more than once
	}
	p.WaitFor(`document.querySelector("#log > :first-child").dataset.id === "4999"`, soon)
	if got := p.Eval(`[document.querySelector("#log").childElementCount, document.querySelector("#log > :last-child").dataset.id].join()`); got != "200,4800" {
		t.Errorf("the log has rows, and oldest, %v, want 200,4800", got)
	}
	s.send("event: pong\ndata: " + strings.Repeat("ä", 32<<10) + "\n\n")
	p.WaitFor(`document.querySelector("#log > :first-child").dataset.event === "pong"`, soon)
	if got := p.Eval(`document.querySelector("#log > :first-child .text").textContent`).(string); !strings.HasSuffix(got, "ä… (32768 characters)") || len(got) > 10000 {
		t.Errorf("a long message is shown with %d bytes", len(got))
	}
	noErrors(t, p, false)
}

func testReading(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	for i := range 100 {
		s.send(fmt.Sprintf(tick, i))
	}
	p.WaitFor(`document.querySelector("#log").childElementCount === 100`, soon)
	at := `document.querySelector('[data-id="50"]').getBoundingClientRect().top - document.querySelector("#log").getBoundingClientRect().top`
	before := p.Eval(`document.querySelector("#log").scrollTop = document.querySelector('[data-id="50"]').offsetTop; ` + at)
	for i := range 50 {
		s.send(fmt.Sprintf(tick, 100+i))
	}
	p.WaitFor(`document.querySelector("#log").childElementCount === 150`, soon)
	if after := p.Eval(at); after != before {
		t.Errorf("the row moved from %v to %v", before, after)
	}
}

func testLost(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("retry: 50\nid: a\ndata: x\n\n")
	shows(t, p, "#last-id", "a")
	s.end()
	if s = f.next(); s.header != "a" {
		t.Errorf("the browser came back with the header %q, want a", s.header)
	}
	state(t, p, "waiting")
	s.send("id: b\ndata: y\n\n")
	state(t, p, "open")
	shows(t, p, "#count", "2")
	noErrors(t, p, true)
}

func testReplaced(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("retry: 50\nid: a\ndata: x\n\n")
	shows(t, p, "#last-id", "a")
	s.end()
	s = f.next()
	record(p)
	s.refuse(http.StatusNoContent)
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusNotFound} {
		said(t, p, `^waiting: Reconnecting in [1-9][0-9]* s$`)
		if s = f.next(); s.query != "a" {
			t.Errorf("the page came back with lastEventId=%q, want a", s.query)
		}
		state(t, p, "connecting")
		s.refuse(status)
	}
	said(t, p, `^waiting: Reconnecting in [1-9]`)
	p.Click("#toggle") // Retry now
	f.next().send("data: y\n\n")
	state(t, p, "open")
	shows(t, p, "#count", "2")
	shows(t, p, "#last-id", "a")
	noErrors(t, p, true)
}

func testRestart(t *testing.T, b *browser.Browser) {
	f := newFake(t)
	first := httptest.NewServer(f)
	p := b.NewPage(t, first.URL+prefix)
	f.next().send("retry: 50\nid: a\ndata: x\n\n")
	shows(t, p, "#last-id", "a")
	record(p)
	first.CloseClientConnections()
	first.Close()
	said(t, p, `^waiting: Reconnecting in [1-9]`) // the browser has given up

	second := httptest.NewUnstartedServer(f)
	second.Listener.Close()
	second.Listener = listenAgain(t, first.Listener.Addr().String())
	second.Start()
	defer second.Close()
	defer second.CloseClientConnections()
	s := f.next()
	if s.query != "a" {
		t.Errorf("the page came back with lastEventId=%q, want a", s.query)
	}
	s.send("id: b\ndata: y\n\n")
	state(t, p, "open")
	shows(t, p, "#last-id", "b")
	noErrors(t, p, true)
}

func testHidden(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	other := b.NewPage(t, f.page())
	f.next().send("id: 9\ndata: other\n\n")
	s.send("id: 1\ndata: x\n\n")
	shows(t, p, "#last-id", "1")
	shows(t, other, "#last-id", "9")

	p.SetVisible(false)
	s.closed()
	state(t, p, "closed")
	state(t, other, "open")
	f.noRequest()

	p.SetVisible(true)
	if s = f.next(); s.query != "1" {
		t.Errorf("the page resumed with lastEventId=%q, want 1", s.query)
	}
	s.send("id: 2\ndata: y\n\n")
	state(t, p, "open")
	shows(t, p, "#last-id", "2")
	shows(t, p, "#count", "2")
	shows(t, other, "#count", "1")
	f.noRequest()
	noErrors(t, p, false)
	noErrors(t, other, false)
}

func testPause(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("id: 1\ndata: x\n\n")
	shows(t, p, "#last-id", "1")
	p.Click("#toggle")
	s.closed()
	state(t, p, "closed")
	shows(t, p, "#toggle", "Resume")
	p.SetVisible(false)
	p.SetVisible(true)
	f.noRequest() // showing the tab does not resume a stream that the user stopped
	p.Click("#toggle")
	if s = f.next(); s.query != "1" {
		t.Errorf("the page resumed with lastEventId=%q, want 1", s.query)
	}
	s.send("")
	state(t, p, "open")
	shows(t, p, "#toggle", "Pause")
	noErrors(t, p, false)
}

func testResumed(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	const event = "id: %s\ndata: x\n\n"
	s.send("retry: 50\n\n" + fmt.Sprintf(event, "9.k3x"))
	shows(t, p, "#last-id", "9.k3x")
	shows(t, p, "#state-text", "Open") // it was not resumed
	last := "9.k3x"
	for _, tt := range []struct{ name, send, last, says string }{
		{"the next event", fmt.Sprintf(event, "10.k3x"), "10.k3x", "Open: resumed, nothing missed"},
		{"several at once", fmt.Sprintf(event, "11.k3x") + fmt.Sprintf(event, "12.k3x"), "12.k3x", "Open: resumed, nothing missed"},
		{"a gap", "id: 19.k3x\nevent: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"12.k3x\",\"to\":\"19.k3x\",\"missed\":7}\n\n" +
			fmt.Sprintf(event, "20.k3x"), "20.k3x", "Open: resumed, 7 events missed"},
		{"silence", "", "20.k3x", "Open: resumed, nothing missed"},
		{"a restart", "id: 0.new\nevent: stream.gap\ndata: {\"reason\":\"restart\",\"from\":\"20.k3x\",\"to\":\"\",\"missed\":null}\n\n",
			"0.new", "Open: resumed, some events missed"},
		{"one event too many is missing", fmt.Sprintf(event, "2.new"), "2.new", "Open"},
		{"another life, and no word of it", fmt.Sprintf(event, "3.odd"), "3.odd", "Open"},
		{"an id that is no position", fmt.Sprintf(event, "4"), "4", "Open"},
		{"an id that was none", fmt.Sprintf(event, "5"), "5", "Open"},
	} {
		p.Eval(`failures = 0`) // as if the page had been open for longer, so that the browser comes back at once
		s.end()
		if s = f.next(); s.header != last {
			t.Errorf("%s: the page came back with %q, want %s", tt.name, s.header, last)
		}
		last = tt.last
		s.send("retry: 50\n\n" + tt.send)
		shows(t, p, "#last-id", tt.last)
		shows(t, p, "#state-text", tt.says)
	}
	shows(t, p, `#log > [data-event="stream.gap"] .text`, "Some events were missed (restart)")

	s.send(fmt.Sprintf(event, "1.p"))
	shows(t, p, "#last-id", "1.p")
	p.SetVisible(false)
	s.closed()
	p.SetVisible(true)
	s = f.next()
	s.send(fmt.Sprintf(event, "2.p"))
	shows(t, p, "#state-text", "Open: resumed, nothing missed")
	shows(t, p, "#announce", "Open: resumed, nothing missed")
	p.Click("[value=stream-flux]") // another stream: nothing is resumed
	s.closed()
	s = f.next()
	s.send("data: y\n\n")
	shows(t, p, "#count", "1")
	shows(t, p, "#state-text", "Open")
	noErrors(t, p, true)
}

func testGap(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	s.send("id: 12.a\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"2.a\",\"to\":\"12.a\",\"missed\":10}\n\n")
	shows(t, p, "#log > :first-child .text", "10 events were missed, 2.a to 12.a (slow)")
	shows(t, p, "#announce", "10 events were missed, 2.a to 12.a (slow)")
	shows(t, p, "#missed", "10")
	shows(t, p, "#last-id", "12.a")
	s.send("event: stream.gap\ndata: {\"reason\":\"retention\",\"missed\":5}\n\n")
	shows(t, p, "#missed", "15")
	s.send("event: stream.gap\ndata: {\"reason\":\"restart\",\"from\":null,\"to\":null,\"missed\":null}\n\n")
	shows(t, p, "#log > :first-child .text", "Some events were missed (restart)")
	shows(t, p, "#missed", "15+")
	s.send("event: stream.gap\ndata: not JSON\n\n")
	shows(t, p, "#log > :first-child .text", "not JSON")
	state(t, p, "open")
	noErrors(t, p, false)
}

func testBye(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("id: 4\ndata: x\n\nretry: 10\nevent: stream.bye\ndata: {\"reason\":\"draining\",\"retry\":60000}\n\n")
	s.closed()
	state(t, p, "waiting")
	shows(t, p, `#log > [data-event="stream.bye"] .text`, "The server says goodbye (draining)")
	p.WaitFor(`/in (60|5\d) s/.test(document.querySelector("#state").textContent)`, soon)
	f.noRequest()
	p.Click("#toggle") // Retry now
	if s = f.next(); s.query != "4" {
		t.Errorf("the page came back with lastEventId=%q, want 4", s.query)
	}
	record(p)
	s.send("event: stream.bye\ndata: {\"reason\":\"max-age\",\"retry\":20}\n\n")
	for n := 1; n <= 2; n++ {
		s = f.next() // this time without a click
		said(t, p, `^connecting`)
		s.send("event: stream.bye\ndata: {\"reason\":\"odd\",\"retry\":null}\n\n")
		said(t, p, fmt.Sprintf(`^waiting: Reconnecting in %d s`, n)) // with backoff, since nobody clicked
	}
	noErrors(t, p, false)
}

func testComplete(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("retry: 10\nid: 1\ndata: x\n\nid: end\nevent: stream.complete\ndata: {}\n\n")
	s.closed()
	state(t, p, "closed")
	shows(t, p, `#log > [data-event="stream.complete"] .text`, "The stream is complete")
	shows(t, p, "#toggle", "Start again")
	p.SetVisible(false)
	p.SetVisible(true)
	state(t, p, "closed")
	f.noRequest()
	p.Click("#toggle")
	if s = f.next(); s.query != "" {
		t.Errorf("the page started again with lastEventId=%q, want none", s.query)
	}
	s.send("data: y\n\n")
	shows(t, p, "#count", "1")
	noErrors(t, p, false)
}

func testFailed(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	record(p)
	s.send("id: 1\ndata: x\n\nevent: stream.error\ndata: {\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,\"detail\":\"the sensor is off\"}\n\n")
	s.closed()
	said(t, p, `^waiting: Reconnecting in [1-9]`)
	shows(t, p, `#log > [data-event="stream.error"] .text`, "The stream failed: Internal Server Error: the sensor is off")
	if s = f.next(); s.query != "1" {
		t.Errorf("the page came back with lastEventId=%q, want 1", s.query)
	}
	noErrors(t, p, false)
}

func testIDs(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	again := func() *stream {
		p.Click("#toggle")
		p.Click("#toggle")
		return f.next()
	}
	s.send("id: ü&a=1\ndata: x\n\n")
	shows(t, p, "#count", "1")
	if s = again(); s.query != "ü&a=1" {
		t.Errorf("the page resumed with lastEventId=%q", s.query)
	}
	s.send("data: without an id\n\n") // a new EventSource cannot tell this from an empty id
	shows(t, p, "#count", "2")
	if s = again(); s.query != "ü&a=1" {
		t.Errorf("an event without an id changed lastEventId to %q", s.query)
	}
	s.send("id: b\ndata: x\n\nid\ndata: reset\n\n")
	shows(t, p, "#count", "4")
	if s = again(); s.query != "" {
		t.Errorf("an empty id field left lastEventId %q, want none", s.query)
	}
	noErrors(t, p, false)
}

func testNames(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	s.send("event: error\ndata: no error\n\nevent: open\ndata: not opened\n\n")
	shows(t, p, `#log > [data-event="error"] .text`, "no error")
	shows(t, p, `#log > [data-event="open"] .text`, "not opened")
	state(t, p, "open")
	noErrors(t, p, false)
}

func testKeyboard(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	focus := func(want string) {
		t.Helper()
		p.Press("Tab")
		got := p.Eval(`document.activeElement.id || document.activeElement.value || document.activeElement.textContent`)
		// The segments show their focus on what can be seen of them.
		seen := p.Eval(`(() => { const el = document.activeElement, s = getComputedStyle(el.type === "radio" ? el.nextElementSibling : el); return s.outlineStyle + " " + s.outlineWidth })()`)
		if got != want || seen != "solid 3px" {
			t.Errorf("Tab went to %v with the outline %v, want %s, solid 3px", got, seen, want)
		}
	}
	focus("stream-sse")
	p.Press("ArrowRight")
	s.closed()
	if s = f.next(); s.path != "stream-flux" {
		t.Errorf("the arrow chose %s, want stream-flux", s.path)
	}
	focus("ping")
	p.Press("Enter")
	expect(t, f, url.Values{})
	shows(t, p, "#sent", "sent ping!")
	p.Press(" ")
	expect(t, f, url.Values{})
	focus("message")
	p.Type("by keyboard")
	focus("send")
	p.Press("Enter")
	expect(t, f, url.Values{"message": {"by keyboard"}})
	p.WaitFor(`document.querySelector("#message").value === ""`, soon)
	p.Press("Shift+Tab")
	p.Type("in a hurry")
	p.Press("Control+Enter")
	expect(t, f, url.Values{"message": {"in a hurry"}})
	p.Press("Tab")
	focus("clear")
	focus("toggle")
	p.Press("Enter")
	state(t, p, "closed")
	focus("log")
	for _, what := range []string{" the command to watch the stream", " the command for JSON lines", " the command to ping"} {
		focus("Copy" + what)
	}
	noErrors(t, p, false)
}

// expect waits for a ping with these fields.
func expect(t *testing.T, f *fake, want url.Values) {
	t.Helper()
	typ := ""
	if len(want) > 0 {
		typ = "application/x-www-form-urlencoded;charset=UTF-8"
	}
	if got := f.ping(); got != typ+" "+want.Encode() {
		t.Errorf("the ping was %.100q, want %.100q", got, typ+" "+want.Encode())
	}
}

func testMessage(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	set := func(js string) {
		p.Eval(`document.querySelector("#message").value = ` + js + `; document.querySelector("#message").dispatchEvent(new Event("input")); 0`)
	}
	p.Click("#send") // nothing to send: the browser reports it
	set(`"a=b&c;\n+%20 <b>ü 🙂"`)
	p.Click("#send")
	expect(t, f, url.Values{"message": {"a=b&c;\n+%20 <b>ü 🙂"}})
	set(`"ä".repeat(32 * 1024)`)
	shows(t, p, "#bytes", "65536 of 65536 bytes")
	p.Click("#send")
	expect(t, f, url.Values{"message": {strings.Repeat("ä", 32<<10)}})
	shows(t, p, "#bytes", "Up to 64 KiB")
	set(`"ä".repeat(32 * 1024) + "!"`)
	p.Click("#send")
	if got := p.Eval(`document.querySelector("#message").validationMessage`); got != "At most 65536 bytes; this is 65537." {
		t.Errorf("a message that is too long is answered with %q", got)
	}
	p.Click("#ping")
	expect(t, f, url.Values{}) // without the message that was too long
	noErrors(t, p, false)
}

func testPingFails(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	f.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"title":"Too Many Requests","detail":"10 pings a second are enough"}`)
	})
	p.Click("#ping")
	shows(t, p, "#sent.failed", "Not sent: Too Many Requests: 10 pings a second are enough")
	f.answerWith(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p.Click("#ping")
	shows(t, p, "#sent.failed", "Not sent: the server answered 502")
	f.answerWith(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	p.Click("#ping")
	shows(t, p, "#sent.failed", "Not sent: the server cannot be reached")
	state(t, p, "open")
	noErrors(t, p, true)
}

func testCopy(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	p.Click(".copy")
	p.WaitFor(`document.querySelector(".copy").textContent.startsWith("Copied")`, soon)
	want := "curl -N '" + f.page() + "stream-sse'"
	if got := p.Eval(`getSelection().toString()`); got != want {
		t.Errorf("selected is %q, want %q", got, want)
	}
	p.Eval(`navigator.clipboard.writeText = () => Promise.reject(new Error("not here")); 0`)
	p.Click(".copy")
	p.WaitFor(`document.querySelector(".copy").textContent.startsWith("Selected")`, soon)
	shows(t, p, "#announce", "Selected")
	noErrors(t, p, false)
}

func testAPI(t *testing.T, b *browser.Browser) {
	f, other := newFake(t), newFake(t)
	p := b.NewPage(t, f.page()+"?api="+url.QueryEscape(other.URL+strings.TrimSuffix(prefix, "/")))
	s := other.next()
	s.send("id: 1\ndata: from afar\n\n")
	shows(t, p, "#log .text", "from afar")
	shows(t, p, "#origin", "from "+other.page())
	shows(t, p, "[data-path=stream-sse]", "curl -N '"+other.page()+"stream-sse'")
	p.Click("#ping")
	expect(t, other, url.Values{})
	shows(t, p, "#sent", "sent ping!")
	f.noRequest()
	noErrors(t, p, false)

	if got := p.Eval(`fetch("http://127.0.0.1:1/").then(() => "let through", (e) => e.name)`); got != "TypeError" {
		t.Errorf("a third origin is %v", got)
	}
	if got := p.Errors(); len(got) == 0 || got[0].Source != "security" {
		t.Errorf("the third origin was refused with %v, want it refused by the policy", got)
	}
}

func testBadAPI(t *testing.T, b *browser.Browser) {
	f := newFake(t)
	for _, api := range []string{"javascript:alert(1)", "ftp://other.example/", "http://"} {
		p := b.NewPage(t, f.page()+"?api="+url.QueryEscape(api))
		state(t, p, "closed")
		shows(t, p, "#state-text", "?api= is not an http or https address")
		if got := p.Eval(`document.querySelector("#ping").disabled`); got != true {
			t.Errorf("with ?api=%s the ping is not disabled", api)
		}
		noErrors(t, p, false)
	}
	f.noRequest()
}

func testAnnounced(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	shows(t, p, "#announce", "Open")
	p.Eval(`window.heard = []; new MutationObserver(() => heard.push(document.querySelector("#announce").textContent)).observe(document.querySelector("#announce"), {childList: true}); 0`)
	for i := range 20 {
		s.send(fmt.Sprintf(tick, i))
	}
	shows(t, p, "#count", "20")
	s.send("event: pong\ndata: pong!\n\n")
	shows(t, p, "#announce", "Received: pong!")
	if got := p.Eval(`heard.join()`); got != "Received: pong!" {
		t.Errorf("announced: %v, want only the pong", got)
	}
	p.Click("[value=stream-flux]")
	s = f.next()
	s.send("data: a\n\n")
	shows(t, p, "#count", "1")
	p.Click("[value=events]")
	s = f.next()
	s.send("")
	state(t, p, "open")
	p.Eval(`saidAt = -Infinity`) // as if some time had passed
	s.send("data: pong! again\n\n")
	shows(t, p, "#announce", "Received: pong! again")
	if got := p.Eval(`heard.filter((s) => s.startsWith("Received")).join()`); got != "Received: pong!,Received: pong! again" {
		t.Errorf("announced: %v, want only the pongs", got)
	}
	if got := p.Eval(`document.querySelector("#log").role + " " + document.querySelector("#log").ariaLive + ", " + document.querySelector("#announce").ariaLive`); got != "log off, polite" {
		t.Errorf("roles are %v", got)
	}
}

func testSmall(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	long := strings.Repeat("x", 300)
	s.send("id: " + long + "\ndata: " + long + "\n\nevent: pong\ndata: " + long + "\n\n" + fmt.Sprintf(tick, 1) + "id: " + long + "\nevent: stream.gap\ndata: {\"reason\":\"" + long + "\",\"missed\":3}\n\n")
	shows(t, p, "#count", "4")
	p.Click("#ping")
	shows(t, p, "#sent", "sent ping!")
	for _, width := range []int{320, 390, 800, 1280} {
		p.Viewport(width, 640)
		if got := p.Eval(`[...document.querySelectorAll("html, .card, #last-id, #log, #log *")].filter((el) => el.scrollWidth > el.clientWidth && getComputedStyle(el).display !== "inline").map((el) => el.id || el.className || el.tagName)`).([]any); len(got) != 0 {
			t.Errorf("at %d pixels these scroll sideways: %v", width, got)
		}
		small := p.Eval(`[...document.querySelectorAll("button, textarea, label:has(input)")].map((el) => [el.id || el.textContent, el.getBoundingClientRect()]).filter(([, r]) => r.width < 44 || r.height < 44).map(([name]) => name)`)
		if got := small.([]any); len(got) != 0 {
			t.Errorf("at %d pixels these are smaller than a finger: %v", width, got)
		}
	}
}

// contrast lists the texts whose contrast to their background is below level AA of
// WCAG 2.
const contrast = `(() => {
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => { const [r, g, b] = rgb(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = (el) => { const c = getComputedStyle(el).backgroundColor; return rgb(c)[3] === 0 ? behind(el.parentElement) : c; };
	const texts = [...document.querySelectorAll("body *")].filter((el) => el.checkVisibility() && [...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
	const poor = texts.map((el) => {
		const [a, b] = [light(getComputedStyle(el).color), light(behind(el))].sort((x, y) => y - x);
		return [el.id || el.className || el.tagName, (a + 0.05) / (b + 0.05)];
	}).filter(([, ratio]) => ratio < 4.5);
	return {texts: texts.length, poor: poor.map(([name, ratio]) => name + " " + ratio.toFixed(2))};
})()`

func testContrast(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	s.send("data: x\n\nevent: pong\ndata: x\n\nevent: stream.gap\ndata: {\"missed\":1}\n\n" + fmt.Sprintf(tick, 1))
	shows(t, p, "#count", "4")
	p.Click("#ping")
	shows(t, p, "#sent", "sent ping!")
	check := func(what string) {
		t.Helper()
		got := p.Eval(contrast).(map[string]any)
		if got["texts"].(float64) < 40 {
			t.Errorf("%s: only %v texts were looked at", what, got["texts"])
		}
		if poor := got["poor"].([]any); len(poor) > 0 {
			t.Errorf("%s: too little contrast: %v", what, poor)
		}
	}
	backgrounds := map[any]bool{}
	for _, scheme := range []string{"light", "dark"} {
		p.Media("prefers-color-scheme", scheme)
		backgrounds[p.Eval(`getComputedStyle(document.body).backgroundColor`)] = true
		check(scheme + ", open")
	}
	if len(backgrounds) != 2 {
		t.Errorf("the schemes have the backgrounds %v", backgrounds)
	}
	s.send("event: stream.bye\ndata: {\"retry\":60000}\n\n")
	state(t, p, "waiting")
	check("dark, waiting")
	p.Media("prefers-color-scheme", "light")
	check("light, waiting")
}

func testMotion(t *testing.T, b *browser.Browser) {
	_, p, s := open(t, b)
	for i, want := range []float64{1, 0} {
		if want == 0 {
			p.Media("prefers-reduced-motion", "reduce")
		}
		p.Eval(`window.animated = 0; Element.prototype.animate = () => animated++; 0`)
		s.send("data: x\n\n")
		shows(t, p, "#count", fmt.Sprint(i+1))
		if got := p.Eval(`animated + document.getAnimations().length`); got != want {
			t.Errorf("with reduced motion %v, %v things move", want == 0, got)
		}
	}
}

func testNoScript(t *testing.T, b *browser.Browser) {
	f, p, s := open(t, b)
	s.send("")
	p.Scripts(false)
	p.Navigate(f.page())
	if got := p.Eval(`document.querySelector("noscript").innerText + document.querySelector("#stream").checkVisibility()`).(string); strings.Count(got, "curl ") != 3 || !strings.HasSuffix(got, "false") {
		t.Errorf("without scripts the page shows %q, want three commands and no stream", got)
	}
	p.Click("#ping")
	if got := f.ping(); !strings.HasPrefix(got, "application/x-www-form-urlencoded") {
		t.Errorf("the form sent %q", got)
	}
	p.WaitFor(`document.body?.textContent === "sent ping!"`, soon)
}
