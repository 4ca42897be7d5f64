//go:build unix

package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// Hundreds of clients misbehave in each of many ways. The service answers as it should,
// keeps nothing of them, logs nothing about them, and still serves others.
func TestRudeClients(t *testing.T) {
	const clients = 200

	// Each does one thing on a new connection. It returns an error if the service behaves
	// in an unexpected way, not if the service cuts the connection.
	for _, tt := range []struct {
		what string
		rude func(c *net.TCPConn, n int) error
	}{
		{"comes and leaves", func(c *net.TCPConn, n int) error { return nil }},
		{"shuts down its side and waits", func(c *net.TCPConn, n int) error {
			c.CloseWrite()
			return wantEOF(c)
		}},
		{"leaves in the middle of a request", func(c *net.TCPConn, n int) error {
			_, err := io.WriteString(c, "GET /events HTTP/1.1\r\nHost: ")
			return err
		}},
		{"leaves in the middle of a body", func(c *net.TCPConn, n int) error {
			_, err := io.WriteString(c, "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nmessage=")
			return err
		}},
		{"sends garbage", func(c *net.TCPConn, n int) error {
			// No line of this could begin a request.
			garbage := bytes.Repeat([]byte{byte(128 + n%128), 0, '\n'}, 100)
			if _, err := c.Write(garbage); err != nil {
				return err
			}
			return wantStatus(c, http.StatusBadRequest)
		}},
		{"speaks TLS", func(c *net.TCPConn, n int) error {
			if _, err := c.Write([]byte("\x16\x03\x01\x00\x05hello\r\n\r\n")); err != nil {
				return err
			}
			return wantStatus(c, http.StatusBadRequest)
		}},
		{"half-closes a stream", func(c *net.TCPConn, n int) error {
			if err := openRaw(c, n); err != nil {
				return err
			}
			c.CloseWrite()
			return wantEOF(c) // the stream is over: HTTP/1.1 cannot tell this from leaving
		}},
		{"leaves a stream", func(c *net.TCPConn, n int) error { return openRaw(c, n) }},
		{"resets a stream", func(c *net.TCPConn, n int) error {
			c.SetLinger(0)
			return openRaw(c, n)
		}},
		{"sends garbage into a stream, and resets it", func(c *net.TCPConn, n int) error {
			c.SetLinger(0)
			if err := openRaw(c, n); err != nil {
				return err
			}
			_, err := c.Write(bytes.Repeat([]byte{byte(n)}, 1000))
			return err
		}},
		{"asks for the next stream in the middle of one, and leaves", func(c *net.TCPConn, n int) error {
			if err := openRaw(c, n); err != nil {
				return err
			}
			_, err := io.WriteString(c, strings.Repeat("GET /events HTTP/1.1\r\nHost: x\r\n\r\n", 3))
			return err
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s := servicetest.Serve(t, service.Config{Heartbeat: 200 * time.Millisecond})
			client := testkit.Client(t, nil)
			if status, _ := testkit.Fetch(t, client, s.URL+"/healthz/live"); status != http.StatusOK {
				t.Fatalf("live: %d", status)
			}
			client.CloseIdleConnections()
			before := settled(t)

			var wg sync.WaitGroup
			for w := range 20 {
				wg.Go(func() {
					for n := w; n < clients; n += 20 {
						if err := beRude(s.Addr, n, tt.rude); err != nil {
							t.Errorf("client %d: %v", n, err)
							return
						}
					}
				})
			}
			wg.Wait()

			testkit.Eventually(t, "no stream is open", func() bool { return testkit.Metric(t, client, s.URL, "fluxwire_streams_open") == 0 })
			opened := testkit.Metric(t, client, s.URL, "fluxwire_streams_opened_total")
			if left := testkit.Metric(t, client, s.URL, "fluxwire_streams_ended_total", `reason="left"`); left != opened {
				t.Errorf("%d of %d streams ended because the client left, want all", left, opened)
			}
			client.CloseIdleConnections()
			wantNoMore(t, before)
			if got := s.Log.String(); got != "" {
				t.Errorf("the log says\n%.2000s\nwant nothing", got)
			}
			stream := testkit.Open(t, client, s.URL+"/events")
			testkit.Ping(t, client, s.URL, "still there")
			stream.Want("", "still there")
		})
	}
}

// A head of a mebibyte is refused with a status, and not kept in memory.
func TestHeadersTooLarge(t *testing.T) {
	s := servicetest.Serve(t, service.Config{})
	before := settled(t)
	head := "GET /events HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := beRude(s.Addr, n, func(c *net.TCPConn, _ int) error {
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					io.WriteString(c, head) // fails when the service stops reading
				}()
				err := wantStatus(c, http.StatusRequestHeaderFieldsTooLarge)
				c.Close()
				<-sent
				return err
			})
			if err != nil {
				t.Errorf("client %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	wantNoMore(t, before)
	if got := s.Log.String(); got != "" {
		t.Errorf("the log says\n%.2000s\nwant nothing", got)
	}
}

// beRude runs rude on a new connection, and closes it.
func beRude(addr string, n int, rude func(*net.TCPConn, int) error) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(testkit.Patience))
	return rude(conn.(*net.TCPConn), n)
}

// openRaw opens one of the streams and reads as far as the preamble.
func openRaw(c *net.TCPConn, n int) error {
	paths := []string{"/events", "/stream-sse", "/stream-sse-mvc", "/stream-flux"}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[n%len(paths)])
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("stream: %w after %q", err, line)
		}
		if strings.HasPrefix(line, "retry: ") {
			return nil
		}
	}
}

func wantStatus(c net.Conn, status int) error {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		return fmt.Errorf("answer %s, want %d", res.Status, status)
	}
	return nil
}

// wantEOF reads until the service closes the connection.
func wantEOF(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// A headcount is how many goroutines and descriptors the process has.
type headcount struct{ goroutines, descriptors int }

func countHeads(t *testing.T) headcount {
	t.Helper()
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return headcount{runtime.NumGoroutine(), len(files)}
}

// settled returns the headcount once it has stopped changing, as it does when a service
// has started and serves no client.
func settled(t *testing.T) headcount {
	t.Helper()
	now, same := countHeads(t), 0
	testkit.Eventually(t, "the number of goroutines and descriptors is at rest", func() bool {
		was := now
		now = countHeads(t)
		same++
		if now != was {
			same = 0
		}
		return same == 20
	})
	return now
}

// wantNoMore waits until there are no more goroutines and descriptors than before.
func wantNoMore(t *testing.T, before headcount) {
	t.Helper()
	now := countHeads(t)
	for end := time.Now().Add(testkit.Patience); now.goroutines > before.goroutines || now.descriptors > before.descriptors; now = countHeads(t) {
		if time.Now().After(end) {
			var stacks bytes.Buffer
			pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			files, _ := filepath.Glob("/dev/fd/*")
			for i, name := range files {
				target, _ := os.Readlink(name)
				files[i] = name + " " + target
			}
			t.Fatalf("%+v, and there were %+v before:\n%s\n%s", now, before, strings.Join(files, "\n"), &stacks)
		}
		time.Sleep(5 * time.Millisecond)
		runtime.GC() // package net keeps the pipes that it splices with until then
	}
}
