//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
	"github.com/fluxwire-go/fluxwire/sse"
)

// The size of TestChaos, and the variables that tell its other processes what to do.
const (
	chaosEvents = 100_000
	// chaosStep is how many events are published with each new connection, so that the
	// consumers are sometimes behind and sometimes live.
	chaosStep = 500
	// chaosSave is how many events the consumer with a position file handles between two
	// saves.
	chaosSave = 200

	// chaosLife is how many bytes a process gets at most before it is killed.
	chaosLife = 200 << 10

	chaosSeed = "FLUXWIRE_TEST_CHAOS_SEED" // repeats what the proxies do, but not the scheduling
	chaosRole = "FLUXWIRE_TEST_CHAOS_ROLE"
	chaosURL  = "FLUXWIRE_TEST_CHAOS_URL"
	chaosDir  = "FLUXWIRE_TEST_CHAOS_DIR"
)

// Processes that are killed at random moments consume a topic through a network that
// fails in many ways. Each consumer applies every event once, in order.
func TestChaos(t *testing.T) {
	if role := os.Getenv(chaosRole); role != "" {
		if err := consume(role, os.Getenv(chaosURL), os.Getenv(chaosDir)); err != nil {
			t.Fatal(err)
		}
		return
	}
	seed := rand.Uint64()
	if s := os.Getenv(chaosSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s: %v", chaosSeed, err)
		}
	}
	t.Logf("%s=%d", chaosSeed, seed)
	before := settled(t)

	topic, err := hub.New[int](hub.Config{Events: 2 * chaosEvents, Bytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	feed := &chaosFeed{topic: topic}
	server, err := handlers.New(handlers.Config{Retry: time.Millisecond, Grace: handlers.Off, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: handlers.Topic(server, topic), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	var serving sync.WaitGroup
	serving.Go(func() { web.Serve(ln) })

	var wg sync.WaitGroup
	for i, role := range []string{roleLedger, rolePositionFile} {
		c := &consumer{
			role: role,
			dir:  t.TempDir(),
			rand: rand.New(rand.NewPCG(seed, uint64(i))),
		}
		p := &chaosProxy{
			to:        ln.Addr().String(),
			connected: feed.more,
			forwarded: c.forwarded,
			rand:      rand.New(rand.NewPCG(seed, 100+uint64(i))),
		}
		if err := p.listen(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer p.close()
			if err := c.run("http://" + p.ln.Addr().String()); err != nil {
				t.Errorf("%s: %v", role, err)
				return
			}
			c.check(t, p)
		})
	}
	wg.Wait()
	if err := feed.err; err != nil {
		t.Error(err)
	}

	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	web.Close()
	serving.Wait()
	if err := topic.Close(); err != nil {
		t.Error(err)
	}
	wantNoMore(t, before)
}

// A chaosFeed publishes the topic's events, a few at each call.
type chaosFeed struct {
	mu    sync.Mutex
	topic *hub.Topic[int]
	next  int
	err   error
}

func (f *chaosFeed) more() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range chaosStep {
		if f.next == chaosEvents || f.err != nil {
			return
		}
		f.next++
		_, f.err = f.topic.Append(context.Background(), sse.ServerSentEvent[int]{Data: f.next})
	}
	if f.next == chaosEvents {
		f.topic.Complete()
	}
}

// A consumer is a process that is restarted whenever it is killed.
type consumer struct {
	role string
	dir  string

	mu    sync.Mutex
	rand  *rand.Rand
	cmd   *exec.Cmd
	left  int // bytes until it is killed
	kills int
}

// forwarded is called when bytes have been sent to the process. It kills the process
// from time to time.
func (c *consumer) forwarded(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left -= bytes; c.left < 0 && c.cmd != nil {
		time.Sleep(time.Duration(c.rand.Int64N(int64(3 * time.Millisecond)))) // it is handling them
		c.cmd.Process.Kill()
		c.cmd = nil // once
		c.kills++
	}
}

// run restarts the process until it reaches the end of the stream.
func (c *consumer) run(url string) error {
	for {
		var out bytes.Buffer
		cmd := exec.Command(os.Args[0], "-test.run=^TestChaos$")
		cmd.Env = append(os.Environ(), chaosRole+"="+c.role, chaosURL+"="+url, chaosDir+"="+c.dir)
		cmd.Stdout, cmd.Stderr = &out, &out
		c.mu.Lock()
		err := cmd.Start()
		if err != nil {
			c.mu.Unlock()
			return err
		}
		kills := c.kills
		c.cmd, c.left = cmd, c.rand.IntN(chaosLife)
		c.mu.Unlock()
		stuck := time.AfterFunc(4*testkit.Patience, func() { cmd.Process.Kill() })
		err = cmd.Wait()
		inTime := stuck.Stop()
		c.mu.Lock()
		c.cmd = nil
		killed := c.kills > kills
		torn := c.rand.IntN(2) == 0
		c.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case !inTime:
			return fmt.Errorf("stuck\n%s", &out)
		case !killed || cmd.ProcessState.Exited():
			return fmt.Errorf("%w\n%s", err, &out)
		}
		if torn {
			if err := tear(filepath.Join(c.dir, "ledger")); err != nil {
				return err
			}
		}
	}
}

