// Package load opens thousands of event streams and checks what each receives. One
// goroutine does everything, over epoll: a connection is a descriptor, a parser and a
// tally. It is Linux only.
//
// A [Load] is used by one goroutine at a time; each of its methods runs the
// connections until it has what it wants.
package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/event"
	"github.com/fluxwire-go/fluxwire/bench/internal/stream"
	"github.com/fluxwire-go/fluxwire/bench/internal/tally"
)

// A Group is connections of one kind.
type Group struct {
	Name string  `json:"name"`
	N    int     `json:"n"`
	Rate float64 `json:"rate"` // connections opened a second; 0 is as fast as possible
	Path string  `json:"path"`

	Mute   bool `json:"mute"`   // sends the request, and never reads
	Resume bool `json:"resume"` // sends Last-Event-ID when it comes back

	// Next is the number of the first event that each connection must get, 0 for any.
	Next uint64 `json:"next"`
	// Spread makes connection i resume after event Spread+i, with the id that
	// [Load.Learn] has seen for it, and expect the next event.
	Spread uint64 `json:"spread"`
	// NoWait returns from Open as soon as the last request is on its way.
	NoWait bool `json:"no_wait"`
	// Enveloped events come inside the server's own JSON. Other messages do not count as
	// malformed. The first one means that the connection is subscribed.
	Enveloped bool `json:"enveloped"`
}

// Report is what the connections of one group have seen.
type Report struct {
	tally.Counts
	Conns     int    `json:"conns"`
	Open      int    `json:"open"`
	Failed    int    `json:"failed"`    // refused, or answered with another status than 200
	Broken    int    `json:"broken"`    // of the open ones: ended unexpectedly
	Cut       int    `json:"cut"`       // ended without stream.bye, stream.complete or a last chunk
	Bye       int    `json:"bye"`       // were told stream.bye
	Complete  int    `json:"complete"`  // were told stream.complete
	Malformed uint64 `json:"malformed"` // events that are not the benchmark's
	Reopened  int    `json:"reopened"`
}

// Latency is how long events took to arrive, in milliseconds.
type Latency struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

type phase int

const (
	closed phase = iota
	connecting
	waiting // for the head
	open
)

type conn struct {
	group   *group
	fd      int
	phase   phase
	parser  stream.Parser
	tally   tally.Tally
	request []byte // the part that is not sent yet
	began   time.Time
	resumed string // the id of the first request
	said    bool   // told bye or complete
	greeted bool   // Enveloped: a message has come
	on      func(stream.Event)
}

type group struct {
	Group
	conns  []*conn
	report Report // the counts that are not in the conns
	begun  int    // conns opened by now
	heads  int    // conns whose head has come, or that have failed
	oldest int    // the next to be reopened
}

// ipBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT of ip(7), which package syscall lacks:
// the port is chosen when the connection is, and so is shared between destinations.
const ipBindAddressNoPort = 24

// ErrStalled is returned by [Load.Loop] when the server has stopped serving: with events
// under way, no connection has received anything for five seconds.
var ErrStalled = errors.New("load: stalled")

// Load is a set of connections to one server.
type Load struct {
	addr    syscall.SockaddrInet4
	host    string
	ep      int
	fds     map[int32]*conn
	posts   []*posts
	groups  []*group
	events  []syscall.EpollEvent
	buf     []byte
	latency tally.Histogram
	head    tally.Histogram
	ids     map[uint64]string // nil: not learning
	learned map[uint64]string
	now     time.Time

	sources uint8         // rises with each connection, and wraps around
	stall   time.Duration // how long no connection may receive anything

	delivered uint64
	passed    func(seq uint64) // called for each event that a connection has received, or was told it missed
}

// New makes a Load for the server at addr, an IPv4 address and port.
func New(addr string) (*Load, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().Is4() {
		return nil, fmt.Errorf("load: address %q: write an IPv4 address and a port (%v)", addr, err)
	}
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	return &Load{
		addr:   syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()},
		host:   addr,
		ep:     ep,
		fds:    make(map[int32]*conn),
		events: make([]syscall.EpollEvent, 1024),
		buf:    make([]byte, 256<<10),
		stall:  5 * time.Second,
	}, nil
}

// Close closes all connections, with a reset, so that no ports stay behind.
func (l *Load) Close() {
	for _, g := range l.groups {
		for _, c := range g.conns {
			if c.phase != closed {
				syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
				l.drop(c)
			}
		}
	}
	for _, p := range l.posts {
		p.close()
	}
	syscall.Close(l.ep)
}

