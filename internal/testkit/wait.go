package testkit

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for anything that should happen at once. It
// determines only how late a failure is reported.
const Patience = 30 * time.Second

// Eventually polls until check returns true. It is for effects behind a real socket,
// where there is nothing else to wait for.
func Eventually(t testing.TB, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so after %v: %s", Patience, what)
		}
	}
}

// FreeAddr returns a loopback address whose port was free a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// A Buffer is a bytes.Buffer for the output of a program that is still running.
// Its methods may be called concurrently.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
