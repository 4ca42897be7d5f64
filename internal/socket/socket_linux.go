//go:build linux && !386 && !s390x

package socket

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Supported reports whether the package works on this system: on Linux, if each socket
// function is a system call of its own.
const Supported = true

// Take is like [Copy], but also closes conn; the connection stays open. On an error of
// Copy it leaves conn open.
func Take(conn net.Conn, limits Limits) (fd int, err error) {
	fd, err = Copy(conn, limits)
	if err != nil {
		return -1, err
	}
	if err := conn.Close(); err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Copy returns another descriptor of conn's socket, and sets limits on it. The
// connection is open until both are closed.
//
// conn must be a connection of package net, or wrap one and have a method SyscallConn
// or NetConn. Options that package net has set stay, such as keep-alive; deadlines do
// not apply to the descriptor.
func Copy(conn net.Conn, limits Limits) (fd int, err error) {
	raw, err := rawConn(conn)
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(own uintptr) {
		fd, failed = duplicate(own)
	})
	if err = errors.Join(err, failed); err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	limit(fd, limits)
	return fd, nil
}

// Limit sets limits on conn's socket. conn must be as for [Copy].
func Limit(conn net.Conn, limits Limits) error {
	raw, err := rawConn(conn)
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { limit(int(fd), limits) })
}

// limit sets limits. A Unix socket has none of these options, and does not need them.
func limit(fd int, limits Limits) {
	set := func(option, value int) {
		if value > 0 {
			_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, option, min(value, math.MaxInt32))
		}
	}
	set(tcpNotsentLowat, limits.Unsent)
	set(tcpUserTimeout, limits.UserTimeout)
}

const (
	tcpNotsentLowat = 25
	tcpUserTimeout  = 18
)

func rawConn(conn net.Conn) (syscall.RawConn, error) {
	for inner := conn; ; {
		switch c := inner.(type) {
		case syscall.Conn:
			return c.SyscallConn()
		case interface{ NetConn() net.Conn }:
			inner = c.NetConn()
		default:
			return nil, &ForeignError{conn}
		}
	}
}

func duplicate(fd uintptr) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// Send writes what the socket takes of b without waiting, and returns how many
// bytes that was, with [ErrFull] if it was not all.
func Send(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		// Do not tell the scheduler: the call never waits, and telling it costs a good
		// part of the time of a small write.
		sent, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b[n:]))), uintptr(len(b)-n),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			n += int(sent)
			if n < len(b) {
				return n, ErrFull
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, ErrFull
		default:
			return n, os.NewSyscallError("send", errno)
		}
	}
	return n, nil
}

// TimedOut reports whether err, of [Send] or [Broken], means that the peer has not
// answered for too long.
func TimedOut(err error) bool { return errors.Is(err, syscall.ETIMEDOUT) }

// Broken returns the error that has broken the connection, or nil: the peer has
// closed it, or nothing is wrong.
func Broken(fd int) error {
	code, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err != nil || code == 0 {
		return nil
	}
	return os.NewSyscallError("socket", syscall.Errno(code))
}

// Close closes the connection. If reset is set the peer gets a reset at once, and the
// bytes that it has not taken are dropped; otherwise it gets these, and then the end.
func Close(fd int, reset bool) {
	if reset {
		_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	} else {
		discard(fd)
	}
	_ = syscall.Close(fd)
}

// discard reads what the peer has sent. If a socket is closed with unread bytes, the
// kernel sends a reset, and the peer may lose the last bytes that were sent to it.
func discard(fd int) {
	var scrap [1024]byte
	for range 64 {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(&scrap)), uintptr(len(scrap)), syscall.MSG_DONTWAIT, 0, 0)
		if errno != 0 && errno != syscall.EINTR || errno == 0 && n == 0 {
			return
		}
	}
}

// A Set watches descriptors. Its methods may be called from any goroutine, Wait
// from one at a time.
type Set struct {
	poll   int
	file   *os.File // poll, known to the runtime's poller, so that Wait blocks no thread
	raw    syscall.RawConn
	events [256]syscall.EpollEvent

	stopped atomic.Bool
}

// NewSet returns an empty Set. It must be stopped.
func NewSet() (*Set, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(poll, true); err != nil {
		syscall.Close(poll)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(poll), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Set{poll: poll, file: file, raw: raw}, nil
}

// Edge-triggered: each change is reported once. RDHUP means that the peer has closed its
// end; HUP and ERR are always reported.
const (
	watchGone     = syscall.EPOLLRDHUP | epollET
	watchWritable = watchGone | syscall.EPOLLOUT
	epollET       = 1 << 31
)

// Add watches fd until it is closed. The set reports when its peer is gone.
func (s *Set) Add(fd int, token uint64) error {
	return s.control(syscall.EPOLL_CTL_ADD, fd, token, watchGone)
}

// Arm makes the set also report when fd, which was full, takes bytes again: at once if
// it does already, and each time from now on.
func (s *Set) Arm(fd int, token uint64) error {
	return s.control(syscall.EPOLL_CTL_MOD, fd, token, watchWritable)
}

func (s *Set) control(op, fd int, token uint64, events uint32) error {
	ev := syscall.EpollEvent{Events: events, Fd: int32(token), Pad: int32(token >> 32)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(s.poll, op, fd, &ev))
}

// Wait waits until there are events, stores up to len(dst) of them in dst, and returns
// how many. An event may be of a descriptor that was closed meanwhile.
func (s *Set) Wait(dst []Event) (n int, err error) {
	var failed error
	err = s.raw.Read(func(uintptr) bool {
		n, failed = syscall.EpollWait(s.poll, s.events[:min(len(dst), len(s.events))], 0)
		if failed == syscall.EINTR {
			n, failed = 0, nil
		}
		return n > 0 || failed != nil
	})
	if s.stopped.Load() {
		return 0, ErrStopped // whatever error package os returns
	}
	if err = errors.Join(err, os.NewSyscallError("epoll_wait", failed)); err != nil {
		return 0, err
	}
	for i := range n {
		ev := &s.events[i]
		dst[i] = Event{
			Token:    uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32,
			Writable: ev.Events&syscall.EPOLLOUT != 0,
			Gone:     ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0,
		}
	}
	return n, nil
}

// Stop ends Wait for ever. The descriptors stay open.
func (s *Set) Stop() {
	s.stopped.Store(true)
	_ = s.file.Close()
}
