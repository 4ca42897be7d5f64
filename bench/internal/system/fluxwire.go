package system

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// fluxwire is a topic, with history.
type fluxwire struct {
	http.Handler
	srv   *handlers.Server
	topic *hub.Topic[string]
}

func newServer(cfg Config) (*handlers.Server, error) {
	c := handlers.Config{
		WriteTimeout:         cfg.WriteTimeout,
		MaxStreamsPerSubject: handlers.Off, // all the load comes from one address
		Pace:                 cfg.Pace,
		Logger:               slog.New(slog.DiscardHandler),
	}
	if cfg.Transport != "" {
		if err := c.Transport.UnmarshalText([]byte(cfg.Transport)); err != nil {
			return nil, err
		}
	}
	return handlers.New(c)
}

func newFluxwire(cfg Config) (System, error) {
	srv, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	topic, err := hub.New[string](hub.Config{Name: "bench", Events: cmp.Or(cfg.History, 10_000)})
	if err != nil {
		return nil, err
	}
	return &fluxwire{handlers.Topic(srv, topic, handlers.Name("events")), srv, topic}, nil
}

func (f *fluxwire) Publish(ctx context.Context, _ uint64, data []byte) error {
	_, err := f.topic.Append(ctx, sse.ServerSentEvent[string]{Data: string(data)})
	return err
}

func (f *fluxwire) Shutdown(ctx context.Context) error {
	err := f.srv.Shutdown(ctx)
	f.topic.Close()
	return err
}

// ConnContext is set as the documentation recommends.
func (f *fluxwire) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return handlers.ConnContext(ctx, conn)
}

func (f *fluxwire) Counts() map[string]uint64 { return counts(f.srv) }

// subject is a streams.Subject: typed values, encoded for each client.
type subject struct {
	http.Handler
	srv     *handlers.Server
	subject *streams.Subject[sse.ServerSentEvent[string]]
}

func newSubject(cfg Config) (System, error) {
	srv, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	s := streams.NewSubject[sse.ServerSentEvent[string]](streams.SubjectConfig{})
	return &subject{handlers.Subject(srv, s, handlers.Name("events")), srv, s}, nil
}

func (s *subject) Publish(_ context.Context, _ uint64, data []byte) error {
	return s.subject.Next(sse.ServerSentEvent[string]{Data: string(data)})
}

func (s *subject) Shutdown(ctx context.Context) error { return s.srv.Shutdown(ctx) }

func (s *subject) Counts() map[string]uint64 {
	c := counts(s.srv)
	delete(c, "lag") // only topics have it
	return c
}

// counts returns the figures of the route, which both systems serve.
func counts(srv *handlers.Server) map[string]uint64 {
	stats := srv.Stats()
	route := stats.Routes["events"]
	c := map[string]uint64{
		"open":       uint64(stats.Open),
		"opened":     route.Opened,
		"events":     route.Events,
		"missed":     route.Missed,
		"resumed":    route.Resumed,
		"replayed":   route.Replayed,
		"lag":        route.Lag,
		"heartbeats": route.Heartbeats,
	}
	for reason, n := range route.Ended {
		c["ended_"+string(reason)] = n
	}
	for reason, n := range route.Gaps {
		c["gaps_"+string(reason)] = n
	}
	return c
}
