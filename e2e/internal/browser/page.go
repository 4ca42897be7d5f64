//go:build unix

package browser

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Page is one visible, focused page in a browser context of its own: cookies,
// cache and connections are not shared with other pages. It belongs to one test.
type Page struct {
	t                        testing.TB
	pipe                     *pipe
	context, target, session string

	mu     sync.Mutex
	errors []ConsoleError
}

// A ConsoleError is what the page put on the console as an error.
type ConsoleError struct {
	Source string // "console", "exception", or the browser's word: "network", "security" (violations of the Content-Security-Policy), ...
	Text   string
	URL    string // what it is about, if that is known
}

func (e ConsoleError) String() string {
	return strings.TrimSpace(e.Source + ": " + e.Text + " " + e.URL)
}

// NewPage opens a page, loads url and waits until it has loaded. The page is closed
// when t ends.
func (b *Browser) NewPage(t testing.TB, url string) *Page {
	t.Helper()
	var made struct{ BrowserContextID string }
	if err := b.pipe.call("", "Target.createBrowserContext", nil, &made); err != nil {
		t.Fatal(err)
	}
	return open(t, b.pipe, made.BrowserContextID, url)
}

// NewTab opens another page in p's browser context: the two share cookies, cache
// and the browser's limit on connections. It is closed when p is.
func (p *Page) NewTab(url string) *Page {
	p.t.Helper()
	return open(p.t, p.pipe, p.context, url)
}

// open opens a page in a window of its own, so that it is visible beside others.
func open(t testing.TB, pipe *pipe, context, url string) *Page {
	t.Helper()
	p := &Page{t: t, pipe: pipe, context: context}
	t.Cleanup(p.Close)
	var made struct{ TargetID, SessionID string }
	err := pipe.call("", "Target.createTarget", object{"url": "about:blank", "browserContextId": context, "newWindow": true}, &made)
	if err == nil {
		p.target = made.TargetID
		err = pipe.call("", "Target.attachToTarget", object{"targetId": p.target, "flatten": true}, &made)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.session = made.SessionID
	pipe.on(p.session, p.hear)
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.call(domain+".enable", nil, nil)
	}
	p.call("Emulation.setFocusEmulationEnabled", object{"enabled": true}, nil)
	p.Navigate(url)
	return p
}

type object map[string]any

// call fails the test if the command does.
func (p *Page) call(method string, params, result any) {
	p.t.Helper()
	if err := p.pipe.call(p.session, method, params, result); err != nil {
		p.t.Fatal(err)
	}
}

