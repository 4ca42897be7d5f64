// Package socket writes to many TCP connections without a goroutine, a buffer or
// a wait for any of them.
//
// [Take] takes a connection away from package net, [Copy] shares it: what they give
// is a file descriptor. A [Set] watches descriptors: it tells when one that was full takes
// bytes again, and when a peer is gone. Writing is [Send], which never waits.
//
// It exists on Linux; elsewhere [Supported] is false and every call fails with
// [ErrUnsupported].
package socket

import (
	"errors"
	"fmt"
	"net"
)

var (
	// ErrUnsupported is returned on systems other than Linux.
	ErrUnsupported = errors.New("socket: not supported on this system")

	// ErrFull is returned by [Send] when the socket takes no more bytes now. A Set
	// tells when it does again, once [Set.Arm] has asked for that.
	ErrFull = errors.New("socket: full")

	// ErrStopped is returned by [Set.Wait] after [Set.Stop].
	ErrStopped = errors.New("socket: the set is stopped")
)

// A ForeignError is returned by [Take] for a connection that is no socket of the
// operating system's, or hides that it is one.
type ForeignError struct{ Conn net.Conn }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("socket: %T gives no access to its descriptor: it needs a method SyscallConn or NetConn", e.Conn)
}

// An Event says what has become of a descriptor.
type Event struct {
	Token    uint64 // what it was added with
	Writable bool   // it takes bytes again; at least it is worth a try
	Gone     bool   // the peer has closed its end or the connection is broken
}

// Limits are what [Take] sets on a socket, to bound what a peer that does not
// answer can cost. 0 leaves the system's default.
type Limits struct {
	// Unsent is how many bytes the kernel takes that it cannot send yet
	// (TCP_NOTSENT_LOWAT).
	Unsent int
	// UserTimeout is how many milliseconds what was sent may stay without an
	// acknowledgement before the connection is broken (TCP_USER_TIMEOUT, RFC 5482).
	UserTimeout int
}
