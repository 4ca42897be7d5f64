package client

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func openPositionFile(t *testing.T, path string) *PositionFile {
	t.Helper()
	c, err := OpenPositionFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wantLoad(t *testing.T, c *PositionFile, want string) {
	t.Helper()
	if got, err := c.Load(t.Context()); got != want || err != nil {
		t.Fatalf("Load() = %.100q, %v; want %.100q, nil", got, err, want)
	}
}

func TestPositionFileAnyID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	c := openPositionFile(t, path)
	wantLoad(t, c, "")
	for _, id := range []string{"7.abc", "", "a\nb\r\n\x00", "\n", "ключ \U0001f511", "\xff\xfe", "fluxwire-position-1 00000000 0\n\n", strings.Repeat("x", maxStoredID)} {
		if err := c.Save(t.Context(), id); err != nil {
			t.Fatalf("Save(%.100q) = %v", id, err)
		}
		wantLoad(t, c, id)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = openPositionFile(t, path)
		wantLoad(t, c, id)
	}
	kept := strings.Repeat("x", maxStoredID)
	err := c.Save(t.Context(), kept+"x")
	if want := path + ": the id has 65537 bytes, more than 65536"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Save of 65537 bytes = %v, want %q", err, want)
	}
	wantLoad(t, c, kept)
}

// TestPositionFileFormat fixes the format: later versions must read the files of this one.
func TestPositionFileFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	c := openPositionFile(t, path)
	if err := c.Save(t.Context(), "123456789"); err != nil {
		t.Fatal(err)
	}
	// The check value of CRC-32C is that of these nine digits.
	if b, err := os.ReadFile(path); string(b) != "fluxwire-position-1 e3069283 9\n123456789\n" || err != nil {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

func TestPositionFileDamaged(t *testing.T) {
	whole := string(encodePosition("12.abc"))
	files := map[string]string{
		"an empty file":          "",
		"another program's file": "{\"id\": 12}\n",
		"a later format":         strings.Replace(whole, "position-1", "position-2", 1),
		"something more":         whole + "\n",
		"two of them":            whole + whole,
		"zeros":                  strings.Repeat("\x00", len(whole)),
		"a length in other form": strings.Replace(whole, " 6\n", " 06\n", 1),
		"a very large file":      strings.Repeat(whole, 1<<14),
		"an id that is too long": string(encodePosition(strings.Repeat("x", maxStoredID+1))),
	}
	for n := range len(whole) {
		files[fmt.Sprintf("cut after %d bytes", n)] = whole[:n]
		for bit := range 8 {
			b := []byte(whole)
			b[n] ^= 1 << bit
			files[fmt.Sprintf("bit %d of byte %d is wrong", bit, n)] = string(b)
		}
	}
	path := filepath.Join(t.TempDir(), "position")
	want := "client: position: open: " + path + ": the file is damaged, or not a position file: restore it, or remove it to start without a position"
	for name, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := OpenPositionFile(path)
		if c != nil || !errors.Is(err, ErrPositionFileDamaged) || errText(err) != want {
			t.Fatalf("%s: OpenPositionFile = %v, %v; want nil, %s", name, c, err, want)
		}
		if b, err := os.ReadFile(path); string(b) != content || err != nil {
			t.Fatalf("%s: the file was changed to %q, %v", name, b, err)
		}
	}
	if err := os.Remove(path); err != nil { // as the error suggests
		t.Fatal(err)
	}
	c := openPositionFile(t, path)
	wantLoad(t, c, "")

	// Damage after the opening is found by Load.
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := c.Load(t.Context()); id != "" || !errors.Is(err, ErrPositionFileDamaged) {
		t.Errorf("Load() = %q, %v; want ErrPositionFileDamaged", id, err)
	}
}

func TestPositionFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	c := openPositionFile(t, path)
	want := "client: position: open: " + path + ": the file is in use by another stream: give each a file of its own"
	if _, err := OpenPositionFile(path); !errors.Is(err, ErrPositionFileInUse) || errText(err) != want {
		t.Errorf("a second one: %v, want %s", err, want)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Load(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Load after Close: %v, want os.ErrClosed", err)
	}
	if err := c.Save(t.Context(), "x"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Save after Close: %v, want os.ErrClosed", err)
	}
	wantLoad(t, openPositionFile(t, path), "")
}