// Open opens a group of connections and waits until each has the head of its answer.
// Connections that fail are counted; they are not an error.
func (l *Load) Open(cfg Group, timeout time.Duration) error {
	g := &group{Group: cfg}
	for i := range cfg.N {
		c := &conn{group: g}
		c.tally.Expect(cfg.Next)
		if cfg.Spread > 0 {
			after := cfg.Spread + uint64(i)
			id, ok := l.learned[after]
			if !ok {
				return fmt.Errorf("load: open: the id of event %d has not been learned", after)
			}
			c.resumed = id
			c.tally.Expect(after + 1)
		}
		c.on = func(ev stream.Event) { l.event(c, ev) }
		g.conns = append(g.conns, c)
	}
	l.groups = append(l.groups, g)
	began := time.Now()
	ok, err := l.run(timeout, func() (bool, error) {
		due := cfg.N
		if cfg.Rate > 0 {
			due = min(due, int(time.Since(began).Seconds()*cfg.Rate)+1)
		}
		// Open only a few at a time, so that open connections do not wait long.
		for n := 0; g.begun < due && n < 64; n++ {
			if err := l.connect(g.conns[g.begun]); err != nil {
				return false, err
			}
			g.begun++
		}
		return g.begun == cfg.N && (cfg.NoWait || g.heads >= cfg.N), nil
	})
	if err == nil && !ok {
		err = fmt.Errorf("load: open: %d of %d connections have no answer after %v", cfg.N-g.heads, cfg.N, timeout)
	}
	return err
}

// run reads what arrives until done says so, or timeout has passed.
func (l *Load) run(timeout time.Duration, done func() (bool, error)) (bool, error) {
	deadline := time.Now().Add(timeout)
	for {
		if ok, err := done(); ok || err != nil {
			return ok, err
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		n, err := syscall.EpollWait(l.ep, l.events, 1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return false, fmt.Errorf("load: epoll: %w", err)
		}
		for _, ev := range l.events[:max(n, 0)] {
			if c := l.fds[ev.Fd]; c != nil {
				l.ready(c)
				continue
			}
			for _, p := range l.posts {
				if c := p.byFD[ev.Fd]; c != nil {
					if err := p.ready(c, l.buf); err != nil {
						return false, err
					}
				}
			}
		}
	}
}

func (l *Load) connect(c *conn) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("load: socket: %w", err)
	}
	// Segments as on Ethernet: with loopback's 64 KiB the buffers of a slow reader would
	// hold megabytes.
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460)
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if c.group.Mute {
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
	}
	if l.addr.Addr[0] == 127 {
		// When most of the 28,000 ports of one address are taken, finding a free one costs
		// a hundred times as much as the connection. All of 127/8 can be used.
		l.sources++
		syscall.SetsockoptInt(fd, syscall.SOL_IP, ipBindAddressNoPort, 1)
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1 + l.sources%8}}); err != nil {
			syscall.Close(fd)
			return fmt.Errorf("load: bind: %w", err)
		}
	}
	c.fd, c.phase, c.began, c.said, c.greeted = fd, connecting, time.Now(), false, false
	c.parser.Reset()
	id := c.resumed
	if last := c.parser.LastEventID(); len(last) > 0 {
		id = string(last)
	}
	c.request = fmt.Appendf(c.request[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", c.group.Path, l.host)
	if id != "" && (c.group.Resume || c.group.Spread > 0) {
		c.request = fmt.Appendf(c.request, "Last-Event-ID: %s\r\n", id)
	}
	c.request = append(c.request, "\r\n"...)
	if err := syscall.Connect(fd, &l.addr); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		syscall.Close(fd)
		c.phase = closed
		return fmt.Errorf("load: connect: %w", err)
	}
	l.fds[int32(fd)] = c
	return l.watch(syscall.EPOLL_CTL_ADD, c, syscall.EPOLLOUT)
}

func (l *Load) watch(op int, c *conn, events uint32) error {
	if err := syscall.EpollCtl(l.ep, op, c.fd, &syscall.EpollEvent{Events: events, Fd: int32(c.fd)}); err != nil {
		return fmt.Errorf("load: epoll: %w", err)
	}
	return nil
}

// drop closes c.
func (l *Load) drop(c *conn) {
	delete(l.fds, int32(c.fd))
	syscall.Close(c.fd)
	c.phase = closed
}

