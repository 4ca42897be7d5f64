package service

import (
	"errors"
	"net"
	"os"
)

// A resetListener accepts connections that are reset if they are closed after a
// write has timed out. After an ordinary close the kernel would keep the bytes that
// the client has not accepted, possibly megabytes, for as long as the client's
// machine answers; and the client would not learn of the end.
type resetListener struct{ net.Listener }

func (l resetListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &resetConn{tcp}, nil
	}
	return conn, err
}

type resetConn struct{ *net.TCPConn }

func (c *resetConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.SetLinger(0)
	}
	return n, err
}