// tear adds half a record to the ledger, as if the process had been killed in the middle
// of a write. (A kill rarely hits so short a write.)
func tear(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("applied 1")
	return errors.Join(err, f.Close())
}

// check checks what the consumer has done.
func (c *consumer) check(t *testing.T, p *chaosProxy) {
	l, err := openLedger(filepath.Join(c.dir, "ledger"))
	if err != nil {
		t.Errorf("%s: %v", c.role, err)
		return
	}
	defer l.f.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Logf("%s: %d events, %d repeats, %d starts, %d kills, %d connections: %v", c.role, l.last, l.repeats, l.starts, c.kills, p.connections, p.fates)
	if l.last != chaosEvents {
		t.Errorf("%s: applied the events up to %d, want %d", c.role, l.last, chaosEvents)
	}
	if c.role == roleLedger && l.repeats != 0 {
		t.Errorf("%s: %d events came again, want none", c.role, l.repeats)
	}
	if most := chaosSave * c.kills; c.role == rolePositionFile && l.repeats > most {
		t.Errorf("%s: %d events came again, want %d for each of %d kills at most", c.role, l.repeats, chaosSave, c.kills)
	}
	// The least that the bytes of the events make necessary, whatever the random numbers:
	// there are 3 MB of them, the proxy passes at most maxPassed on a connection, and at
	// most chaosLife between two kills.
	if p.connections < 100 || c.kills < 10 {
		t.Errorf("%s: %d connections, %d kills: there was no chaos", c.role, p.connections, c.kills)
	}
	for fate, n := range p.fates {
		if n == 0 {
			t.Errorf("%s: no connection met %v", c.role, chaosFate(fate))
		}
	}
}

// The consumers. Both apply an event by writing a record to a ledger. A kill can come
// anywhere except within a write; this test does not cover the loss of power.
const (
	// roleLedger saves its position with its work: a record holds an event's number
	// and its id. No event comes twice.
	roleLedger = "ledger"
	// rolePositionFile has a PositionFile, and skips events that it has applied.
	rolePositionFile = "position-file"
)

