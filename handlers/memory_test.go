package handlers

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"

	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// A memory is an operating system's sockets in memory, for shards in virtual
// time: a connection that is taken has a small buffer, which empties as fast as
// the client reads.
type memory struct {
	buffer int // how many bytes a socket takes that its client does not read

	mu    sync.Mutex
	last  int
	conns map[int]*memoryConn
	taken int // connections so far
	sends int // calls so far
}

// memoryBuffer is what buffer is unless a test wants another.
const memoryBuffer = 4 << 10

type memoryConn struct {
	conn  net.Conn
	token uint64
	set   *memorySet // that watches it, or nil
	armed bool

	buf    []byte
	more   chan struct{} // has room for one: buf or closed has changed
	full   bool          // a caller has been told so
	gone   bool
	err    error // why sends fail
	closed bool
}

func newMemory() *memory { return &memory{buffer: memoryBuffer, conns: make(map[int]*memoryConn)} }

func (m *memory) take(conn net.Conn) (fd int, err error) {
	c := &memoryConn{conn: conn, more: make(chan struct{}, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	for m.last = 1; m.conns[m.last] != nil; m.last++ { // the lowest that is free, as an operating system does
	}
	m.conns[m.last] = c
	go m.send(c)
	go m.receive(c)
	return m.last, nil
}

// send has the client read what was written.
func (m *memory) send(c *memoryConn) {
	defer c.conn.Close()
	for range c.more {
		for {
			m.mu.Lock()
			part, closed := slices.Clone(c.buf), c.closed
			m.mu.Unlock()
			if len(part) == 0 && closed {
				return
			}
			if len(part) == 0 {
				break
			}
			n, err := c.conn.Write(part)
			m.mu.Lock()
			c.buf = c.buf[min(n, len(c.buf)):]
			if err != nil {
				m.fail(c, syscall.EPIPE)
				m.mu.Unlock()
				return
			}
			if c.full && c.armed {
				c.full = false
				c.set.tell(socket.Event{Token: c.token, Writable: true})
			}
			m.mu.Unlock()
		}
	}
}

// receive finds out when the client is gone. What it says is dropped.
func (m *memory) receive(c *memoryConn) {
	scrap := make([]byte, 64)
	for {
		if _, err := c.conn.Read(scrap); err != nil {
			m.mu.Lock()
			m.fail(c, syscall.ECONNRESET)
			m.mu.Unlock()
			return
		}
	}
}

// fail has all that is done with c fail. The caller holds mu.
func (m *memory) fail(c *memoryConn, err error) {
	if c.gone {
		return
	}
	c.gone, c.err = true, err
	if c.set != nil && !c.closed {
		c.set.tell(socket.Event{Token: c.token, Gone: true})
	}
	c.signal()
}

func (c *memoryConn) signal() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (m *memory) open() (carry.Sockets, error) {
	return &memorySet{memory: m, happened: make(chan struct{}, 1)}, nil
}

// newest returns the token of the connection that was taken last.
func (m *memory) newest() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conns[m.last].token
}

// tell has the set of the newest connection tell of events.
func (m *memory) tell(events ...socket.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ev := range events {
		m.conns[m.last].set.tell(ev)
	}
}

// left is how many connections were taken and not closed.
func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns)
}

type memorySet struct {
	*memory
	events   []socket.Event
	happened chan struct{} // has room for one
	stopped  bool
}

// tell notes an event. The caller holds mu.
func (s *memorySet) tell(ev socket.Event) {
	s.events = append(s.events, ev)
	s.wake()
}

func (s *memorySet) wake() {
	select {
	case s.happened <- struct{}{}:
	default:
	}
}

func (s *memorySet) Add(fd int, token uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[fd]
	c.token, c.set = token, s
	if c.gone {
		s.tell(socket.Event{Token: token, Gone: true})
	}
	return nil
}

func (s *memorySet) Arm(fd int, token uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[fd]
	if c.token != token {
		return errors.New("memory: a token that the connection was not added with")
	}
	c.armed = true
	if c.full && len(c.buf) < s.buffer {
		c.full = false
		s.tell(socket.Event{Token: token, Writable: true})
	}
	return nil
}

func (s *memorySet) Wait(dst []socket.Event) (int, error) {
	for {
		s.mu.Lock()
		if s.stopped {
			s.mu.Unlock()
			return 0, socket.ErrStopped
		}
		n := copy(dst, s.events)
		s.events = s.events[n:]
		s.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		<-s.happened
	}
}

func (s *memorySet) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.wake()
}

func (s *memorySet) Send(fd int, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[fd]
	if c.err != nil {
		return 0, c.err
	}
	s.sends++
	n := min(len(b), s.buffer-len(c.buf))
	c.buf = append(c.buf, b[:n]...)
	c.signal()
	if n < len(b) {
		c.full = true
		return n, socket.ErrFull
	}
	return n, nil
}

func (s *memorySet) Broken(fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[fd].err
}

func (s *memorySet) Close(fd int, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[fd]
	delete(s.conns, fd)
	c.closed = true
	if reset {
		c.buf = nil
		c.conn.Close()
	}
	c.signal()
}
