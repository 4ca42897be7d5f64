package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// endless serves one event stream without an end over loopback and returns its
// URL: events of about 100 bytes with an id and a name, in writes of 64 KiB.
func endless(b *testing.B) string {
	var block []byte
	for n := 0; len(block) < 64<<10; n++ {
		block = fmt.Appendf(block, "id: %d\nevent: tick\ndata: {\"n\":%d,\"tags\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbbbbbbbbbbbbbb\"]}\n\n", n, n)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
		for err == nil {
			_, err = conn.Write(block)
		}
	}()
	b.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// followed counts an event per iteration. b.Loop is called by the loop that
// receives, so that an event that is lost or doubled cannot flatter the figure.
func followed[T any](b *testing.B, check func(T) bool) {
	b.ReportAllocs()
	for ev, err := range Follow[T](b.Context(), endless(b)) {
		if err != nil || !check(ev.Data) {
			b.Fatal(ev, err)
		}
		if !b.Loop() {
			break
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFollowStruct(b *testing.B) {
	followed(b, func(v tick) bool { return len(v.Tags) == 2 })
}

func BenchmarkFollowString(b *testing.B) {
	followed(b, func(v string) bool { return len(v) > 0 })
}

func BenchmarkFollowBytes(b *testing.B) {
	followed(b, func(v []byte) bool { return len(v) > 0 })
}

// scanned is the floor: lines found by a bufio.Scanner in the same bytes, with no
// regard to the rules of the format, each event's data given to take.
func scanned(b *testing.B, take func(data []byte)) {
	b.ReportAllocs()
	res, err := Exchange(b.Context(), endless(b))
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			data = append(data[:0], value...)
		}
		if len(line) > 0 {
			continue
		}
		take(data)
		if !b.Loop() {
			break
		}
	}
	if lines.Err() != nil {
		b.Fatal(lines.Err())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkScannerStruct(b *testing.B) {
	scanned(b, func(data []byte) {
		var v tick
		if err := json.Unmarshal(data, &v); err != nil || len(v.Tags) != 2 {
			b.Fatal(v, err)
		}
	})
}

func BenchmarkScannerString(b *testing.B) {
	var v string
	scanned(b, func(data []byte) { v = string(data) })
	_ = v
}
