package sse_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

// benchStream repeats events up to about 1 MiB, and returns how many there are.
func benchStream(event func(i int) string) (stream []byte, events int) {
	for len(stream) < 1<<20 {
		stream = append(stream, event(events)...)
		events++
	}
	return stream, events
}

var decodeShapes = []struct {
	name  string
	event func(i int) string
}{
	{"data-30B", func(i int) string { return fmt.Sprintf("data: Flux - 12:34:56 %06d\n\n", i) }},
	{"tick-110B", func(i int) string {
		return fmt.Sprintf("id: %d.k3x9a\nevent: periodic-event\ndata: {\"sequence\":%d,\"time\":\"2026-01-02T15:04:05Z\",\"text\":\"SSE - 15:04:05\"}\n\n", i, i)
	}},
	{"tick-crlf", func(i int) string {
		return fmt.Sprintf("id: %d.k3x9a\r\nevent: periodic-event\r\ndata: {\"sequence\":%d,\"time\":\"2026-01-02T15:04:05Z\",\"text\":\"SSE - 15:04:05\"}\r\n\r\n", i, i)
	}},
	{"tick-cr", func(i int) string {
		return fmt.Sprintf("id: %d.k3x9a\revent: periodic-event\rdata: {\"sequence\":%d,\"time\":\"2026-01-02T15:04:05Z\",\"text\":\"SSE - 15:04:05\"}\r\r", i, i)
	}},
	{"lines-20x50B", func(i int) string {
		return strings.Repeat("data: "+strings.Repeat("l", 43)+"\n", 20) + "\n"
	}},
	{"data-1KiB", func(i int) string { return "data: " + strings.Repeat("d", 1017) + "\n\n" }},
	{"data-256KiB", func(i int) string { return "data: " + strings.Repeat("d", 256<<10) + "\n\n" }},
	{"cyrillic-1KiB", func(i int) string { return "data: " + strings.Repeat("ж", 508) + "\n\n" }},
	{"invalid-1KiB", func(i int) string { return "data: " + strings.Repeat("\xff", 1017) + "\n\n" }},
	{"heartbeats", func(i int) string { return ":\n\n:\n\n:\n\ndata: x\n\n" }},
}

// BenchmarkDecode reads events; its floor splits the same bytes into lines.
func BenchmarkDecode(b *testing.B) {
	for _, shape := range decodeShapes {
		stream, events := benchStream(shape.event)
		b.Run(shape.name+"/Decoder", func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			src := bytes.NewReader(stream)
			d := sse.NewDecoder(src)
			for b.Loop() {
				src.Reset(stream)
				d.Reset(src)
				n := 0
				for {
					ev, err := d.Decode()
					if err == io.EOF {
						break
					}
					if err != nil || len(ev.Data) == 0 {
						b.Fatalf("event %d: %q, %v", n, ev.Data, err)
					}
					n++
				}
				if n != events {
					b.Fatalf("%d events, want %d", n, events)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
		})
		end := stream[len(stream)-1]
		b.Run(shape.name+"/floor-bufio.Scanner", func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			src := bytes.NewReader(stream)
			buf := make([]byte, 64<<10)
			for b.Loop() {
				src.Reset(stream)
				lines := bufio.NewScanner(src)
				lines.Buffer(buf, 1<<20)
				lines.Split(splitAt(end))
				n := 0
				for lines.Scan() {
					n += len(lines.Bytes())
				}
				if n == 0 || lines.Err() != nil {
					b.Fatal(lines.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
		})
	}
}

// splitAt splits at every c and does nothing else.
func splitAt(c byte) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, c); i >= 0 {
			return i + 1, data[:i], nil
		}
		return 0, nil, nil
	}
}

type tick struct {
	Sequence int    `json:"sequence"`
	Time     string `json:"time"`
	Text     string `json:"text"`
}

var (
	benchTick  = tick{12345, "2026-01-02T15:04:05Z", "SSE - 15:04:05"}
	benchLine  = "Flux - 2026-01-02T15:04:05Z, the hundred bytes of text that events are measured with, give or take a few"
	benchLines = strings.TrimSuffix(strings.Repeat(strings.Repeat("l", 49)+"\n", 20), "\n")
)

// BenchmarkEncode writes events; each floor only appends the same data, without
// checks and field names.
func BenchmarkEncode(b *testing.B) {
	benchEncode(b, "string-100B", benchLine)
	benchEncode(b, "string-20-lines", benchLines)
	benchEncode(b, "bytes-100B", []byte(benchLine))
	benchEncode(b, "json-struct", benchTick)

	b.Run("string-100B/floor-append", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = append(append(append(buf[:0], "data: "...), benchLine...), "\n\n"...)
		}
	})
	b.Run("string-20-lines/floor-append", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = append(append(append(buf[:0], "data: "...), benchLines...), "\n\n"...)
		}
	})
	b.Run("json-struct/floor-json.Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&benchTick); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchEncode[T any](b *testing.B, name string, data T) {
	ev := sse.ServerSentEvent[T]{ID: "12345.k3x9a", Event: "periodic-event", Data: data}
	run := func(b *testing.B, appendTo func(dst []byte, ev sse.ServerSentEvent[T]) ([]byte, error)) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = appendTo(buf[:0], ev); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(buf)))
	}
	b.Run(name+"/Encoder", func(b *testing.B) { run(b, sse.NewEncoder[T](nil).Append) })
	b.Run(name+"/Append", func(b *testing.B) { run(b, sse.Append[T]) })
}
