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

// benchTicks are the events that the benchmarks receive again and again: about 100
// bytes each on the wire, 64 KiB together.
var benchTicks, benchBlock = func() (datas []string, block []byte) {
	for n := 0; len(block) < 64<<10; n++ {
		data := fmt.Sprintf(`{"n":%d,"tags":["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","bbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}`, n)
		block = fmt.Appendf(block, "id: %d\nevent: tick\ndata: %s\n\n", n, data)
		datas = append(datas, data)
	}
	return datas, block
}()

// endless serves benchBlock for ever over loopback, and announces heartbeats as our
// servers do. It returns its URL.
func endless(b *testing.B) string {
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
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nStream-Heartbeat: 15\r\nConnection: close\r\n\r\n")
		for err == nil {
			_, err = conn.Write(benchBlock)
		}
	}()
	b.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// followed counts one event per iteration, and checks that it is the next one. The
// receiving loop calls b.Loop, so that a lost or repeated event cannot improve the
// result.
func followed[T any](b *testing.B, is func(got T, n int) bool) {
	b.ReportAllocs()
	n := 0
	for ev, err := range Follow[T](b.Context(), endless(b)) {
		if err != nil || !is(ev.Data, n) {
			b.Fatalf("event %d: %+v, %v", n, ev, err)
		}
		if !b.Loop() {
			break
		}
		n = (n + 1) % len(benchTicks)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// scanned is the floor: a bufio.Scanner splits the same bytes into lines, with a buffer
// as large as the client's and without the rules of the format, and passes each event's
// data to is.
func scanned(b *testing.B, is func(data []byte, n int) bool) {
	b.ReportAllocs()
	res, err := Exchange(b.Context(), endless(b))
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), 64<<10)
	var data []byte
	n := 0
	for lines.Scan() {
		line := lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			data = append(data[:0], value...)
		}
		if len(line) > 0 {
			continue
		}
		if !is(data, n) {
			b.Fatalf("event %d: %s", n, data)
		}
		if !b.Loop() {
			break
		}
		n = (n + 1) % len(benchTicks)
	}
	if lines.Err() != nil {
		b.Fatal(lines.Err())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func isTick(v tick, n int) bool          { return v.N == n && len(v.Tags) == 2 }
func isString(v string, n int) bool      { return v == benchTicks[n] }
func isBytes[T ~[]byte](v T, n int) bool { return string(v) == benchTicks[n] }

// BenchmarkFollow receives typed events. Each floor reads the same bytes with a
// bufio.Scanner and makes the same values of them as Follow.
func BenchmarkFollow(b *testing.B) {
	b.Run("string", func(b *testing.B) { followed(b, isString) })
	b.Run("string/floor-Scanner", func(b *testing.B) {
		scanned(b, func(data []byte, n int) bool { return isString(string(data), n) })
	})
	b.Run("bytes", func(b *testing.B) { followed(b, isBytes[[]byte]) })
	b.Run("bytes/floor-Scanner", func(b *testing.B) {
		scanned(b, func(data []byte, n int) bool { return isBytes(bytes.Clone(data), n) })
	})
	b.Run("struct", func(b *testing.B) { followed(b, isTick) })
	b.Run("struct/floor-Scanner+json.Unmarshal", func(b *testing.B) {
		scanned(b, func(data []byte, n int) bool {
			var v tick
			return json.Unmarshal(data, &v) == nil && isTick(v, n)
		})
	})
	b.Run("raw", func(b *testing.B) { followed(b, isBytes[json.RawMessage]) })
	b.Run("raw/floor-Scanner+json.Unmarshal", func(b *testing.B) {
		scanned(b, func(data []byte, n int) bool {
			var v json.RawMessage
			return json.Unmarshal(data, &v) == nil && isBytes(v, n)
		})
	})
}
