package handlers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// quickly runs test by the fast transport alone, for what only that does.
func quickly(t *testing.T, cfg Config, topic hub.Config, test func(*harness, *hub.Topic[string]), opts ...TopicOption) {
	t.Helper()
	cfg.Transport = TransportFast
	transported(t, cfg, topic, func(h *harness, topic *hub.Topic[string]) {
		test(h, topic)
		synctest.Wait()
		if h.log.count("portable transport") > 0 {
			t.Errorf("a stream was not served by the fast transport: %q", h.log.lines)
		}
	}, opts...)
}

// A peer is a client that notes what it gets, and when. It can stop reading.
type peer struct {
	t     *testing.T
	conn  net.Conn
	start time.Time
	head  string
	done  chan struct{} // closed at the end
	again chan struct{}

	mu     sync.Mutex
	body   []byte
	blocks []block
	err    error // why the body has ended
}

// A block is what came up to a blank line, and when its end did.
type block struct {
	text string
	at   time.Duration
}

func (b block) String() string { return fmt.Sprintf("%s@%v", b.text, b.at) }

// peer opens a stream and reads it. When it returns the handler has left the
// stream, if it does.
func (h *harness) peer(path string, header ...string) *peer {
	h.t.Helper()
	return h.peerBy("HTTP/1.1", path, header...)
}

func (h *harness) peerBy(proto, path string, header ...string) *peer {
	h.t.Helper()
	conn, err := h.ln.Dial(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var request strings.Builder
	fmt.Fprintf(&request, "GET %s %s\r\nHost: mem\r\n", path, proto)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(&request, "%s: %s\r\n", header[i], header[i+1])
	}
	io.WriteString(conn, request.String()+"\r\n")
	p := &peer{t: h.t, conn: conn, start: time.Now(), done: make(chan struct{}), again: make(chan struct{})}
	go p.read()
	synctest.Wait()
	return p
}

