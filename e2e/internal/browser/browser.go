//go:build unix

package browser

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
)

// A Browser is one running Chromium. Its methods may be called concurrently, each
// with the test it is for.
type Browser struct {
	cmd     *exec.Cmd
	pipe    *pipe
	profile string
	in      *os.File
	read    sync.WaitGroup
	once    sync.Once
	err     error // of Close
}

// Start starts a headless Chromium with a fresh profile and ends it when t ends.
// Where PATH has none, nor another browser built from it, it skips t, or fails it
// if FLUXWIRE_REQUIRE_ALL=1.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := require.Program(t, "chromium", "chromium-browser", "google-chrome")
	b, err := start(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func start(path string) (_ *Browser, err error) {
	profile, err := os.MkdirTemp("", "browser-profile-")
	if err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	theirIn, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("browser: %w", err), os.RemoveAll(profile))
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("browser: %w", err), theirIn.Close(), out.Close(), os.RemoveAll(profile))
	}
	cmd := exec.Command(path,
		"--headless", "--remote-debugging-pipe", "--user-data-dir="+profile,
		// Only pages of the test itself are shown, often in a container, as root.
		"--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
		// Nothing that calls home or gets in the way.
		"--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-extensions", "--disable-quic", "--disable-breakpad",
		"--password-store=basic", "--use-mock-keychain",
		// Timers run at full speed in every page, whichever window is in front.
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+profile, "XDG_CACHE_HOME="+profile) // crash reports stay out of the user's home
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}                                        // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("browser: %w", err), in.Close(), out.Close(), os.RemoveAll(profile))
	}
	b := &Browser{cmd: cmd, profile: profile, in: in, pipe: &pipe{out: out, waiting: map[int]chan message{}, hear: map[string]func(message){}}}
	b.read.Go(func() { b.pipe.read(in) })
	if err := b.pipe.call("", "Browser.getVersion", nil, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("browser: %s does not answer: %w", path, err), b.Close())
	}
	return b, nil
}

// Close ends the browser and every process it started, and removes its profile.
// It returns once they are gone, or 10 s after they were killed. Further calls return what the first returned.
func (b *Browser) Close() error {
	b.once.Do(func() { b.err = b.close() })
	return b.err
}

func (b *Browser) close() error {
	b.pipe.callWithin(5*time.Second, "", "Browser.close", nil, nil) // so that it writes nothing more; it may be gone, or hang
	// Nobody has waited for the leader yet, so the number of the group is still ours.
	group := -b.cmd.Process.Pid
	syscall.Kill(group, syscall.SIGKILL)
	b.cmd.Wait()
	for end := time.Now().Add(10 * time.Second); syscall.Kill(group, 0) == nil && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond) // the kernel is still taking them down, or an init that does not reap them keeps their names
	}
	b.pipe.out.Close()
	b.in.Close() // ends read, whoever may still hold the other end
	b.read.Wait()
	if err := os.RemoveAll(b.profile); err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	return nil
}
