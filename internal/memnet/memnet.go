// Package memnet is a network in memory for tests. HTTP servers and clients
// talk without sockets, so that a test can run in virtual time
// (testing/synctest) and hold back a peer's bytes exactly.
//
// Its connections are [net.Pipe]s: they have no buffer, so a write waits until
// the peer reads, and they keep deadlines.
package memnet

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// A Listener accepts the connections that its own Dial makes.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

// Listen returns a new Listener. Its addresses mean nothing.
func Listen() *Listener {
	l := &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial. Open connections stay open.
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr returns an address of the network "mem".
func (l *Listener) Addr() net.Addr { return addr{} }

// Dial connects to the listener and returns the client's end once it has been
// accepted.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "mem", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Transport returns a transport that connects every request to the listener,
// whatever its URL. Close its idle connections before the test ends.
func (l *Listener) Transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
	}
}

type addr struct{}

func (addr) Network() string { return "mem" }
func (addr) String() string  { return "mem" }