// ready does what can be done for c without waiting.
func (l *Load) ready(c *conn) {
	if c.phase == connecting {
		n, err := syscall.Write(c.fd, c.request)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err != nil {
			l.over(c, true)
			return
		}
		if c.request = c.request[n:]; len(c.request) > 0 {
			return
		}
		if c.group.Mute {
			// This connection is never used again.
			syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_DEL, c.fd, nil)
			c.phase = open
			c.group.heads++
			return
		}
		c.phase = waiting
		if l.watch(syscall.EPOLL_CTL_MOD, c, syscall.EPOLLIN|syscall.EPOLLRDHUP) != nil {
			l.over(c, true)
		}
		return
	}
	n, err := syscall.Read(c.fd, l.buf)
	l.now = time.Now() // for each read: a round over all connections takes milliseconds
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return
	case err != nil:
		l.over(c, true)
		return
	case n == 0:
		l.over(c, false)
		return
	}
	if err := c.parser.Feed(l.buf[:n], c.on); err != nil {
		c.group.report.Malformed++
		l.over(c, true)
		return
	}
	if c.phase == waiting && c.parser.Status() != 0 && c.parser.Status() != 200 {
		l.over(c, true)
		return
	}
	if c.phase == waiting && c.parser.Status() != 0 && (c.greeted || !c.group.Enveloped) {
		c.phase = open
		c.group.heads++
		l.head.Add(l.now.Sub(c.began))
	}
	if c.parser.Ended() {
		l.over(c, false)
	}
}

// over closes c, which the server or the network has ended.
func (l *Load) over(c *conn, broken bool) {
	r := &c.group.report
	switch {
	case c.phase != open:
		r.Failed++
		c.group.heads++
	case broken || !c.said && !c.parser.Ended():
		r.Cut++
		fallthrough
	default:
		r.Broken++
	}
	l.drop(c)
}

func (l *Load) event(c *conn, ev stream.Event) {
	switch string(ev.Name) {
	case "":
		if c.group.Enveloped {
			c.greeted = true
			data, ok := event.Find(ev.Data)
			if !ok {
				return
			}
			ev.Data = data
		}
		seq, sent, ok := event.Parse(ev.Data)
		if !ok {
			c.group.report.Malformed++
			return
		}
		if l.ids != nil {
			// The id belongs to this event: it was committed with its block.
			l.ids[seq] = string(c.parser.LastEventID())
		}
		told := c.tally.Event(seq)
		l.delivered++
		l.latency.Add(l.now.Sub(time.Unix(0, sent)))
		if l.passed != nil {
			for missing := range told {
				l.passed(seq - told + missing)
			}
			l.passed(seq)
		}
	case "stream.gap":
		var gap struct {
			Missed *uint64 `json:"missed"`
		}
		if json.Unmarshal(ev.Data, &gap) != nil {
			c.group.report.Malformed++
			return
		}
		c.tally.Gap(gap.Missed)
	case "stream.bye":
		c.said = true
		c.group.report.Bye++
	case "stream.complete":
		c.said = true
		c.group.report.Complete++
	default:
		c.group.report.Malformed++
	}
}

// Measure resets the latencies and the count of deliveries.
func (l *Load) Measure() {
	l.latency.Reset()
	l.head.Reset()
	l.delivered = 0
}

// Delivered is how many events were received since [Load.Measure].
func (l *Load) Delivered() uint64 { return l.delivered }

// Latency returns the latencies since [Load.Measure], in events and until the head.
func (l *Load) Latency() (events, head Latency) { return summary(&l.latency), summary(&l.head) }

func summary(h *tally.Histogram) Latency {
	ms := func(q float64) float64 { return float64(h.Quantile(q)) / 1e6 }
	return Latency{h.Count(), ms(0.5), ms(0.99), ms(0.999), ms(1)}
}

// readers calls f for each connection that reads.
func (l *Load) readers(f func(*conn)) {
	for _, g := range l.groups {
		if !g.Mute {
			for _, c := range g.conns {
				f(c)
			}
		}
	}
}

// For reads for a time.
func (l *Load) For(d time.Duration) error {
	_, err := l.run(d, func() (bool, error) { return false, nil })
	return err
}

