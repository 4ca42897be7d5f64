//go:build unix

package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
)

// soon is how long a test waits for what the page should do at once.
const soon = 30 * time.Second

// TestPage shares one browser between its parts, the methods of a Page.
func TestPage(t *testing.T) {
	b := Start(t)
	site := serve(t)

	t.Run("Eval gives the values of JSON", func(t *testing.T) {
		p := b.NewPage(t, site)
		for js, want := range map[string]any{
			`undefined`:             nil,
			`1 + 1`:                 2.0,
			`"ü" + "\u0000"`:        "ü\x00",
			`document.title`:        "A test",
			`[1, null, {a: true}]`:  []any{1.0, nil, map[string]any{"a": true}},
			`Promise.resolve("it")`: "it",
		} {
			if got := p.Eval(js); !reflect.DeepEqual(got, want) {
				t.Errorf("Eval(%s) = %#v, want %#v", js, got, want)
			}
		}
	})

	t.Run("an exception fails the test and says why", func(t *testing.T) {
		got := failure(t, func(tb testing.TB) { b.NewPage(tb, site).Eval(`nothing.here`) })
		if !strings.Contains(got, "nothing is not defined") {
			t.Errorf("Eval failed with %q, want the exception", got)
		}
	})

	t.Run("waiting for what does not come fails the test", func(t *testing.T) {
		got := failure(t, func(tb testing.TB) { b.NewPage(tb, site).WaitFor(`nothing.here`, time.Millisecond) })
		if !strings.Contains(got, "not within 1ms: nothing.here") || !strings.Contains(got, "nothing is not defined") {
			t.Errorf("WaitFor failed with %q, want the condition and the exception", got)
		}
	})

	t.Run("WaitFor waits", func(t *testing.T) {
		p := b.NewPage(t, site)
		p.Eval(`setTimeout(() => { window.done = true }, 200); 0`)
		p.WaitFor(`window.done`, soon)
	})

	t.Run("a click is a real one", func(t *testing.T) {
		p := b.NewPage(t, site)
		p.Click("#below")
		p.WaitFor(`window.clicked === "below, trusted"`, soon)
	})

	t.Run("what cannot be clicked fails the test", func(t *testing.T) {
		for _, selector := range []string{"#covered", "#missing", "#hidden"} {
			if got := failure(t, func(tb testing.TB) { b.NewPage(tb, site).Click(selector) }); !strings.Contains(got, "cannot click "+selector) {
				t.Errorf("Click(%s) failed with %q", selector, got)
			}
		}
	})

	t.Run("keys move the focus, type and press", func(t *testing.T) {
		p := b.NewPage(t, site)
		p.Press("Tab")
		p.Type("héllo")
		p.Press("Enter")
		p.Press("Tab")
		p.Press(" ")
		p.WaitFor(`window.clicked === "next, trusted"`, soon)
		p.Press("Shift+Tab")
		if got := p.Eval(`document.activeElement.id + " " + document.activeElement.value`); got != "text héllo\n" {
			t.Errorf("the focus is on %q, want the textarea with what was typed", got)
		}
		if got := failure(t, func(tb testing.TB) { b.NewPage(tb, site).Press("F99") }); !strings.Contains(got, `"F99"`) {
			t.Errorf("Press failed with %q, want the key", got)
		}
	})

	t.Run("pages are visible, focused and apart from each other", func(t *testing.T) {
		one, two := b.NewPage(t, site), b.NewPage(t, site)
		for _, p := range []*Page{one, two} {
			if got := p.Eval(`document.visibilityState + " " + document.hasFocus()`); got != "visible true" {
				t.Errorf("a page among two is %q, want visible and focused", got)
			}
		}
		one.Eval(`localStorage.setItem("a", "b")`)
		if got := two.Eval(`localStorage.getItem("a")`); got != nil {
			t.Errorf("the other page has %v in its storage, want nothing", got)
		}
	})

	t.Run("a page is hidden and shown", func(t *testing.T) {
		one, two := b.NewPage(t, site), b.NewPage(t, site)
		one.Eval(`document.addEventListener("visibilitychange", () => (window.seen ??= []).push(document.visibilityState))`)
		one.SetVisible(false)
		if got := two.Eval(`document.visibilityState`); got != "visible" {
			t.Errorf("the other page is %v, want visible", got)
		}
		one.SetVisible(true)
		if got, want := one.Eval(`seen`), []any{"hidden", "visible"}; !reflect.DeepEqual(got, want) {
			t.Errorf("the page went through %v, want %v", got, want)
		}
	})

	t.Run("errors on the console are noted", func(t *testing.T) {
		p := b.NewPage(t, site)
		if got := p.Errors(); len(got) != 0 {
			t.Errorf("a page without errors has %v", got)
		}
		p.Eval(`console.log("no error"); console.error("said", 7); console.assert(false, "claimed"); setTimeout(() => { throw new Error("thrown") }); fetch("missing")`)
		p.Eval(`document.body.append(Object.assign(document.createElement("script"), {textContent: "window.hacked = true"}))`)
		for source, text := range map[string]string{"console": "said 7", "exception": "Error: thrown", "network": "404", "security": "Content Security Policy"} {
			wait(t, func() string {
				for _, e := range p.Errors() {
					if e.Source == source && strings.Contains(e.Text, text) {
						return ""
					}
				}
				return fmt.Sprintf("no %s error with %q among %v", source, text, p.Errors())
			})
		}
		if got := p.Errors(); len(got) != 5 || got[1].Text != "claimed" {
			t.Errorf("errors are %v, want five: the claim too, the log not", got)
		}
		if p.Eval(`window.hacked`) != nil {
			t.Error("the policy did not hold")
		}
	})

	t.Run("a page has the size and the colours that it is given", func(t *testing.T) {
		p := b.NewPage(t, site)
		p.Viewport(640, 400)
		for _, scheme := range []string{"light", "dark"} {
			p.Media("prefers-color-scheme", scheme)
			if got, want := p.Eval("innerWidth + ` ` + innerHeight + ` ` + matchMedia(`(prefers-color-scheme: "+scheme+")`).matches"), "640 400 true"; got != want {
				t.Errorf("%s: width, height and scheme are %v, want %v", scheme, got, want)
			}
		}
	})

	t.Run("a page that is not there fails the test", func(t *testing.T) {
		gone := httptest.NewServer(nil)
		gone.Close()
		if got := failure(t, func(tb testing.TB) { b.NewPage(tb, gone.URL) }); !strings.Contains(got, "ERR_CONNECTION_REFUSED") {
			t.Errorf("NewPage failed with %q, want the reason", got)
		}
	})
}