// hear notes errors.
func (p *Page) hear(m message) {
	var e struct {
		Type  string
		Args  []struct{ Value, Description any }
		Entry struct{ Source, Level, Text, URL string }
		exceptionDetails
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	var found ConsoleError
	switch {
	case m.Method == "Log.entryAdded" && e.Entry.Level == "error":
		found = ConsoleError{e.Entry.Source, e.Entry.Text, e.Entry.URL}
	case m.Method == "Runtime.exceptionThrown":
		found = ConsoleError{Source: "exception", Text: e.Error()}
	case m.Method == "Runtime.consoleAPICalled" && (e.Type == "error" || e.Type == "assert"):
		words := []string{}
		for _, a := range e.Args {
			if a.Value == nil {
				a.Value = a.Description
			}
			words = append(words, fmt.Sprint(a.Value))
		}
		found = ConsoleError{Source: "console", Text: strings.Join(words, " ")}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, found)
}

type exceptionDetails struct {
	ExceptionDetails *struct {
		Text      string
		Exception struct{ Description string }
	}
}

func (e exceptionDetails) Error() string {
	return strings.TrimSpace(e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description)
}

// Navigate loads url in the page and waits until it has loaded.
func (p *Page) Navigate(url string) {
	p.t.Helper()
	var answer struct{ ErrorText string }
	p.call("Page.navigate", object{"url": url}, &answer)
	if answer.ErrorText != "" {
		p.t.Fatalf("browser: %s: %s", url, answer.ErrorText)
	}
	p.WaitFor(`document.readyState === "complete"`, patience)
}

// Eval runs an expression in the page and returns its value as encoding/json has
// it: nil, bool, float64, string, []any or map[string]any. A promise is waited
// for; an exception fails the test.
func (p *Page) Eval(js string) any {
	p.t.Helper()
	v, err := p.eval(js)
	if err != nil {
		p.t.Fatalf("browser: %s: %v", js, err)
	}
	return v
}

func (p *Page) eval(js string) (any, error) {
	var answer struct {
		Result struct{ Value any }
		exceptionDetails
	}
	err := p.pipe.call(p.session, "Runtime.evaluate", object{"expression": js, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &answer)
	if err == nil && answer.ExceptionDetails != nil {
		err = answer.exceptionDetails
	}
	return answer.Result.Value, err
}

// WaitFor waits until the expression is true. One that throws is not true yet.
// The test fails if that takes longer than timeout.
func (p *Page) WaitFor(js string, timeout time.Duration) {
	p.t.Helper()
	for end := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		v, err := p.eval("Boolean(" + js + ")")
		switch {
		case v == true && err == nil:
			return
		case errors.Is(err, errClosed):
			p.t.Fatal(err)
		case time.Now().After(end):
			p.t.Fatalf("browser: not within %v: %s (%v); errors on the console: %v", timeout, js, err, p.Errors())
		}
	}
}

// Click clicks the middle of the first element that matches, as a mouse would: it
// scrolls it into view, and fails the test if something else covers it.
func (p *Page) Click(selector string) {
	p.t.Helper()
	at, ok := p.Eval(fmt.Sprintf(`(() => {
		const el = document.querySelector(%q);
		if (!el) return "matches nothing";
		el.scrollIntoView({block: "center", behavior: "instant"});
		const r = el.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		const hit = document.elementFromPoint(x, y);
		return el.contains(hit) || el.labels && [...el.labels].some((l) => l.contains(hit)) ? [x, y] : "is covered or not visible";
	})()`, selector)).([]any)
	if !ok {
		p.t.Fatalf("browser: cannot click %s: it matches nothing, is covered or not visible", selector)
	}
	for _, typ := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", object{"type": typ, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// keys are those that Press knows, with the number Windows gave them and the text
// they write.
var keys = map[string]struct {
	number int
	text   string
}{
	"Tab": {9, ""}, "Enter": {13, "\r"}, "Escape": {27, ""}, " ": {32, " "},
	"ArrowLeft": {37, ""}, "ArrowUp": {38, ""}, "ArrowRight": {39, ""}, "ArrowDown": {40, ""},
}

// Press presses and releases a key: Tab, Enter, Escape, " " or an arrow such as
// ArrowDown, by their names in KeyboardEvent.key, after "Shift+" or "Control+" if
// that is held down meanwhile.
func (p *Page) Press(key string) {
	p.t.Helper()
	modifiers := 0
	if rest, ok := strings.CutPrefix(key, "Control+"); ok {
		key, modifiers = rest, 2
	} else if rest, ok := strings.CutPrefix(key, "Shift+"); ok {
		key, modifiers = rest, 8
	}
	k, ok := keys[key]
	if !ok {
		p.t.Fatalf("browser: there is no key %q here; add it to keys", key)
	}
	code := key
	if key == " " {
		code = "Space"
	}
	down := object{"type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": k.number, "text": k.text, "modifiers": modifiers}
	p.call("Input.dispatchKeyEvent", down, nil)
	p.call("Input.dispatchKeyEvent", object{"type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": k.number, "modifiers": modifiers}, nil)
}

// Type puts text into the element that has the focus, as one input.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.call("Input.insertText", object{"text": text}, nil)
}

// Viewport makes the page so large, in CSS pixels.
func (p *Page) Viewport(width, height int) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
}

// Media sets a media feature: "prefers-color-scheme" to "dark", for one. Earlier
// ones go back to their defaults.
func (p *Page) Media(feature, value string) {
	p.t.Helper()
	p.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": feature, "value": value}}}, nil)
}

// SetVisible hides the page, as switching to another tab does, or shows it again.
// A new page is visible and has the focus, however many there are.
func (p *Page) SetVisible(visible bool) {
	p.t.Helper()
	var window struct{ WindowID int }
	p.call("Browser.getWindowForTarget", nil, &window)
	state := "minimized"
	if visible {
		state = "normal"
	}
	p.call("Browser.setWindowBounds", object{"windowId": window.WindowID, "bounds": object{"windowState": state}}, nil)
	p.call("Emulation.setFocusEmulationEnabled", object{"enabled": visible}, nil)
	p.WaitFor(fmt.Sprintf(`(document.visibilityState === "visible") === %t`, visible), patience)
}

// Scripts switches the scripts of the documents loaded from now on off, or on again;
// Eval works either way.
func (p *Page) Scripts(on bool) {
	p.t.Helper()
	p.call("Emulation.setScriptExecutionDisabled", object{"value": !on}, nil)
}

// Screenshot writes what the page shows to path, as PNG.
func (p *Page) Screenshot(path string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", object{"format": "png"}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		p.t.Fatalf("browser: screenshot: %v", err)
	}
}

// Errors returns what has been put on the console as an error so far, in order,
// over all documents the page has shown: errors logged and thrown, requests that
// failed, and violations of the Content-Security-Policy.
func (p *Page) Errors() []ConsoleError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]ConsoleError(nil), p.errors...)
}

// Close closes the page, and with it the tabs of its browser context. It may be
// called more than once.
func (p *Page) Close() {
	p.pipe.on(p.session, nil)
	p.pipe.call("", "Target.disposeBrowserContext", object{"browserContextId": p.context}, nil)
}
