package service

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/reactivex/rxgo/v2"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/metrics"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/fluxwire-go/fluxwire/streams/rx"
)

// A streamRoute is a path and the stream that is served there.
type streamRoute struct {
	path    string
	about   string
	handler *handlers.Handler
}

// streamRoutes is the table of streams. A new stream is a line here, and a function
// below that makes its source.
func (s *Service) streamRoutes() []streamRoute {
	return []streamRoute{
		{"/stream-flux", "a text every second, an RxGo pipeline for each request", handlers.Values(s.streams, flux())},
		{"/stream-sse", "ticks and pongs, a topic: numbered, kept, resumable", handlers.Topic(s.streams, s.builtin.live)},
		{"/stream-sse-mvc", "an imperative emitter", handlers.Emit(s.streams, emitter)},
		{"/events", "a message for each ping, a topic", handlers.Topic(s.streams, s.builtin.pongs)},
	}
}

// A tick is the data of a periodic-event.
type tick struct {
	Sequence int       `json:"sequence"`
	Time     time.Time `json:"time"`
	Text     string    `json:"text"`
}

func clock() string { return time.Now().Format("15:04:05.000") }

// flux is a text every second, as a plain RxGo pipeline.
func flux() streams.Observable[string] {
	return rx.From[string](func(ctx context.Context) rxgo.Observable {
		return rxgo.Interval(rxgo.WithDuration(time.Second), rxgo.WithContext(ctx)).
			Map(rx.Func(func(context.Context, int) (string, error) { return "Flux - " + clock(), nil }))
	})
}

// ticks is a periodic-event every second.
func ticks() streams.Observable[sse.ServerSentEvent[any]] {
	return streams.Map(streams.Interval(time.Second), func(n int) sse.ServerSentEvent[any] {
		return sse.Named[any]("periodic-event", tick{Sequence: n, Time: time.Now(), Text: "SSE - " + clock()})
	})
}

// emitter sends an event every second, in imperative style.
func emitter(ctx context.Context, e *handlers.Emitter[string]) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for n := 0; ; n++ {
		err := e.Send(sse.ServerSentEvent[string]{
			ID:    strconv.Itoa(n),
			Event: "sse event - mvc",
			Data:  "SSE MVC - " + clock(),
		})
		if err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// builtin holds the streams that all requests share.
type builtin struct {
	pongs *hub.Topic[string] // a message for each ping
	live  *hub.Topic[any]    // ticks and pongs
}

func newBuiltin(logger *slog.Logger) (*builtin, error) {
	pongs, err := hub.New[string](hub.Config{Name: "/events", Logger: logger})
	if err != nil {
		return nil, err
	}
	live, err := hub.New[any](hub.Config{Name: "/stream-sse", Logger: logger})
	if err != nil {
		return nil, err
	}
	return &builtin{pongs, live}, nil
}

// ping sends message to every open page.
func (b *builtin) ping(ctx context.Context, message string) error {
	_, err := b.pongs.Append(ctx, sse.ServerSentEvent[string]{Data: message})
	if err == nil {
		_, err = b.live.Append(ctx, sse.Named[any]("pong", message))
	}
	return err
}

// run publishes to the topics until ctx ends, then closes them.
func (b *builtin) run(ctx context.Context) error {
	err := b.live.Publish(ctx, ticks())
	if ctx.Err() != nil {
		err = nil
	}
	<-ctx.Done()
	for _, topic := range b.topics() {
		err = errors.Join(err, topic.Close())
	}
	return err
}

// A topic is what the service does with a topic whatever its type.
type topic interface {
	metrics.Topic
	Close() error
}

// topics returns all topics: they are in the metrics, and run closes them.
func (b *builtin) topics() []topic { return []topic{b.live, b.pongs} }