func (p *peer) read() {
	defer close(p.done)
	defer p.conn.Close()
	in := bufio.NewReader(readOn{p})
	for !strings.HasSuffix(p.head, "\r\n\r\n") {
		line, err := in.ReadString('\n')
		if p.head += line; err != nil {
			p.err = err
			return
		}
	}
	body := io.Reader(in)
	if strings.Contains(p.head, "Transfer-Encoding: chunked") {
		body = httputil.NewChunkedReader(in)
	}
	part, begun := make([]byte, 4<<10), 0
	for {
		n, err := body.Read(part)
		p.mu.Lock()
		p.body = append(p.body, part[:n]...)
		for {
			text, _, whole := strings.Cut(string(p.body[begun:]), "\n\n")
			if !whole {
				break
			}
			begun += len(text) + 2
			p.blocks = append(p.blocks, block{text, time.Since(p.start)})
		}
		p.err = err
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// readOn reads p's connection, and waits while it is stopped.
type readOn struct{ *peer }

func (r readOn) Read(b []byte) (int, error) {
	for {
		n, err := r.conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		<-r.again
	}
}

// stop has p read no more.
func (p *peer) stop() {
	p.conn.SetReadDeadline(time.Unix(0, 0))
	synctest.Wait()
}

// resume has p read again.
func (p *peer) resume() {
	p.conn.SetReadDeadline(time.Time{})
	select {
	case p.again <- struct{}{}:
	case <-p.done: // it had ended before it was stopped
	}
	synctest.Wait()
}

// leave closes the connection, and returns when it is closed.
func (p *peer) leave() {
	p.conn.Close()
	select { // a stopped one
	case p.again <- struct{}{}:
	case <-p.done:
	}
	<-p.done
	synctest.Wait()
}

// took returns the blocks that have come since the last call, but the preamble.
func (p *peer) took() []block {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	blocks := p.blocks
	p.blocks = nil
	return slices.DeleteFunc(blocks, func(b block) bool {
		return strings.HasPrefix(b.text, "retry: ") && !strings.Contains(b.text, "\n") ||
			strings.HasPrefix(b.text, ": ") || strings.HasPrefix(b.text, "id: ") && !strings.Contains(b.text, "\n")
	})
}

// wants checks what has come since the last call, in short: "data@instant" for an
// event, its name for a control event, ":" for a heartbeat.
func (p *peer) wants(what string, want ...string) {
	p.t.Helper()
	var got []string
	for _, b := range p.took() {
		got = append(got, fmt.Sprintf("%s@%v", short(b.text), b.at))
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func short(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			return name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return data
		}
	}
	return text
}

// over reports whether the body has ended, and why.
func (p *peer) over() (ended bool, err error) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil, p.err
}

// fill appends an event whose frame is size bytes long.
func fill(t *testing.T, topic *hub.Topic[string], size int) {
	t.Helper()
	next := topic.Feed().Stats().Next
	// The stamps of a topic in memory are all the same.
	if next == 1 {
		t.Fatal("fill: the topic has no event, and so no stamp")
	}
	c := topic.Feed().Subscribe(hub.Latest(1), hub.PolicyToOldest, hub.Filter{})
	b, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rest := len(fmt.Sprintf("id: %s\ndata: \n\n", eventlog.Pos{Seq: next, Stamp: b.Last.Stamp}))
	if size < rest {
		t.Fatalf("fill: %d bytes are too few", size)
	}
	add(t, topic, strings.Repeat("x", size-rest))
}

// oneShard leaves the server one shard.
func (h *harness) oneShard() *carry.Shard {
	h.srv.fast.shards = h.srv.fast.shards[:1]
	return h.srv.fast.shards[0]
}

// openBy leaves the server one shard, which opens its sockets by open.
func (h *harness) openBy(open func() (carry.Sockets, error)) {
	cfg := h.srv.cfg
	h.srv.fast.shards = []*carry.Shard{carry.NewShard(cfg.Logger, h.srv.base, cfg.Pace, open)}
}

// after sleeps until d after start, and then until every goroutine waits.
func after(start time.Time, d time.Duration) {
	time.Sleep(time.Until(start.Add(d)))
	synctest.Wait()
}

func TestShard_heartbeat(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.oneShard()
		a := h.peer("/")
		after(a.start, 10*time.Second)
		b := h.peer("/") // its times are 10 s less
		after(a.start, 31*time.Second)
		a.wants("silence", ":@15s", ":@30s")
		b.wants("joined between", ":@5s", ":@20s")
		add(h.t, topic, "x")
		after(a.start, 46*time.Second-1)
		a.wants("an event", "x@31s")
		after(a.start, 46*time.Second)
		a.wants("15 s after the event", ":@46s")
		b.wants("15 s after the event", "x@21s", ":@36s")
		if n := h.srv.Stats().Routes["s"].Heartbeats; n != 6 {
			t.Errorf("%d heartbeats counted, want 6", n)
		}
		a.leave()
		b.leave()
	})
	quickly(t, Config{Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		after(a.start, time.Hour-time.Second)
		a.wants("no heartbeat")
		a.leave()
	})
}

func TestShard_partialHeartbeat(t *testing.T) {
	for taken := range 3 {
		quickly(t, Config{WriteTimeout: time.Minute}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			a := h.peer("/")
			add(h.t, topic, "x")
			a.wants("at first", "x@0s")
			a.stop()
			fill(h.t, topic, memoryBuffer-taken)
			after(a.start, 16*time.Second)
			add(h.t, topic, "y")
			after(a.start, 17*time.Second)
			a.resume()
			got := a.took()
			var texts []string
			for _, b := range got[1:] {
				texts = append(texts, short(b.text))
			}
			want := []string{":", "y"}
			beats := uint64(1)
			if taken == 0 { // there was no room at all: it is not waited for
				want, beats = want[1:], 0
			}
			if !slices.Equal(texts, want) {
				t.Errorf("%d bytes of a heartbeat taken: %q follow, want %q", taken, texts, want)
			}
			if n := h.srv.Stats().Routes["s"].Heartbeats; n != beats {
				t.Errorf("%d bytes of a heartbeat taken: %d counted, want %d", taken, n, beats)
			}
			a.leave()
		})
	}
}

