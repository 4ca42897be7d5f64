package carry

import (
	"math"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/socket"
)

// everything is the room of a client that reads as fast as the driver writes.
const everything = math.MaxInt

// A client is the other end of one stream, whatever driver carries it. It takes as many
// bytes as it has room for; a test says when it has more.
//
// It is a [Peer], whose writes wait for room, and a connection of [sockets], whose
// writes take what there is room for.
type client struct {
	mu      sync.Mutex
	room    int
	got     []byte
	marks   []mark
	gone    bool          // it has closed the connection
	headed  bool          // the head has been sent
	closed  bool          // the driver has closed it
	aborted bool          // the driver aborted the connection
	changed chan struct{} // closed when room, gone or the deadline changes

	expires  time.Time // when writes fail, or zero
	deaf     bool      // writes take no notice of the deadline
	refuses  error     // the error of writes, if not nil
	writes   int       // calls of write
	inFlight bool      // a write waits

	// Used when it is a connection of sockets.
	set         *sockets
	token       uint64
	broken      error // why it is gone
	armed, full bool
}

// A mark says how many bytes the client had at a time.
type mark struct {
	at    time.Time
	total int
}

func newClient(room int) *client { return &client{room: room, changed: make(chan struct{})} }

// grow gives the client more room.
func (c *client) grow(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == everything {
		c.room = everything
	} else if c.room != everything {
		c.room += n
	}
	c.stir()
}

// limit makes the client take no more than n bytes from now on.
func (c *client) limit(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room = n
}

// leave makes the client close the connection.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.set != nil && !c.closed {
		c.set.tell(socket.Event{Token: c.token, Gone: true})
	}
	c.stir()
}

// stir wakes the goroutines that wait for the client. The caller holds mu.
func (c *client) stir() {
	close(c.changed)
	c.changed = make(chan struct{})
	if c.full && c.armed && c.room > 0 {
		c.full = false
		c.set.tell(socket.Event{Token: c.token, Writable: true})
	}
}

// take takes as much of b as there is room for. The caller holds mu.
func (c *client) take(b []byte) int {
	n := min(len(b), c.room)
	if n == 0 {
		return 0
	}
	if c.room != everything {
		c.room -= n
	}
	c.got = append(c.got, b[:n]...)
	now := time.Now()
	if k := len(c.marks); k > 0 && c.marks[k-1].at.Equal(now) {
		c.marks = c.marks[:k-1]
	}
	c.marks = append(c.marks, mark{now, len(c.got)})
	return n
}

// head implements [Peer].
func (c *client) head() (first bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, c.headed = !c.headed, true
	return first, c.refuses
}

// write implements [Peer].
func (c *client) write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headed = true
	c.writes++
	c.inFlight = true
	defer func() { c.inFlight = false }()
	for {
		switch {
		case c.gone:
			return n, syscall.EPIPE
		case c.refuses != nil:
			return n, c.refuses
		case !c.deaf && !c.expires.IsZero() && !time.Now().Before(c.expires):
			return n, os.ErrDeadlineExceeded
		}
		if n += c.take(b[n:]); n == len(b) {
			return n, nil
		}
		c.wait()
	}
}

// wait waits until something has changed, or the deadline has come. The caller holds mu.
func (c *client) wait() {
	changed := c.changed
	var late <-chan time.Time
	if !c.deaf && !c.expires.IsZero() {
		timer := time.NewTimer(time.Until(c.expires))
		defer timer.Stop()
		late = timer.C
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
	case <-late:
	}
}

// deadline implements [Peer].
func (c *client) deadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expires = t
	c.stir()
}

// done notes that the driver has closed the client.
func (c *client) done(aborted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.aborted = true, aborted
}

// A view is what a test may want to know of a client.
type view struct {
	headed  bool
	writes  int
	expires time.Time
}

func (c *client) look() view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return view{c.headed, c.writes, c.expires}
}

// wire returns what the client has got.
func (c *client) wire() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.got)
}

// stuck reports whether a write waits for the client.
func (c *client) stuck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight
}

// roomLeft returns how many bytes the client would take now.
func (c *client) roomLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room
}

// when returns the times at which the client got its bytes after the first n.
func (c *client) when(n int) []mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := 0
	for i < len(c.marks) && c.marks[i].total <= n {
		i++
	}
	return slices.Clone(c.marks[i:])
}

// sockets are the connections of a [Shard] in tests. A descriptor is an index.
type sockets struct {
	mu       sync.Mutex
	clients  []*client
	events   []socket.Event
	happened chan struct{} // has room for one
	stopped  bool
}

func newSockets() *sockets { return &sockets{happened: make(chan struct{}, 1)} }

// connect returns a descriptor for c.
func (s *sockets) connect(c *client) (fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	return len(s.clients) - 1
}

func (s *sockets) client(fd int) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[fd]
}

// open returns s, for one run of a shard.
func (s *sockets) open() (Sockets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = false
	return s, nil
}

func (s *sockets) tell(ev socket.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
	s.wake()
}

func (s *sockets) wake() {
	select {
	case s.happened <- struct{}{}:
	default:
	}
}

// Add implements [Sockets], as do the methods that follow.
func (s *sockets) Add(fd int, token uint64) error {
	c := s.client(fd)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set, c.token = s, token
	if c.gone {
		s.tell(socket.Event{Token: token, Gone: true})
	}
	return nil
}

func (s *sockets) Arm(fd int, token uint64) error {
	c := s.client(fd)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = true
	if c.full && c.room > 0 {
		c.full = false
		s.tell(socket.Event{Token: token, Writable: true})
	}
	return nil
}

func (s *sockets) Wait(dst []socket.Event) (int, error) {
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

func (s *sockets) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.wake()
}

func (s *sockets) Send(fd int, b []byte) (int, error) {
	c := s.client(fd)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0, syscall.EPIPE
	}
	n := c.take(b)
	if n < len(b) {
		c.full = true
		return n, socket.ErrFull
	}
	return n, nil
}

func (s *sockets) Broken(fd int) error {
	c := s.client(fd)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

func (s *sockets) Close(fd int, reset bool) { s.client(fd).done(reset) }