// consume is the main function of a consumer's process.
func consume(role, url, dir string) (err error) {
	l, err := openLedger(filepath.Join(dir, "ledger"))
	if err != nil {
		return err
	}
	defer l.f.Close()
	if err := l.write("start\n"); err != nil {
		return err
	}
	gaps := 0
	opts := []client.Option{
		client.IdleLimit(100 * time.Millisecond),
		client.Retry(client.RetryPolicy{Delay: time.Millisecond, MaxDelay: 5 * time.Millisecond, RetryFirst: true}),
		client.OnGap(func(sse.Gap) { gaps++ }),
	}
	switch role {
	case roleLedger:
		opts = append(opts, client.LastEventID(l.id))
	case rolePositionFile:
		c, err := client.OpenPositionFile(filepath.Join(dir, "position"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		opts = append(opts, client.Resume(c), client.SaveEvery(chaosSave, time.Hour))
	}
	// Without an id, start at the beginning.
	for ev, err := range client.Follow[int](context.Background(), url+"/?earliest", opts...) {
		switch {
		case err != nil:
			return err
		case gaps > 0:
			return fmt.Errorf("a gap before event %d", ev.Data)
		case ev.Data > l.last+1, ev.Data <= l.last && role == roleLedger:
			return fmt.Errorf("event %d came after event %d", ev.Data, l.last)
		case ev.Data <= l.last:
			err = l.write(fmt.Sprintf("repeated %d\n", ev.Data))
		default:
			l.last = ev.Data
			err = l.write(fmt.Sprintf("applied %d %s\n", ev.Data, ev.ID))
		}
		if err != nil {
			return err
		}
	}
	if gaps > 0 {
		return errors.New("a gap at the end")
	}
	return nil
}

// A ledger lists the events that a consumer has applied, a record a line.
type ledger struct {
	f *os.File

	last    int    // the last event applied
	id      string // its id
	repeats int
	starts  int
}

// openLedger reads the ledger, in which every event must be applied once and in
// order. It cuts off a record that was not finished.
func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &ledger{f: f}
	if err := l.read(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *ledger) read() error {
	all, err := io.ReadAll(l.f)
	if err != nil {
		return err
	}
	whole := all[:bytes.LastIndexByte(all, '\n')+1]
	for line := range strings.Lines(string(whole)) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		number, id, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(number)
		switch {
		case what == "start":
			l.starts++
		case what == "applied" && n == l.last+1 && id != "":
			l.last, l.id = n, id
		case what == "repeated" && 0 < n && n <= l.last:
			l.repeats++
		default:
			return fmt.Errorf("the ledger says %q after event %d", line, l.last)
		}
	}
	return l.f.Truncate(int64(len(whole)))
}

func (l *ledger) write(record string) error {
	_, err := l.f.WriteString(record)
	return err
}

// A chaosFate is how a connection fails.
type chaosFate int

const (
	cut    chaosFate = iota // closed after some bytes
	reset                   // reset after some bytes
	stall                   // nothing more after some bytes, until the client gives up
	slow                    // slow, and then cut
	head                    // cut within the head of the answer
	mute                    // no answer at all, until the client gives up
	refuse                  // closed at once
	fates
)

func (f chaosFate) String() string {
	return [...]string{"cut", "reset", "stall", "slow", "head", "mute", "refuse"}[f]
}

// maxPassed is how many bytes of an answer a connection passes at most.
const maxPassed = 24 << 10

// A chaosProxy forwards connections to a server, and makes each of them fail.
type chaosProxy struct {
	ln        net.Listener
	to        string
	connected func()          // called for each connection
	forwarded func(bytes int) // called with the number of bytes sent to the client
	wg        sync.WaitGroup

	mu          sync.Mutex
	rand        *rand.Rand
	connections int
	fates       [fates]int
}

// listen makes the proxy take connections until it is closed.
func (p *chaosProxy) listen() (err error) {
	if p.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	p.wg.Go(func() {
		for {
			c, err := p.ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c.(*net.TCPConn)) })
		}
	})
	return nil
}

// close waits until all connections have ended. Their clients must be gone.
func (p *chaosProxy) close() {
	p.ln.Close()
	p.wg.Wait()
}

// next chooses how the next connection fails.
func (p *chaosProxy) next() (fate chaosFate, pass int, drip time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Half of them are cut; the others meet each fate in turn.
	if p.connections%2 == 0 {
		fate = chaosFate(p.connections / 2 % int(fates))
	}
	p.connections++
	p.fates[fate]++
	pass = 1 + p.rand.IntN(maxPassed)
	switch fate {
	case head:
		pass = 1 + p.rand.IntN(100)
	case mute:
		pass = 0
	}
	return fate, pass, time.Duration(p.rand.Int64N(int64(2 * time.Millisecond)))
}

func (p *chaosProxy) serve(c *net.TCPConn) {
	defer c.Close()
	fate, pass, drip := p.next()
	p.connected()
	if fate == refuse {
		return
	}
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer s.Close()
	var up sync.WaitGroup
	up.Go(func() {
		io.Copy(s, c) // returns when the client is gone
		s.Close()     // ends the stream for the server, and the reads below
	})
	defer up.Wait()
	defer c.CloseRead()
	buf := make([]byte, 4<<10)
	for pass > 0 {
		n, err := s.Read(buf[:min(pass, len(buf))])
		if n > 0 {
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
			p.forwarded(n)
			pass -= n
		}
		if err != nil {
			return // the stream is complete, or the client is gone
		}
		if fate == slow {
			time.Sleep(drip)
		}
	}
	switch fate {
	case reset:
		c.SetLinger(0)
		c.Close()
	case stall, mute:
		up.Wait() // until the client gives up
	}
}