// A client that was full when the others got a heartbeat gets the next one with them.
func TestShard_heartbeatAfterStall(t *testing.T) {
	quickly(t, Config{WriteTimeout: time.Hour}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		a.stop()
		after(a.start, 10*time.Second)
		add(h.t, topic, strings.Repeat("x", 2*memoryBuffer))
		after(a.start, 30*time.Second)
		a.resume()
		if got := a.took(); len(got) != 1 || got[0].at != 30*time.Second {
			t.Fatalf("got %d blocks, want one event at 30 s", len(got))
		}
		after(a.start, time.Minute)
		a.wants("after the stall", ":@40s", ":@55s")
		a.leave()
	})
}

// A client that is far behind gets a bounded part of each pass, and the passes that it
// needs do not delay the heartbeats of the others.
func TestShard_slowClient(t *testing.T) {
	const events, size = 64, 64 << 10
	cfg := Config{Pace: time.Second, Heartbeat: 4 * time.Second, WriteTimeout: time.Hour}
	quickly(t, cfg, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		h.oneShard()
		h.memory.buffer = 1 << 20
		a, b := h.peer("/"), h.peer("/")
		b.stop()
		for i := range events {
			add(h.t, topic, strings.Repeat("x", size))
			after(a.start, time.Duration(i)*time.Second)
		}
		const begin = 2 * events * time.Second
		after(a.start, begin)
		if got := a.took(); len(got) < events {
			t.Fatalf("%d events, want %d: nothing is shown", len(got), events)
		}
		b.resume()
		after(a.start, begin+500*time.Millisecond)
		add(h.t, topic, "new")
		after(a.start, begin+30*time.Second)
		var first string
		beats := 0
		for _, got := range a.took() {
			if got.text == ":" {
				beats++
			} else if first == "" {
				first = fmt.Sprintf("%s@%v", short(got.text), got.at)
			}
		}
		if first != "new@2m9s" {
			t.Errorf("an event while another one catches up: %.40s, want new@2m9s: with the next pass", first)
		}
		if beats < 6 {
			t.Errorf("%d heartbeats in 30 s, want one every 4 s however long another one catches up", beats)
		}
		at := map[time.Duration]int{}
		got := b.took()
		for _, g := range got {
			at[g.at] += len(g.text)
		}
		if n := len(got); n < events+1 {
			t.Errorf("%d events caught up with, want %d", n, events+1)
		}
		for when, n := range at {
			// What it had been sent before comes at once; when it takes bytes again it
			// has a turn, and then its part of each pass.
			if when > begin && n > 2*carry.MaxTurn+size {
				t.Errorf("%d bytes for one connection at %v, want %d at most", n, when, carry.MaxTurn)
			}
		}
		a.leave()
		b.leave()
	})
}

func TestShard_pace(t *testing.T) {
	const ms = time.Millisecond
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		after(a.start, time.Second)
		before := h.memory.sends
		add(h.t, topic, "first")
		after(a.start, time.Second+ms)
		add(h.t, topic, "second")
		after(a.start, time.Second+ms+500*time.Microsecond)
		add(h.t, topic, "third")
		after(a.start, time.Second+2*ms)
		a.wants("the first at once, the others 2 ms later", "first@1s", "second@1.002s", "third@1.002s")
		if n := h.memory.sends - before; n != 2 {
			t.Errorf("%d sends, want 2", n)
		}
		after(a.start, time.Second+3*ms)
		add(h.t, topic, "fourth")
		after(a.start, time.Second+10*ms)
		add(h.t, topic, "fifth")
		a.wants("and again", "fourth@1.004s", "fifth@1.01s")
		a.leave()
	})
	quickly(t, Config{Pace: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		for i := range 3 {
			after(a.start, time.Duration(i)*time.Microsecond)
			add(h.t, topic, fmt.Sprint(i))
		}
		a.wants("without a pace", "0@0s", "1@1µs", "2@2µs")
		a.leave()
	})
	// A heartbeat does not wait for a pass.
	quickly(t, Config{Pace: time.Hour}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		add(h.t, topic, "x")
		after(a.start, 16*time.Second)
		a.wants("a long pace", "x@0s", ":@15s")
		a.leave()
	})
}

