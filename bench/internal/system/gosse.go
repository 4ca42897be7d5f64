package system

import (
	"context"
	"strconv"

	"github.com/tmaxmax/go-sse"
)

// goSSE is github.com/tmaxmax/go-sse with its own provider, Joe.
type goSSE struct{ *sse.Server }

func newGoSSE() *goSSE { return &goSSE{&sse.Server{Provider: &sse.Joe{Replayer: greeter{}}}} }

func (s *goSSE) Publish(_ context.Context, seq uint64, data []byte) error {
	m := &sse.Message{ID: sse.ID(strconv.FormatUint(seq, 10))}
	m.AppendData(string(data))
	return s.Server.Publish(m)
}

func (s *goSSE) Counts() map[string]uint64 { return nil }

// greeter replays nothing. It sends the head of the answer when the client is subscribed;
// go-sse would send it with the first event.
type greeter struct{}

func (greeter) Put(m *sse.Message, _ []string) (*sse.Message, error) { return m, nil }
func (greeter) Replay(s sse.Subscription) error                      { return s.Client.Flush() }
