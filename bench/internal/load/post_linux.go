package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
)

// A post is a connection over which one request at a time is sent.
type post struct {
	fd     int
	answer []byte // the part that has come
}

// posts publish events.
type posts struct {
	ep      int
	request []byte
	byFD    map[int32]*post
	idle    []*post
	waiting int // requests for which no connection was idle
}

// Post opens conns connections to the HTTP server at addr, which stay open. Each call of
// the function it returns sends n POST requests for target, each as soon as there is a
// connection that does not wait for an answer. The methods of l that run its connections
// read the answers, and fail if one is not 200.
func (l *Load) Post(addr, target string, conns int) (publish func(n int) error, err error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().Is4() {
		return nil, fmt.Errorf("load: address %q: write an IPv4 address and a port (%v)", addr, err)
	}
	p := &posts{
		ep:      l.ep,
		request: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", target, addr),
		byFD:    make(map[int32]*post),
	}
	l.posts = append(l.posts, p)
	for range conns {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("load: socket: %w", err)
		}
		c := &post{fd: fd}
		p.byFD[int32(fd)] = c
		p.idle = append(p.idle, c)
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		// The server is on this machine: connect returns at once.
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
			return nil, fmt.Errorf("load: connect to %s: %w", addr, err)
		}
		if err := syscall.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("load: socket: %w", err)
		}
		if err := syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			return nil, fmt.Errorf("load: epoll: %w", err)
		}
	}
	return func(n int) error {
		p.waiting += n
		return p.send()
	}, nil
}

// send sends waiting requests while there are idle connections.
func (p *posts) send() error {
	for ; p.waiting > 0 && len(p.idle) > 0; p.waiting-- {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		// A request is far smaller than the buffer of a socket that has nothing to send.
		if n, err := syscall.Write(c.fd, p.request); n != len(p.request) {
			return fmt.Errorf("load: post: %d of %d bytes sent: %w", max(n, 0), len(p.request), err)
		}
	}
	return nil
}

// ready reads the part of c's answer that has come.
func (p *posts) ready(c *post, buf []byte) error {
	n, err := syscall.Read(c.fd, buf)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("load: post: %w", err)
	case n == 0:
		return errors.New("load: post: the server has closed the connection")
	}
	c.answer = append(c.answer, buf[:n]...)
	whole, err := answered(c.answer)
	if err != nil || !whole {
		return err
	}
	c.answer = c.answer[:0]
	p.idle = append(p.idle, c)
	return p.send()
}

// answered reports whether b is a whole answer. It must have status 200 and a length.
func answered(b []byte) (bool, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("load: post: the server answers %q", b)
	}
	_, length, _ := bytes.Cut(head, []byte("\r\nContent-Length: "))
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	if err != nil || len(body) > n {
		return false, fmt.Errorf("load: post: an answer without its length, or longer: %q", b)
	}
	return len(body) == n, nil
}

func (p *posts) close() {
	for _, c := range p.byFD {
		syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
		syscall.Close(c.fd)
	}
}