func TestShard_ageAndGrant(t *testing.T) {
	quickly(t, Config{Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		after(a.start, 5*time.Millisecond)
		b := h.peer("/")
		after(a.start, time.Hour-1)
		if ended, _ := a.over(); ended {
			t.Error("ended before its age")
		}
		after(a.start, time.Hour+time.Second)
		a.wants("age", "stream.bye@1h0m0s")
		// The same shard looks again 10 ms later at the earliest, another one at once.
		got := b.took()
		if len(got) != 1 || got[0].at < time.Hour || got[0].at > time.Hour+5*time.Millisecond {
			t.Errorf("the next one: %v, want it at its hour or 5 ms later", got)
		}
		if ended, err := a.over(); !ended || err != io.EOF {
			t.Errorf("ended %t, %v; want a clean end", ended, err)
		}
		h.ended("s", map[Reason]uint64{ReasonMaxAge: 2})
	})
	grants := Config{Heartbeat: Off, Authorize: func(*http.Request, Access) (Grant, error) {
		return Grant{Expires: time.Now().Add(10 * time.Minute)}, nil
	}}
	quickly(t, grants, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		after(a.start, time.Hour)
		if got := a.took(); len(got) != 1 || got[0].at != 10*time.Minute || !strings.Contains(got[0].text, `"reason":"grant"`) {
			t.Errorf("got %q, want stream.bye for the grant after 10 min", got)
		}
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
	})
	quickly(t, Config{Heartbeat: Off, MaxAge: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		after(a.start, 1000*time.Hour)
		add(h.t, topic, "x")
		a.wants("no age", "x@1000h0m0s")
		a.leave()
	})
}

// A stalled client is given up exactly one write timeout after the last bytes that it
// accepted.
func TestShard_stall(t *testing.T) {
	quickly(t, Config{Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a, b := h.peer("/"), h.peer("/")
		a.stop()
		b.stop()
		after(a.start, time.Second)
		add(h.t, topic, strings.Repeat("x", 5*memoryBuffer))
		after(a.start, 7*time.Second)
		// b reads what its socket holds, which takes more then.
		b.conn.SetReadDeadline(time.Time{})
		if _, err := io.ReadFull(b.conn, make([]byte, memoryBuffer)); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			at      time.Duration
			stalled uint64
		}{{11*time.Second - 1, 0}, {11 * time.Second, 1}, {17*time.Second - 1, 1}, {17 * time.Second, 2}} {
			after(a.start, tt.at)
			if got := h.srv.Stats().Routes["s"].Ended[ReasonStalled]; got != tt.stalled {
				t.Errorf("%v after the start %d streams have stalled, want %d", tt.at, got, tt.stalled)
			}
		}
		if n := h.log.count("WARN", "reason=stalled"); n != 2 {
			t.Errorf("%d lines in the log, want 2", n)
		}
		a.leave()
		b.leave()
	})
}

// Durations near the largest one do not overflow into the past.
func TestShard_longTimeouts(t *testing.T) {
	quickly(t, Config{WriteTimeout: math.MaxInt64, Heartbeat: math.MaxInt64, Pace: time.Minute, MaxAge: Off}, hub.Config{Age: 20_000 * time.Hour}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/")
		a.stop()
		add(h.t, topic, strings.Repeat("x", 2*memoryBuffer))
		after(a.start, 10_000*time.Hour)
		a.resume()
		if got := a.took(); len(got) != 1 {
			t.Errorf("%d blocks, want the event", len(got))
		}
		a.leave()
	})
}

