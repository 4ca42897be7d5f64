package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// openStreams is the number of streams that BenchmarkMemory holds open.
const openStreams = 5000

// BenchmarkMemory measures the memory of an open stream in the client's process: heap
// and stacks in use after a collection, with all streams open and silent. The server is
// another process, so that its memory does not count. Afterwards every stream must
// deliver one more event, so that a broken stream cannot improve the result. The floor
// reads the same bytes with net/http and a bufio.Scanner.
//
// A first round is not counted, because the runtime keeps memory of goroutines that have
// ended for the next ones.
//
// In the variants with small buffers the http.Transport has buffers of 1 KiB instead of
// 4 KiB.
func BenchmarkMemory(b *testing.B) {
	warm := new(http.Transport)
	holdOpen(b, func(ctx context.Context, url string, got func(string)) error {
		return readScanner(ctx, &http.Client{Transport: warm}, url, got)
	})
	small := &http.Transport{ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}
	for _, v := range []struct {
		name      string
		transport *http.Transport
		read      func(ctx context.Context, c *http.Client, url string, got func(string)) error
	}{
		{"Follow", new(http.Transport), readFollow},
		{"floor-Scanner", new(http.Transport), readScanner},
		{"Follow-small-buffers", small, readFollow},
		{"floor-Scanner-small-buffers", small, readScanner},
	} {
		b.Run(v.name, func(b *testing.B) {
			var sum usage
			for b.Loop() {
				sum.add(holdOpen(b, func(ctx context.Context, url string, got func(string)) error {
					return v.read(ctx, &http.Client{Transport: v.transport}, url, got)
				}))
				v.transport.CloseIdleConnections()
			}
			n := float64(b.N * openStreams)
			b.ReportMetric(0, "ns/op") // has no meaning here
			b.ReportMetric(float64(sum.heap+sum.stack)/n, "B/stream")
			b.ReportMetric(float64(sum.heap)/n, "heap-B/stream")
			b.ReportMetric(float64(sum.stack)/n, "stack-B/stream")
			b.ReportMetric(float64(sum.goroutines)/n, "goroutines/stream")
		})
	}
}

func readFollow(ctx context.Context, c *http.Client, url string, got func(string)) error {
	for ev, err := range Follow[string](ctx, url, HTTPClient(c)) {
		if err != nil {
			return err
		}
		got(ev.Data)
	}
	return io.EOF
}

func readScanner(ctx context.Context, c *http.Client, url string, got func(string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
			got(string(data))
		}
	}
	return lines.Err()
}

// A usage is the memory in use, in bytes.
type usage struct{ heap, stack, goroutines int64 }

func (u *usage) add(v usage) {
	u.heap += v.heap
	u.stack += v.stack
	u.goroutines += v.goroutines
}

func inUse() usage {
	debug.FreeOSMemory() // collects garbage; twice because of pools and finalizers
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapInuse), int64(m.StackInuse), int64(runtime.NumGoroutine())}
}

// holdOpen opens openStreams streams with read, and returns the memory in use between
// their first event and their second.
func holdOpen(b *testing.B, read func(ctx context.Context, url string, got func(string)) error) usage {
	b.Helper()
	url, tell, stop := startSilentServer(b)
	defer stop()
	before := inUse()

	ctx, cancel := context.WithCancel(b.Context())
	var streams, received sync.WaitGroup
	opening := make(chan struct{}, 64) // bounds the server's queue of connections
	round := func(send func()) {
		received.Add(openStreams)
		send()
		received.Wait()
	}
	round(func() {
		for range openStreams {
			opening <- struct{}{}
			streams.Go(func() {
				n := 0
				err := read(ctx, url, func(data string) {
					n++
					if want := fmt.Sprint(n); data != want {
						b.Errorf("event %q, want %q", data, want)
					}
					if n == 1 {
						<-opening
					}
					received.Done()
				})
				if ctx.Err() == nil {
					panic(fmt.Sprintf("a stream ended: %v", err)) // otherwise received.Wait would wait for ever
				}
			})
		}
	})
	open := inUse()
	round(tell)
	cancel()
	streams.Wait()
	return usage{open.heap - before.heap, open.stack - before.stack, open.goroutines - before.goroutines}
}

const silentServer = "FLUXWIRE_TEST_SILENT_SERVER"

// startSilentServer runs serveSilently in a process of its own. tell makes it
// send another event to everybody, stop ends it.
func startSilentServer(b *testing.B) (url string, tell, stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), silentServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop = func() {
		in.Close()
		cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		b.Fatal(err)
	}
	tell = func() {
		if _, err := io.WriteString(in, "\n"); err != nil {
			b.Fatal(err)
		}
	}
	return strings.TrimSpace(line), tell, stop
}

// serveSilently is the server of BenchmarkMemory, called by TestMain: each connection gets the head
// of an event stream and an event at once, and another for every line on the
// standard input, at whose end the process ends.
func serveSilently() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, conn)
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nStream-Heartbeat: 300\r\nConnection: close\r\n\r\n"+
					"id: 1\nevent: tick\ndata: 1\n\n")
			}()
		}
	})
	fmt.Printf("http://%s\n", l.Addr())
	orders := bufio.NewScanner(os.Stdin)
	for n := 2; orders.Scan(); n++ {
		mu.Lock()
		for _, conn := range conns {
			fmt.Fprintf(conn, "id: %d\nevent: tick\ndata: %d\n\n", n, n)
		}
		mu.Unlock()
	}
}