// Settle waits until each open connection that reads has event last. It reports whether
// they have.
func (l *Load) Settle(last uint64, timeout time.Duration) (bool, error) {
	var next time.Time
	return l.run(timeout, func() (bool, error) {
		if now := time.Now(); now.Before(next) {
			return false, nil
		} else {
			next = now.Add(2 * time.Millisecond) // looking at all connections is expensive
		}
		settled := true
		l.readers(func(c *conn) { settled = settled && (c.phase == closed || c.tally.Next() > last) })
		return settled, nil
	})
}

// Ended waits until no connection that reads is open.
func (l *Load) Ended(timeout time.Duration) (bool, error) {
	return l.run(timeout, func() (bool, error) {
		for _, c := range l.fds {
			if !c.group.Mute {
				return false, nil
			}
		}
		return true, nil
	})
}

// Learn opens one connection to path, reads until event last, and keeps the ids of
// all events for [Group.Spread].
func (l *Load) Learn(path string, last uint64, timeout time.Duration) error {
	l.ids = make(map[uint64]string)
	if err := l.Open(Group{Name: "learn", N: 1, Path: path}, timeout); err != nil {
		return err
	}
	ok, err := l.Settle(last, timeout)
	l.learned, l.ids = l.ids, nil
	g := l.groups[len(l.groups)-1]
	for _, c := range g.conns {
		if c.phase != closed {
			l.drop(c)
		}
	}
	l.groups = l.groups[:len(l.groups)-1]
	if err == nil && !ok {
		err = fmt.Errorf("load: learn: event %d has not come within %v", last, timeout)
	}
	return err
}

// Churn reopens connections of group name, oldest first, rate a second, for d.
func (l *Load) Churn(name string, rate float64, d time.Duration) error {
	for _, g := range l.groups {
		if g.Name != name {
			continue
		}
		began, done := time.Now(), 0
		_, err := l.run(d, func() (bool, error) {
			for due := int(time.Since(began).Seconds() * rate); done < due; done++ {
				c := g.conns[g.oldest]
				g.oldest = (g.oldest + 1) % len(g.conns)
				if c.phase != closed {
					l.drop(c)
				}
				if !g.Resume {
					c.tally.Skip()
				}
				g.report.Reopened++
				if err := l.connect(c); err != nil {
					return false, err
				}
			}
			return false, nil
		})
		return err
	}
	return fmt.Errorf("load: churn: there is no group %q", name)
}

// Loop keeps inFlight events under way at any time: whenever events have reached all
// connections, it calls trigger with their number, to publish as many more. The first
// is number next. Loop ends after d, when the events under way have been delivered, or
// fails with [ErrStalled].
func (l *Load) Loop(next uint64, inFlight int, d time.Duration, trigger func(n int) error) (published uint64, err error) {
	readers := 0
	l.readers(func(c *conn) {
		if c.phase != closed {
			readers++
		}
	})
	if readers == 0 {
		return 0, errors.New("load: loop: no connection is open")
	}
	var (
		got      []int // by event: connections that have passed it
		due      = inFlight
		underWay = 0
		began    = time.Now()
		heard    = began
	)
	l.passed = func(seq uint64) {
		i := int(seq - next)
		if seq < next || i >= len(got) {
			return
		}
		heard = l.now
		if got[i]++; got[i] == readers {
			due++
			underWay--
		}
	}
	defer func() { l.passed = nil }()
	_, err = l.run(d+30*time.Second, func() (bool, error) {
		if underWay > 0 && time.Since(heard) > l.stall {
			i := len(got) - underWay
			return false, fmt.Errorf("%w: after %d events: %d of %d connections have event %d, and for %v none has received anything", ErrStalled, i, got[i], readers, next+uint64(i), l.stall)
		}
		if time.Since(began) >= d {
			return underWay == 0, nil
		}
		if due > 0 {
			for range due {
				got = append(got, 0)
			}
			underWay += due
			n := due
			due = 0
			if err := trigger(n); err != nil {
				return false, err
			}
		}
		return false, nil
	})
	return uint64(len(got)), err
}

// Report returns what each group has received. last is the number of the last event.
func (l *Load) Report(last uint64) map[string]Report {
	reports := make(map[string]Report, len(l.groups))
	for _, g := range l.groups {
		r := g.report
		r.Conns = len(g.conns)
		for _, c := range g.conns {
			if c.phase != closed {
				r.Open++
			}
			if !g.Mute {
				r.Counts.Add(c.tally.Counts(last))
			}
		}
		reports[g.Name] = r
	}
	return reports
}