func TestShard_drainStalledClient(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		shut  time.Duration // when
		takes time.Duration
		want  map[Reason]uint64
	}{
		{"stuck", Config{}, 2 * time.Second, farewell, map[Reason]uint64{ReasonShutdown: 2}},
		{"stuck, and late already", Config{}, 11*time.Second - 10*time.Millisecond, 10 * time.Millisecond, map[Reason]uint64{ReasonShutdown: 2}},
		{"a short timeout", Config{WriteTimeout: 100 * time.Millisecond}, time.Second + 50*time.Millisecond, 50 * time.Millisecond, map[Reason]uint64{ReasonShutdown: 2}},
		{"after its age, with which it is stuck", Config{MaxAge: 5 * time.Second}, 6 * time.Second, farewell, map[Reason]uint64{ReasonShutdown: 1, ReasonMaxAge: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Heartbeat = -1
			quickly(t, tt.cfg, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
				stuck, other := h.peer("/"), h.peer("/")
				stuck.stop()
				after(stuck.start, time.Second)
				add(h.t, topic, strings.Repeat("x", 5*memoryBuffer))
				after(stuck.start, tt.shut)
				if err := h.srv.Shutdown(h.t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(stuck.start) - tt.shut; took != tt.takes {
					t.Errorf("Shutdown took %v, want %v", took, tt.takes)
				}
				got := other.took()
				if tt.want[ReasonMaxAge] == 0 && (got[1].at != tt.shut || !strings.Contains(got[1].text, `"reason":"shutdown"`)) {
					t.Errorf("the other one got %q, want stream.bye at %v", got[1:], tt.shut)
				}
				h.ended("s", tt.want)
				stuck.leave()
			})
		})
	}
}

// The policy decides about a slow client, which is told once, with the right numbers. An
// event of which a part was sent is always finished first.
func TestShard_policies(t *testing.T) {
	const frame, total, kept = 128, 100, 40
	const held = memoryBuffer / frame // whole ones
	for _, tt := range []struct {
		policy hub.Policy
		gap    string
		missed uint64
		next   int // the event that follows
		reason Reason
	}{
		{hub.PolicyToOldest, `"reason":"slow"`, total - kept - held, total - kept, ReasonLeft},
		{hub.PolicyToLatest, `"reason":"slow"`, total - 1 - held, total - 1, ReasonLeft},
		{hub.PolicyCut, "", 0, 0, ReasonSlow},
	} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			run := func(size int, test func(h *harness, a *peer, ids []string)) {
				quickly(t, Config{Heartbeat: Off}, hub.Config{Events: kept}, func(h *harness, topic *hub.Topic[string]) {
					add(h.t, topic, "x")
					a := h.peer("/")
					a.stop()
					for range total {
						fill(h.t, topic, size)
						synctest.Wait()
						time.Sleep(2 * time.Millisecond)
					}
					var ids []string
					stamp := strings.TrimPrefix(add(h.t, topic, "last")[0], fmt.Sprint(total+2))
					for i := range total {
						ids = append(ids, fmt.Sprint(i+2)+stamp)
					}
					a.resume()
					test(h, a, ids)
				}, Policy(tt.policy))
			}
			run(frame, func(h *harness, a *peer, ids []string) {
				got := a.took()[held:]
				a.leave()
				h.ended("s", map[Reason]uint64{tt.reason: 1})
				if tt.policy == hub.PolicyCut {
					if len(got) != 1 || !strings.Contains(got[0].text, `"reason":"slow"`) || short(got[0].text) != "stream.bye" {
						t.Errorf("got %q, want stream.bye", got)
					}
					return
				}
				// The last event came after the others, and is one more than kept.
				id := ids[tt.next]
				if tt.policy == hub.PolicyToLatest {
					id = ids[total-1]
				}
				want := fmt.Sprintf("id: %s\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"%s\",\"to\":\"%s\",\"missed\":%d}", id, ids[held-1], id, tt.missed+1)
				if got[0].text != want {
					t.Errorf("gap\n%s, want\n%s", got[0].text, want)
				}
				s := h.srv.Stats().Routes["s"]
				if s.Gaps["slow"] != 1 || s.Missed != tt.missed+1 || s.Events != uint64(held+len(got)-1) {
					t.Errorf("counted %v gaps, %d missed, %d events; want 1, %d, %d", s.Gaps, s.Missed, s.Events, tt.missed+1, held+len(got)-1)
				}
				for _, b := range got[1:] {
					if strings.Contains(b.text, "stream.gap") {
						t.Error("told twice")
					}
				}
				if last := got[len(got)-1].text; !strings.HasSuffix(last, "data: last") {
					t.Errorf("the last is %q", last)
				}
			})
			run(frame+1, func(h *harness, a *peer, ids []string) {
				const whole = memoryBuffer/(frame+1) + 1 // the last one was half sent
				got := a.took()
				a.leave()
				h.ended("s", map[Reason]uint64{tt.reason: 1})
				for i, b := range got[:whole] {
					if want := "id: " + ids[i] + "\n"; !strings.HasPrefix(b.text, want) {
						t.Fatalf("block %d is %q, want event %s", i, b.text, ids[i])
					}
				}
				next, want := short(got[whole].text), "stream.gap"
				if tt.policy == hub.PolicyCut {
					want = "stream.bye"
				}
				if next != want {
					t.Errorf("behind the half-sent event comes %s, want %s", next, want)
				}
				if s := h.srv.Stats().Routes["s"]; s.Events < whole || h.log.count("stream ended", fmt.Sprintf("events=%d", s.Events)) != 1 {
					t.Errorf("%d events counted, want %d at least, and so in the log", s.Events, whole)
				}
			})
		})
	}
}

