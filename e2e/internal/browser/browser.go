//go:build unix

package browser

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fluxwire-go/fluxwire/internal/require"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// A Browser is one running Chromium. Its methods may be called concurrently, each
// with the test that it works for.
type Browser struct{ ctx context.Context }

// Start starts a headless Chromium with a new profile. It ends when t does, and
// removes the profile. If there is no browser, see [require.Program].
func Start(t testing.TB) *Browser {
	t.Helper()
	path := require.Program(t, "chromium", "chromium-browser", "google-chrome")
	home := t.TempDir() // for crash reports and the like
	allocator, release := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		// The browser shows only pages of the test, often in a container, as root.
		chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Env("XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home))...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		gently, stop := context.WithTimeout(ctx, testkit.Patience)
		defer stop()
		if err := chromedp.Cancel(gently); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("browser: close: %v", err)
		}
		cancel()
		release()
	})
	starting := time.AfterFunc(testkit.Patience, cancel)
	defer starting.Stop()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("browser: %s does not start: %v", path, err)
	}
	return &Browser{ctx}
}
