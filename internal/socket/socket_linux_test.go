//go:build linux && !386 && !s390x

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair returns the two ends of a connection. The near one has been taken.
func pair(t *testing.T, network, addr string, wrap func(net.Conn) net.Conn) (fd int, far net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err = Take(wrap(near), Limits{Unsent: 64 << 10, UserTimeout: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	return fd, far
}

func bare(c net.Conn) net.Conn { return c }

func tcpPair(t *testing.T) (fd int, far net.Conn) { return pair(t, "tcp", "127.0.0.1:0", bare) }

// watching returns a set and a channel of its events. It runs until the test ends.
func watching(t *testing.T) (*Set, <-chan Event) {
	s, err := NewSet()
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan Event, 1024)
	var work sync.WaitGroup
	work.Go(func() {
		var buf [16]Event
		for {
			n, err := s.Wait(buf[:])
			if err != nil {
				if !errors.Is(err, ErrStopped) {
					t.Errorf("Wait: %v, want %v", err, ErrStopped)
				}
				return
			}
			for _, ev := range buf[:n] {
				events <- ev
			}
		}
	})
	t.Cleanup(func() {
		s.Stop()
		work.Wait()
	})
	return s, events
}

type wrapped struct{ net.Conn }

type netConn struct{ wrapped }

func (c netConn) NetConn() net.Conn { return c.Conn }

func TestTake(t *testing.T) {
	for _, tt := range []struct {
		name, network, addr string
		wrap                func(net.Conn) net.Conn
	}{
		{"TCP", "tcp", "127.0.0.1:0", bare},
		{"TCP, wrapped by a type with NetConn", "tcp", "127.0.0.1:0", func(c net.Conn) net.Conn { return netConn{wrapped{c}} }},
		{"Unix", "unix", filepath.Join(t.TempDir(), "s"), bare},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd, far := pair(t, tt.network, tt.addr, tt.wrap)
			if n, err := Send(fd, []byte("after")); n != 5 || err != nil {
				t.Fatalf("Send = %d, %v; want 5, nil", n, err)
			}
			Close(fd, false)
			if got, err := io.ReadAll(far); string(got) != "after" || err != nil {
				t.Errorf("the peer reads %q, %v; want all of it, and the end", got, err)
			}
		})
	}
}

func TestTake_foreignConnection(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	_, err := Take(wrapped{near}, Limits{})
	if _, ok := errors.AsType[*ForeignError](err); !ok {
		t.Fatalf("Take: %v, want a ForeignError", err)
	}
	go far.Read(make([]byte, 1))
	if _, err := near.Write([]byte("x")); err != nil {
		t.Errorf("the connection that could not be taken is closed: %v", err)
	}
}

func TestTake_limits(t *testing.T) {
	fd, _ := tcpPair(t)
	defer Close(fd, false)
	for _, tt := range []struct {
		name                string
		level, option, want int
	}{
		{"TCP_NOTSENT_LOWAT", syscall.IPPROTO_TCP, tcpNotsentLowat, 64 << 10},
		{"TCP_USER_TIMEOUT", syscall.IPPROTO_TCP, tcpUserTimeout, 30_000},
		{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
	} {
		if got, err := syscall.GetsockoptInt(fd, tt.level, tt.option); got != tt.want || err != nil {
			t.Errorf("%s is %d, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}

func TestSet_writable(t *testing.T) {
	fd, far := tcpPair(t)
	defer Close(fd, false)
	set, events := watching(t)
	if err := set.Add(fd, 1<<40|7); err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("x"), 1<<20)
	total := 0
	for {
		n, err := Send(fd, block)
		total += n
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Arm(fd, 1<<40|7); err != nil {
		t.Fatal(err)
	}
	for read := 0; read < total; {
		n, err := far.Read(block)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	if ev := <-events; ev != (Event{Token: 1<<40 | 7, Writable: true}) {
		t.Errorf("event %+v, want token 1<<40|7, writable", ev)
	}
	if n, err := Send(fd, []byte("x")); n != 1 || err != nil {
		t.Errorf("Send = %d, %v after the peer has read; want 1, nil", n, err)
	}
}

func TestSet_gone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(*net.TCPConn)
	}{
		{"closed", func(c *net.TCPConn) { c.Close() }},
		{"half closed", func(c *net.TCPConn) { c.CloseWrite() }},
		{"half closed after a request", func(c *net.TCPConn) { c.Write([]byte("GET")); c.CloseWrite() }},
		{"reset", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd, far := tcpPair(t)
			defer Close(fd, false)
			set, events := watching(t)
			if err := set.Add(fd, 3); err != nil {
				t.Fatal(err)
			}
			tt.leave(far.(*net.TCPConn))
			for ev := range events {
				if ev.Token != 3 {
					t.Fatalf("event %+v, want token 3", ev)
				}
				if ev.Gone {
					break
				}
			}
		})
	}
}

func TestClose_reset(t *testing.T) {
	fd, far := tcpPair(t)
	if _, err := Send(fd, []byte("x")); err != nil {
		t.Fatal(err)
	}
	Close(fd, true)
	if got, err := io.ReadAll(far); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %q, %v; want a reset", got, err)
	}
}

func TestClose_unreadInput(t *testing.T) {
	fd, far := tcpPair(t)
	set, events := watching(t)
	if err := set.Add(fd, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write(bytes.Repeat([]byte("GET / "), 1000)); err != nil {
		t.Fatal(err)
	}
	far.(*net.TCPConn).CloseWrite()
	<-events // all of it has arrived; if Close left it unread, the kernel would send a reset
	if _, err := Send(fd, []byte("bye")); err != nil {
		t.Fatal(err)
	}
	Close(fd, false)
	if got, err := io.ReadAll(far); string(got) != "bye" || err != nil {
		t.Errorf("the peer reads %q, %v; want bye, and the end", got, err)
	}
}

func TestSend_brokenConnection(t *testing.T) {
	fd, far := tcpPair(t)
	defer Close(fd, false)
	set, events := watching(t)
	if err := set.Add(fd, 1); err != nil {
		t.Fatal(err)
	}
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	<-events
	if err := Broken(fd); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Broken = %v, want a reset", err)
	}
	if _, err := Send(fd, []byte("x")); err == nil || errors.Is(err, ErrFull) || TimedOut(err) {
		t.Errorf("Send = %v, want a broken pipe", err)
	}
}

func TestSet_stop(t *testing.T) {
	before := descriptors(t)
	s, err := NewSet()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Wait(make([]Event, 1))
		done <- err
	}()
	time.Sleep(time.Millisecond) // Wait may begin only later: then it finds the set stopped
	s.Stop()
	if err := <-done; !errors.Is(err, ErrStopped) {
		t.Errorf("Wait = %v, want %v", err, ErrStopped)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
