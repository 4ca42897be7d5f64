package service

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestStalledConnectionIsReset(t *testing.T) {
	for _, stalls := range []bool{true, false} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := resetListener{ln}.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if stalls {
			conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			b := make([]byte, 1<<20)
			for err == nil {
				_, err = conn.Write(b)
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("write to a client that does not read: %v, want a timeout", err)
			}
		} else if _, err := io.Copy(conn, bytes.NewReader([]byte("all of it"))); err != nil {
			t.Fatal(err)
		}
		conn.Close()

		all, err := io.ReadAll(client)
		switch {
		case stalls && !errors.Is(err, syscall.ECONNRESET):
			t.Errorf("after a timeout the client reads %d bytes, %v; want a reset", len(all), err)
		case !stalls && (string(all) != "all of it" || err != nil):
			t.Errorf("without one it reads %q, %v; want all of it", all, err)
		}
	}
}
