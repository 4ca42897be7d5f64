package handlers

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// BenchmarkEvents measures what an event costs from the source to a client that
// reads it over loopback TCP, one write and one flush each, beside a handler
// written by hand that writes the same bytes. A run counts what was received.
func BenchmarkEvents(b *testing.B) {
	srv, err := New(Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	type quote struct {
		Pair string  `json:"pair"`
		Rate float64 `json:"rate"`
		N    int     `json:"n"`
	}
	event := func(n int) sse.ServerSentEvent[quote] {
		return sse.ServerSentEvent[quote]{ID: "1", Event: "quote", Data: quote{"EUR/USD", 1.08, n % 1000}}
	}
	for _, bench := range []struct {
		name   string
		serve  func(n int) http.Handler
		accept string
	}{
		{"by hand", func(n int) http.Handler {
			block, err := sse.Append(nil, event(100))
			if err != nil {
				b.Fatal(err)
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				control := http.NewResponseController(w)
				for range n {
					w.Write(block)
					control.Flush()
				}
			})
		}, "text/event-stream"},
		{"Events", func(n int) http.Handler { return Events(srv, streams.Map(streams.Range(0, n), event)) }, "text/event-stream"},
		{"Events as lines", func(n int) http.Handler { return Events(srv, streams.Map(streams.Range(0, n), event)) }, "application/x-ndjson"},
		{"Emit", func(n int) http.Handler {
			return Emit(srv, func(ctx context.Context, e *Emitter[any]) error {
				for i := range n {
					if err := e.Send(sse.ServerSentEvent[any]{ID: "1", Event: "quote", Data: event(i).Data}); err != nil {
						return err
					}
				}
				return nil
			})
		}, "text/event-stream"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			server := httptest.NewServer(bench.serve(b.N))
			defer server.Close()
			r, err := http.NewRequest("GET", server.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Accept", bench.accept)
			b.ReportAllocs()
			b.ResetTimer()
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			received, err := count(res.Body)
			if received != b.N || err != nil {
				b.Fatalf("%d events received, %v; want %d", received, err, b.N)
			}
		})
	}
}

// count counts the events named quote in body, until it ends.
func count(body io.ReadCloser) (n int, err error) {
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte("EUR/USD")) {
			n++
		}
	}
	return n, lines.Err()
}

// BenchmarkOpen measures what opening and ending a stream of one event costs,
// network and net/http not counted.
func BenchmarkOpen(b *testing.B) {
	srv, err := New(Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	h := Values(srv, streams.Of(1))
	r := httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if !bytes.Contains(rec.Body.Bytes(), []byte("data: 1\n")) {
			b.Fatalf("body %q", rec.Body)
		}
	}
}