func TestShard_topicEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(*hub.Topic[string])
		want   string
		reason Reason
	}{
		{"complete", (*hub.Topic[string]).Complete, "event: stream.complete\ndata: {}", ReasonComplete},
		{"failed", func(tp *hub.Topic[string]) { tp.Fail(&Problem{Status: 502, Detail: "gone"}) }, "event: stream.error\ndata: {\"title\":\"Bad Gateway\",\"status\":502,\"detail\":\"gone\"}", ReasonError},
		{"closed", func(tp *hub.Topic[string]) { tp.Close() }, "event: stream.bye\nretry: 2000\ndata: {\"reason\":\"shutdown\",\"retry\":2000}", ReasonShutdown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
				peers := []*peer{h.peer("/"), h.peer("/"), h.peerBy("HTTP/1.0", "/")}
				slow := h.peer("/")
				slow.stop()
				add(h.t, topic, "x", strings.Repeat("y", 2*memoryBuffer))
				tt.end(topic)
				time.Sleep(time.Second)
				slow.resume()
				for i, p := range append(peers, slow) {
					got := p.took()
					if len(got) != 3 || got[2].text != tt.want {
						t.Errorf("client %d got %d blocks, the last %q; want two events and %q", i, len(got), got[len(got)-1].text, tt.want)
					}
					if ended, err := p.over(); !ended || err != io.EOF {
						t.Errorf("client %d: ended %t, %v", i, ended, err)
					}
				}
				h.ended("s", map[Reason]uint64{tt.reason: 4})
			})
		})
	}
}

func TestShard_HTTP10(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peerBy("HTTP/1.0", "/")
		add(h.t, topic, "x")
		a.wants("an event", "x@0s")
		if !strings.HasPrefix(a.head, "HTTP/1.0 200 OK\r\n") || strings.Contains(a.head, "chunked") {
			t.Errorf("head %q", a.head)
		}
		if h.memory.taken != 1 {
			t.Error("not taken over")
		}
		a.leave()
	})
}

// Each topic has its own group, which is removed with its last connection. The numbers
// of groups wrap around, and skip those that are in use.
func TestShard_manyTopics(t *testing.T) {
	const topics = 1000
	var all []*hub.Topic[string]
	mount := func(s *Server) http.Handler {
		mux := http.NewServeMux()
		for i := range topics {
			topic, err := hub.New[string](hub.Config{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, topic)
			mux.Handle(fmt.Sprintf("/%d", i), Topic(s, topic, Name("s")))
		}
		return mux
	}
	virtual(t, Config{Transport: TransportFast}, mount, func(h *harness) {
		shard := h.oneShard()
		var peers []*peer
		for i := range topics {
			peers = append(peers, h.peer(fmt.Sprintf("/%d", i)))
		}
		if held := shard.Inspect(); held.Groups != topics || held.IDs != topics {
			t.Errorf("%d groups with %d numbers, want %d", held.Groups, held.IDs, topics)
		}
		for i, topic := range all {
			add(t, topic, fmt.Sprint(i))
		}
		for i, p := range peers {
			got := p.took()
			if len(got) != 1 || short(got[0].text) != fmt.Sprint(i) {
				t.Fatalf("client %d got %q", i, got)
			}
		}
		for _, p := range peers[:topics-1] {
			p.conn.Close()
		}
		synctest.Wait()
		if held := shard.Inspect(); held.Groups != 1 || held.IDs != 1 {
			t.Errorf("%d groups with %d numbers, want one of the last connection", held.Groups, held.IDs)
		}
		peers[topics-1].leave()
		if shard.Inspect().Running {
			t.Error("the shard still runs without a connection")
		}
		for _, topic := range all {
			topic.Close()
		}
	})
}

// A socket event about a connection that has ended is not taken for one about the
// connection that has its slot now.
func TestShard_slotsAreReused(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		shard := h.oneShard()
		stays, a := h.peer("/"), h.peer("/")
		old := h.memory.newest()
		a.leave()
		b := h.peer("/")
		if n := shard.Inspect().Slots; n != 2 {
			t.Errorf("%d slots for two connections", n)
		}
		h.memory.tell(socket.Event{Token: old, Gone: true}, socket.Event{Token: old + 5, Gone: true}, socket.Event{Token: old + 1<<40, Gone: true})
		add(h.t, topic, "x")
		b.wants("in the slot of one that is gone", "x@0s")
		stays.leave()
		b.leave()
	})
}

