package floor_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/floor"
	"github.com/fluxwire-go/fluxwire/bench/internal/control"
	"github.com/fluxwire-go/fluxwire/bench/internal/event"
	"github.com/fluxwire-go/fluxwire/bench/internal/load"
	"github.com/fluxwire-go/fluxwire/bench/internal/stream"
	"github.com/fluxwire-go/fluxwire/bench/internal/tally"
)

const patience = 20 * time.Second

// start compiles and starts the program. It stops when the test ends.
func start(t *testing.T) (hello control.Hello) {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("there is no C compiler called cc")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "floor.c"), filepath.Join(dir, "floor")
	if err := os.WriteFile(source, floor.Source, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-size", "200")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the floor ends with %v", err)
		}
	})
	if err := json.NewDecoder(out).Decode(&hello); err != nil {
		t.Fatal(err)
	}
	return hello
}

// ask sends a request to the floor's control address.
func ask[T any](t *testing.T, hello control.Hello, method, path string) (v T) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+hello.Control+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v", method, path, res.Status, err)
	}
	return v
}

func readers(t *testing.T, hello control.Hello, n int) *load.Load {
	t.Helper()
	l, err := load.New(hello.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Open(load.Group{Name: "g", N: n, Path: "/events", Next: 1}, patience); err != nil {
		t.Fatal(err)
	}
	return l
}

// settled fails the test unless each of n readers gets each event once and in order.
func settled(t *testing.T, l *load.Load, n int, last uint64) {
	t.Helper()
	if ok, err := l.Settle(last, patience); !ok || err != nil {
		t.Errorf("Settle(%d) = %v, %v", last, ok, err)
	}
	got, want := l.Report(last)["g"], tally.Counts{Events: uint64(n) * last}
	if got.Counts != want || got.Broken != 0 || got.Malformed != 0 {
		t.Errorf("after event %d: %+v, want %+v", last, got, want)
	}
}

// mute opens a stream, and reads only the head.
func mute(t *testing.T, hello control.Hello) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", hello.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	for head := ""; !strings.HasSuffix(head, "\r\n\r\n"); head += string(b) {
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestDelivery(t *testing.T) {
	hello := start(t)
	l := readers(t, hello, 50)
	trigger, err := net.Dial("tcp4", hello.Trigger)
	if err != nil {
		t.Fatal(err)
	}
	defer trigger.Close()
	if _, err := trigger.Write(make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	settled(t, l, 50, 40)
	if p := ask[control.Published](t, hello, "POST", "/publish?n=10&rate=0&burst=1"); p.Last != 50 {
		t.Errorf("published up to %d, want 50", p.Last)
	}
	settled(t, l, 50, 50)
	// Seven at a time, a hundred times a second: the last of four bursts is due after 30 ms.
	began := time.Now()
	if p := ask[control.Published](t, hello, "POST", "/publish?n=28&rate=700&burst=7"); p.Last != 78 {
		t.Errorf("published up to %d, want 78", p.Last)
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("the schedule of 30 ms took %v", took)
	}
	settled(t, l, 50, 78)
	ask[struct{}](t, hello, "POST", "/reset-peak")
	if s := ask[control.Stats](t, hello, "POST", "/gc"); s.Last != 78 || s.Counts["open"] != 50 || s.CPU <= 0 || s.RSS < 100<<10 || s.PeakRSS < s.RSS/2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestDelivery_lateReader(t *testing.T) {
	hello := start(t)
	l := readers(t, hello, 2)
	slow := mute(t, hello)
	const last = 6000 // of 2,000 bytes: more than sockets hold, less than the log
	var p control.Published
	for p.Last < last {
		p = ask[control.Published](t, hello, "POST", "/publish?n=100&size=2000")
		settled(t, l, 2, p.Last)
	}
	if p.Last != last {
		t.Fatalf("published up to %d, want %d", p.Last, last)
	}
	if s := ask[control.Stats](t, hello, "GET", "/stats"); s.Counts["lag"] < 100 || s.Counts["dropped"] != 0 {
		t.Errorf("stats: %+v; want the slow reader behind, and open", s.Counts)
	}
	var books tally.Tally
	books.Expect(1)
	parser, b := new(stream.Parser), make([]byte, 64<<10)
	if err := parser.Feed([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil); err != nil {
		t.Fatal(err)
	}
	for books.Next() <= last {
		n, err := slow.Read(b)
		if err != nil {
			t.Fatalf("at event %d: %v", books.Next(), err)
		}
		if err := parser.Feed(b[:n], func(ev stream.Event) {
			seq, _, ok := event.Parse(ev.Data)
			if !ok || len(ev.Data) != 2000 {
				t.Errorf("event of %d bytes: %.60s", len(ev.Data), ev.Data)
			}
			books.Event(seq)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := books.Counts(last), (tally.Counts{Events: last}); got != want {
		t.Errorf("the late reader got %+v, want %+v", got, want)
	}
	// It is live again.
	ask[control.Published](t, hello, "POST", "/publish?n=1")
	settled(t, l, 2, last+1)
	if n, err := slow.Read(b); err != nil || !strings.Contains(string(b[:n]), fmt.Sprintf(`"seq":%d,`, last+1)) {
		t.Errorf("then it reads %q, %v", b[:n], err)
	}
}

func TestReset_readerTooFarBehind(t *testing.T) {
	hello := start(t)
	l := readers(t, hello, 2)
	slow := mute(t, hello)
	var last uint64
	for last < 20_000 { // of 2,000 bytes: more than the log
		last = ask[control.Published](t, hello, "POST", "/publish?n=500&size=2000").Last
		settled(t, l, 2, last)
	}
	if s := ask[control.Stats](t, hello, "GET", "/stats"); s.Counts["dropped"] != 1 || s.Counts["open"] != 2 || s.Counts["lag"] != 0 {
		t.Errorf("stats: %+v; want the one that does not read gone", s.Counts)
	}
	b := make([]byte, 1<<20)
	for {
		if _, err := slow.Read(b); err != nil {
			if !strings.Contains(err.Error(), "reset") {
				t.Errorf("the one that did not read gets %v, want a reset", err)
			}
			return
		}
	}
}