// A failed open must release the lock.
func TestPositionFileOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := OpenPositionFile(path)
		if e, ok := errors.AsType[*PositionError](err); !ok || e.Op != "open" || errors.Is(err, ErrPositionFileInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("a directory as position file: %v, want what the system says", err)
		}
	}
	if _, err := OpenPositionFile(filepath.Join(path, "missing", "position")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v, want os.ErrNotExist", err)
	}
}

func TestPositionFileKeepsAbsolutePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c := openPositionFile(t, "position")
	t.Chdir(t.TempDir())
	if err := c.Save(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "position")); err != nil {
		t.Error(err)
	}
}

// A file that a killed Save has left, or a link under that name, does not prevent Save,
// and Save does not write through the link.
func TestPositionFileReplacesLeftoverFile(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "position"), filepath.Join(dir, "other")
	c := openPositionFile(t, path)
	for _, leave := range []func() error{
		func() error { return os.WriteFile(path+".tmp", []byte("half"), 0o600) },
		func() error { return os.WriteFile(other, []byte("other"), 0o600) },
		func() error { return os.Symlink(other, path+".tmp") },
	} {
		if err := leave(); err != nil {
			t.Skip(err) // no links here
		}
		if err := c.Save(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		wantLoad(t, c, "1")
	}
	if b, err := os.ReadFile(other); string(b) != "other" || err != nil {
		t.Errorf("the link's target holds %q, %v", b, err)
	}
	if _, err := os.Lstat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a temporary file is left: %v", err)
	}
}

func TestPositionFileWriteErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	c := openPositionFile(t, path)
	if err := c.Save(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".tmp", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := c.Save(t.Context(), "2")
	if e, ok := errors.AsType[*PositionError](err); !ok || e.Op != "save" || e.ID != "2" || !strings.Contains(err.Error(), path) {
		t.Errorf("Save = %v, want a *PositionError that names the path", err)
	}
	wantLoad(t, c, "1")
}

// saverPath tells the test binary that it is the process to be killed.
const saverPath = "FLUXWIRE_TEST_POSITION_SAVER"

// TestPositionFileSurvivesKill kills a process while it saves, many times: the file must
// be whole, and never older than what Save has acknowledged.
func TestPositionFileSurvivesKill(t *testing.T) {
	if path := os.Getenv(saverPath); path != "" {
		saveForEver(t, path)
	}
	path := filepath.Join(t.TempDir(), "position")
	last := 0
	for range 25 {
		last = killWhileSaving(t, path, last)
	}
	if last < 25 {
		t.Errorf("after 25 processes the position is %d", last)
	}
}

// killWhileSaving starts a process that saves, beginning after the last number, and kills
// it.
// It returns the number found in the file.
func killWhileSaving(t *testing.T, path string, last int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPositionFileSurvivesKill$")
	cmd.Env = append(os.Environ(), saverPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	saved := last
	alive := rand.IntN(20)
	for n := 0; lines.Scan(); n++ {
		got, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("the process says %q", lines.Text())
			break
		}
		saved = got
		if n == alive {
			// Kill during one of the next Saves. The sleep asserts nothing.
			time.Sleep(rand.N(3 * time.Millisecond))
			cmd.Process.Kill()
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if saved == last {
		t.Fatalf("the process has saved nothing beyond %d: %v", last, cmd.ProcessState)
	}

	c, err := OpenPositionFile(path) // the lock has ended with the process
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id, err := c.Load(t.Context())
	got, bad := strconv.Atoi(strings.TrimRight(id, "x"))
	// The last one may have been saved but not reported.
	if err != nil || bad != nil || id != saverID(got) || got != saved && got != saved+1 {
		t.Fatalf("Load() = %.100q, %v; Save has acknowledged %d", id, err, saved)
	}
	return got
}

// saveForEver is the process to be killed.
func saveForEver(t *testing.T, path string) {
	c, err := OpenPositionFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimRight(id, "x")) // "" is 0
	for {
		n++
		if err := c.Save(t.Context(), saverID(n)); err != nil {
			t.Fatal(err)
		}
		fmt.Println(n)
	}
}

// saverID returns an id whose length varies, so that a file of the wrong length shows.
func saverID(n int) string { return strconv.Itoa(n) + strings.Repeat("x", n*7919%20_000) }