// The counters are exact, to the event and to the byte.
func TestShard_counters(t *testing.T) {
	quickly(t, Config{}, hub.Config{Events: 50}, func(h *harness, topic *hub.Topic[string]) {
		add(h.t, topic, "first")
		var peers []*peer
		for i := range 10 {
			peers = append(peers, h.peer("/"))
			if i%3 == 0 {
				peers[i].stop()
			}
		}
		for n := range 1000 {
			if n == 500 {
				for i := 0; i < 10; i += 3 {
					peers[i].resume()
				}
			}
			fill(h.t, topic, 128) // of which the sockets take whole ones
			if n%10 == 0 {
				time.Sleep(time.Millisecond)
				synctest.Wait()
			}
		}
		time.Sleep(20 * time.Second) // with heartbeats
		topic.Complete()
		var events, missed, beats, bytes uint64
		for _, p := range peers {
			<-p.done
			for _, b := range p.took() {
				switch {
				case b.text == ":":
					beats++
				case strings.Contains(b.text, "event: stream.gap"):
					var n uint64
					fmt.Sscanf(b.text[strings.Index(b.text, `"missed":`):], `"missed":%d`, &n)
					missed += n
				case !strings.Contains(b.text, "event: "):
					events++
				}
			}
			bytes += uint64(len(p.body))
		}
		synctest.Wait()
		s := h.srv.Stats().Routes["s"]
		if s.Events != events || s.Missed != missed || s.Heartbeats != beats || s.Bytes != bytes {
			t.Errorf("counted %d events, %d missed, %d heartbeats, %d bytes; the clients got %d, %d, %d, %d",
				s.Events, s.Missed, s.Heartbeats, s.Bytes, events, missed, beats, bytes)
		}
		if beats == 0 || missed == 0 {
			t.Errorf("%d heartbeats, %d missed: nothing is shown", beats, missed)
		}
		logged := uint64(0)
		for _, line := range h.log.lines {
			var n uint64
			if i := strings.Index(line, "events="); i >= 0 {
				fmt.Sscanf(line[i:], "events=%d", &n)
				logged += n
			}
		}
		if events+missed != 10*1000 {
			t.Errorf("%d events and %d missed, want 10,000 in all", events, missed)
		}
		if logged != events {
			t.Errorf("the log knows of %d events, the clients of %d", logged, events)
		}
	})
}

func TestShard_lag(t *testing.T) {
	quickly(t, Config{Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		add(h.t, topic, "x")
		a, b := h.peer("/"), h.peer("/")
		a.stop()
		for range 100 {
			fill(h.t, topic, 128)
		}
		time.Sleep(time.Second)
		if lag := h.srv.Stats().Routes["s"].Lag; lag != 100-memoryBuffer/128 {
			t.Errorf("lag %d, want %d", lag, 100-memoryBuffer/128)
		}
		a.resume()
		if lag := h.srv.Stats().Routes["s"].Lag; lag != 0 {
			t.Errorf("lag %d of clients that have it all, want 0", lag)
		}
		a.leave()
		b.leave()
	})
}

