// Package socket writes to many TCP connections without a goroutine or a buffer for
// each, and without waiting for any of them.
//
// [Take] takes a connection away from package net, [Copy] shares it; both return a file
// descriptor. A [Set] watches descriptors: it reports when one that was full takes bytes
// again, and when a peer has closed its end. [Send] writes, and never waits.
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

	// ErrFull is returned by [Send] when the socket takes no more bytes now. After
	// [Set.Arm] a Set reports when it does again.
	ErrFull = errors.New("socket: full")

	// ErrStopped is returned by [Set.Wait] after [Set.Stop].
	ErrStopped = errors.New("socket: the set is stopped")
)

// A ForeignError is returned by [Take] for a connection that is not a socket of the
// operating system, or does not give access to it.
type ForeignError struct{ Conn net.Conn }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("socket: %T gives no access to its descriptor: it needs a method SyscallConn or NetConn", e.Conn)
}

// An Event reports a change of a descriptor.
type Event struct {
	Token    uint64 // what it was added with
	Writable bool   // it probably takes bytes again: try
	Gone     bool   // the peer has closed its end or the connection is broken
}

// Limits are options that [Take] sets on a socket, to bound the cost of a peer that does
// not answer. 0 leaves the system's default.
type Limits struct {
	// Unsent is how many bytes the kernel takes that it cannot send yet
	// (TCP_NOTSENT_LOWAT).
	Unsent int
	// UserTimeout is how many milliseconds sent bytes may stay unacknowledged before the
	// system breaks the connection (TCP_USER_TIMEOUT, RFC 5482).
	UserTimeout int
}
