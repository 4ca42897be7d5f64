//go:build !linux || 386 || s390x

package socket

import "net"

// Supported reports whether the package works on this system.
const Supported = false

// Take fails.
func Take(net.Conn, Limits) (fd int, err error) { return -1, ErrUnsupported }

// Copy fails.
func Copy(net.Conn, Limits) (fd int, err error) { return -1, ErrUnsupported }

// Limit fails.
func Limit(net.Conn, Limits) error { return ErrUnsupported }

// Send fails.
func Send(int, []byte) (int, error) { return 0, ErrUnsupported }

// TimedOut is false.
func TimedOut(error) bool { return false }

// Broken returns nil.
func Broken(int) error { return nil }

// Close does nothing.
func Close(int, bool) {}

// A Set cannot be made here.
type Set struct{}

// NewSet fails.
func NewSet() (*Set, error) { return nil, ErrUnsupported }

// Add fails.
func (*Set) Add(int, uint64) error { return ErrUnsupported }

// Arm fails.
func (*Set) Arm(int, uint64) error { return ErrUnsupported }

// Wait fails.
func (*Set) Wait([]Event) (int, error) { return 0, ErrUnsupported }

// Stop does nothing.
func (*Set) Stop() {}
