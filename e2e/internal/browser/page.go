//go:build unix

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// A Page is one visible, focused page in its own browser context: it shares no
// cookies, cache or connections with other pages. It belongs to one test, and only
// one goroutine may use it at a time.
type Page struct {
	t     testing.TB
	ctx   context.Context
	close func()

	mu     sync.Mutex
	errors []ConsoleError
}

// A ConsoleError is what the page put on the console as an error.
type ConsoleError struct {
	Source string // "console", "exception", or the browser's word: "network", "security" (violations of the Content-Security-Policy), ...
	Text   string
	URL    string // what it is about, if that is known
}

// String returns the error in one line.
func (e ConsoleError) String() string {
	return strings.TrimSpace(e.Source + ": " + e.Text + " " + e.URL)
}

// NewPage opens a page, loads url and waits until it has loaded. The page is closed
// when t ends.
func (b *Browser) NewPage(t testing.TB, url string) *Page {
	t.Helper()
	return open(t, b.ctx, url, chromedp.WithNewBrowserContext())
}

// NewTab opens another page in p's browser context: the two share cookies, cache
// and the browser's limit on connections. It is closed before p is.
func (p *Page) NewTab(url string) *Page {
	p.t.Helper()
	return open(p.t, p.ctx, url)
}

// open opens a page in a window of its own, so that it is visible beside others.
func open(t testing.TB, parent context.Context, url string, opts ...chromedp.ContextOption) *Page {
	t.Helper()
	p := &Page{t: t}
	p.ctx, p.close = chromedp.NewContext(parent, append(opts, chromedp.WithListener(p.hear))...)
	t.Cleanup(p.close)
	starting := time.AfterFunc(testkit.Patience, p.close)
	err := chromedp.Do(p.ctx) // without a deadline, which would be that of the page
	starting.Stop()
	if err != nil {
		t.Fatalf("browser: no new page: %v", err)
	}
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	p.Navigate(url)
	return p
}

// Navigate loads url in the page and waits until it has loaded.
func (p *Page) Navigate(url string) {
	p.t.Helper()
	if _, err := run(p, chromedp.Navigate(url)); err != nil {
		p.t.Fatalf("browser: %s: %v", url, err)
	}
}

// run runs one action, for [testkit.Patience] at most.
func run[T any](p *Page, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, testkit.Patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// call calls a command of the DevTools protocol, which must succeed.
func call[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := run(p, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
	if err != nil {
		p.t.Fatalf("browser: %s: %v", command.Method, err)
	}
	return result
}

// hear records errors.
func (p *Page) hear(event any) {
	var found ConsoleError
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError {
			return
		}
		found = ConsoleError{string(e.Entry.Source), e.Entry.Text, e.Entry.URL}
	case *runtime.EventExceptionThrown:
		found = ConsoleError{Source: "exception", Text: (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeAssert {
			return
		}
		found = ConsoleError{Source: "console", Text: words(e.Args)}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, found)
}

// words returns args as the console shows them.
func words(args []*runtime.RemoteObject) string {
	var all []string
	for _, a := range args {
		var v any = a.Description
		if len(a.Value) > 0 {
			json.Unmarshal(a.Value, &v)
		}
		all = append(all, fmt.Sprint(v))
	}
	return strings.Join(all, " ")
}

// Errors returns what has been put on the console as an error so far, in order,
// over all documents that the page has shown: errors logged and thrown, requests that
// failed, and violations of the Content-Security-Policy.
func (p *Page) Errors() []ConsoleError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.errors)
}

// Eval runs an expression in the page and returns its value as encoding/json has
// it: nil, bool, float64, string, []any or map[string]any. It waits for a promise;
// an exception fails the test.
func (p *Page) Eval(js string) any {
	p.t.Helper()
	v, err := p.eval(js)
	if err != nil {
		p.t.Fatalf("browser: %s: %v", js, err)
	}
	return v
}

func (p *Page) eval(js string) (any, error) {
	return run(p, chromedp.Evaluate[any](js, chromedp.EvalAwaitPromise, func(params *runtime.EvaluateParams) { params.UserGesture = new(true) }))
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
		case p.ctx.Err() != nil:
			p.t.Fatalf("browser: %s: the page is closed: %v", js, err)
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
	if _, err := run(p, chromedp.MouseClickXY(at[0].(float64), at[1].(float64))); err != nil {
		p.t.Fatalf("browser: click %s: %v", selector, err)
	}
}

// keys are the keys that Press knows.
var keys = map[string]string{
	"Tab": kb.Tab, "Enter": kb.Enter, "Escape": kb.Escape, " ": " ",
	"ArrowLeft": kb.ArrowLeft, "ArrowUp": kb.ArrowUp, "ArrowRight": kb.ArrowRight, "ArrowDown": kb.ArrowDown,
}

// Press presses and releases a key: Tab, Enter, Escape, " " or an arrow such as
// ArrowDown, by their names in KeyboardEvent.key, after "Shift+" or "Control+" if
// that is held down meanwhile.
func (p *Page) Press(key string) {
	p.t.Helper()
	var held []chromedp.KeyOption
	if rest, ok := strings.CutPrefix(key, "Control+"); ok {
		key, held = rest, append(held, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	} else if rest, ok := strings.CutPrefix(key, "Shift+"); ok {
		key, held = rest, append(held, chromedp.KeyModifiers(chromedp.ModifierShift))
	}
	k, ok := keys[key]
	if !ok {
		p.t.Fatalf("browser: unknown key %q; add it to keys", key)
	}
	if _, err := run(p, chromedp.KeyEvent(k, held...)); err != nil {
		p.t.Fatalf("browser: press %s: %v", key, err)
	}
}

// Type puts text into the element that has the focus, as one input.
func (p *Page) Type(text string) {
	p.t.Helper()
	call(p, input.InsertText, input.InsertTextParams{Text: text})
}

// Viewport sets the size of the page, in CSS pixels.
func (p *Page) Viewport(width, height int) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: int64(height), DeviceScaleFactor: 1, Mobile: width < 600,
	})
}

// Media sets a media feature, for example "prefers-color-scheme" to "dark". It resets
// features that were set before to their defaults.
func (p *Page) Media(feature, value string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: feature, Value: value}}})
}

// SetVisible hides the page, as switching to another tab does, or shows it again.
// A new page is visible and has the focus, however many there are.
func (p *Page) SetVisible(visible bool) {
	p.t.Helper()
	state := browser.WindowStateMinimized
	if visible {
		state = browser.WindowStateNormal
	}
	window := call(p, browser.GetWindowForTarget, browser.GetWindowForTargetParams{})
	call(p, browser.SetWindowBounds, browser.SetWindowBoundsParams{WindowID: window.WindowID, Bounds: &browser.Bounds{WindowState: state}})
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: visible})
	p.WaitFor(fmt.Sprintf(`(document.visibilityState === "visible") === %t`, visible), testkit.Patience)
}

// Scripts switches off, or on again, the scripts of documents that are loaded later.
// Eval works either way.
func (p *Page) Scripts(on bool) {
	p.t.Helper()
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}