func TestShard_limits(t *testing.T) {
	quickly(t, Config{MaxStreams: 2}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a, b := h.peer("/"), h.peer("/")
		if got := h.peer("/").took(); len(got) != 1 || !strings.Contains(got[0].text, "stream.bye") {
			t.Errorf("one too many gets %q", got)
		}
		a.leave()
		c := h.peer("/")
		add(h.t, topic, "x")
		b.wants("has stayed", "x@0s")
		c.wants("has come for one that left", "x@0s")
		b.leave()
		c.leave()
	})
}

func TestShard_finish(t *testing.T) {
	quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a, b := h.peer("/"), h.peer("/")
		var closing sync.WaitGroup
		closing.Go(func() {
			if err := h.srv.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		after(a.start, 3*time.Second)
		add(h.t, topic, "x")
		b.leave()
		after(a.start, 10*time.Second)
		a.wants("continues to its limit", "x@3s", "stream.bye@5s")
		closing.Wait()
		h.ended("s", map[Reason]uint64{ReasonShutdown: 1, ReasonLeft: 1})
	}, Finish(5*time.Second))
}

// between calls f when a stream has left its handler and has not reached its shard.
func between(h *harness, f func(net.Conn)) {
	take := h.srv.fast.take
	h.srv.fast.take = func(conn net.Conn) (int, error) {
		fd, err := take(conn)
		f(conn)
		return fd, err
	}
}

// What happens between the handler and the shard, while a connection is handed over.
func TestShard_handOver(t *testing.T) {
	t.Run("the server drains", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			between(h, func(net.Conn) {
				h.srv.mu.Lock()
				defer h.srv.mu.Unlock()
				h.srv.drain()
				for st := range h.srv.open {
					st.Drain()
				}
			})
			a := h.peer("/")
			a.wants("drained", "stream.bye@0s")
			if err := h.srv.Shutdown(h.t.Context()); err != nil {
				t.Error(err)
			}
			h.ended("s", map[Reason]uint64{ReasonShutdown: 1})
		})
	})
	t.Run("the client leaves", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			between(h, func(conn net.Conn) { conn.Close() })
			<-h.peer("/").done
			h.ended("s", map[Reason]uint64{ReasonLeft: 1})
		})
	})
	t.Run("events come", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			between(h, func(net.Conn) { add(h.t, topic, "a", "b") })
			a := h.peer("/")
			a.wants("what came meanwhile", "a@0s", "b@0s")
			a.leave()
		})
	})
	t.Run("events come, and the others have them", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			h.oneShard()
			a := h.peer("/")
			between(h, func(net.Conn) {
				add(h.t, topic, "a")
				time.Sleep(time.Second)
			})
			b := h.peer("/")
			after(b.start, 2*time.Second)
			a.wants("the other one", "a@0s")
			b.wants("what came meanwhile", "a@1s")
			a.leave()
			b.leave()
		})
	})
	t.Run("the topic ends", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			between(h, func(net.Conn) { topic.Complete() })
			h.peer("/").wants("the end", "stream.complete@0s")
			h.ended("s", map[Reason]uint64{ReasonComplete: 1})
		})
	})
	t.Run("its age is reached", func(t *testing.T) {
		quickly(t, Config{MaxAge: time.Second}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			between(h, func(net.Conn) { time.Sleep(2 * time.Second) })
			a := h.peer("/")
			after(a.start, 3*time.Second)
			a.wants("the end", "stream.bye@2s")
			h.ended("s", map[Reason]uint64{ReasonMaxAge: 1})
		})
	})
	t.Run("the last other one leaves", func(t *testing.T) {
		quickly(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
			shard := h.oneShard()
			a := h.peer("/")
			between(h, func(net.Conn) {
				a.conn.Close()
				time.Sleep(time.Second)
			})
			b := h.peer("/")
			after(b.start, 2*time.Second)
			h.ended("s", map[Reason]uint64{ReasonLeft: 1})
			add(h.t, topic, "x")
			b.wants("is served", "x@2s")
			b.leave()
			if held := shard.Inspect(); held.Running || held.Expected != 0 {
				t.Errorf("the shard holds %+v", held)
			}
			c := h.peer("/") // and again
			after(c.start, 2*time.Second)
			add(h.t, topic, "y")
			c.wants("is served", "y@2s")
			c.leave()
		})
	})
}