func TestStartWithoutBrowser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(require.All, "")
	if got := failure(t, func(tb testing.TB) { Start(tb) }); !strings.HasPrefix(got, "skip: SKIPPED") || !strings.Contains(got, "chromium-browser") {
		t.Errorf("Start said %q, want it to skip and to name what it looked for", got)
	}
	t.Setenv(require.All, "1")
	if got := failure(t, func(tb testing.TB) { Start(tb) }); !strings.HasPrefix(got, "fatal: require: program chromium") {
		t.Errorf("Start said %q, want it to fail", got)
	}
}

func TestStartOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/bin/true", filepath.Join(dir, "chromium")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got := failure(t, func(tb testing.TB) { Start(tb) }); !strings.Contains(got, "does not start") {
		t.Errorf("Start said %q, want it to fail", got)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	profiles := t.TempDir()
	t.Run("a browser", func(t *testing.T) {
		t.Setenv("TMPDIR", profiles)
		Start(t).NewPage(t, serve(t))
		if n := len(processesWith(t, profiles)); runtime.GOOS == "linux" && n < 3 {
			t.Fatalf("found only %d processes: the check below would mean nothing", n)
		}
	})
	if left, err := os.ReadDir(profiles); err != nil || len(left) > 0 {
		t.Errorf("files %v are left, %v", left, err)
	}
	wait(t, func() string {
		if left := processesWith(t, profiles); len(left) > 0 {
			return fmt.Sprintf("processes %v are left", left)
		}
		return ""
	})
}

// serve serves one page that forbids inline scripts.
func serve(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "script-src 'self'")
			fmt.Fprint(w, `<!doctype html><title>A test</title><meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><script src="test.js"></script>
				<textarea id="text"></textarea><button id="next">next</button><button id="hidden" hidden>hidden</button>
				<div style="position: relative"><button id="covered">covered</button><div style="position: absolute; inset: 0"></div></div>
				<button id="below" style="margin-top: 5000px">below</button>`)
		case "/test.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `addEventListener("click", (e) => { window.clicked = e.target.id + (e.isTrusted ? ", trusted" : "") });`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// failure runs f with a fake test and returns the message with which that ended.
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(r) })
	wg.Wait()
	return r.end
}

type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatal(args ...any) {
	r.end = "fatal: " + fmt.Sprint(args...)
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }
func (r *recorder) Skipf(format string, args ...any) {
	r.end = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// wait fails the test if wrong still reports something after a while.
func wait(t *testing.T, wrong func() string) {
	t.Helper()
	for end := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		problem := wrong()
		if problem == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(problem)
		}
	}
}

// processesWith lists the processes whose command line holds s.
func processesWith(t *testing.T, s string) (pids []string) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		// A process that has ended meanwhile cannot be read, and does not count.
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), s) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}
