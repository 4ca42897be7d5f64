package system

import (
	"bytes"
	"context"
	"net/http"

	"github.com/r3labs/sse/v2"
)

// r3labs is github.com/r3labs/sse without AutoReplay, which keeps every event for ever.
type r3labs struct{ server *sse.Server }

func newR3labs() *r3labs {
	s := sse.New()
	s.AutoReplay = false
	s.CreateStream("bench")
	return &r3labs{s}
}

func (s *r3labs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.RawQuery = "stream=bench"
	s.server.ServeHTTP(w, r)
}

func (s *r3labs) Publish(_ context.Context, _ uint64, data []byte) error {
	s.server.Publish("bench", &sse.Event{Data: bytes.Clone(data)})
	return nil
}

func (s *r3labs) Shutdown(context.Context) error {
	s.server.Close()
	return nil
}

func (s *r3labs) Counts() map[string]uint64 { return nil }
