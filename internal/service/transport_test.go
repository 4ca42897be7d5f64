package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
)

const patience = 30 * time.Second

// The fast transport serves the service's topics. With TransportFast the log would name
// each stream that it does not serve.
func TestTopicsAreServedByTheFastTransport(t *testing.T) {
	var log bytes.Buffer // stays empty, or the test fails
	s, err := New(Config{Transport: handlers.TransportFast, MaxStreamsPerSubject: handlers.Off, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if errors.Is(err, handlers.ErrNoFast) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln, nil) }()

	// open opens an event stream and returns it when its head is there.
	open := func(path string) *http.Response {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("still not so: %s", what)
			}
		}
	}
	const each = 50
	paths := []string{"/stream-sse", "/events"}
	var streams []*http.Response
	var few int
	for n := range each {
		for _, path := range paths {
			res := open(path)
			if res.StatusCode != http.StatusOK || len(res.TransferEncoding) > 0 || res.ContentLength != -1 || !res.Close {
				t.Fatalf("%s: %s, transfer encoding %q, length %d, close %v; want a body that ends with its connection",
					path, res.Status, res.TransferEncoding, res.ContentLength, res.Close)
			}
			streams = append(streams, res)
			until(path+" is left to the fast transport", func() bool { return s.streams.Stats().Routes[path].Fast == n+1 })
		}
		if n == 0 {
			few = runtime.NumGoroutine()
		}
	}
	until(fmt.Sprintf("%d streams have no more goroutines than %d", 2*each, len(paths)), func() bool { return runtime.NumGoroutine() <= few })

	stop()
	for _, res := range streams {
		body, err := io.ReadAll(res.Body)
		if err != nil || !strings.Contains(string(body), "event: stream.bye\n") {
			t.Errorf("a stream ends with %q, %v; want stream.bye", body, err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %s", &log)
	}
}
