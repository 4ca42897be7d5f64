package service

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/reactivex/rxgo/v2"

	"github.com/fluxwire-go/fluxwire/handlers"
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

// streamRoutes is the table of streams. A new stream is a line here and, below,
// the function that makes its source.
func (s *Service) streamRoutes() []streamRoute {
	return []streamRoute{
		{"/stream-flux", "a text every second, an RxGo pipeline for each request", handlers.Values(s.streams, flux())},
		{"/stream-sse", "ticks and pongs, one stream shared by all", handlers.Subject(s.streams, s.builtin.live)},
		{"/stream-sse-mvc", "an imperative emitter", handlers.Emit(s.streams, emitter)},
		{"/events", "a message for each ping", handlers.Subject(s.streams, s.builtin.pongs)},
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
		return sse.ServerSentEvent[any]{
			Event: "periodic-event",
			Data:  tick{Sequence: n, Time: time.Now(), Text: "SSE - " + clock()},
		}
	})
}

// pong names the messages of /events, which are unnamed there, for a stream
// that holds other events too.
func pong(ev sse.ServerSentEvent[string]) sse.ServerSentEvent[any] {
	return sse.ServerSentEvent[any]{Event: "pong", Data: ev.Data}
}

// numbered gives each event the number of its place in the stream as its id.
func numbered(events streams.Observable[sse.ServerSentEvent[any]]) streams.Observable[sse.ServerSentEvent[any]] {
	return streams.Defer(func(context.Context) streams.Observable[sse.ServerSentEvent[any]] {
		n := 0
		return streams.Map(events, func(ev sse.ServerSentEvent[any]) sse.ServerSentEvent[any] {
			n++
			ev.ID = strconv.Itoa(n)
			return ev
		})
	})
}

// emitter sends an event every second, in imperative style.
func emitter(ctx context.Context, e *handlers.Emitter) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for n := 0; ; n++ {
		err := e.Send(sse.ServerSentEvent[any]{
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
	pongs *streams.Subject[sse.ServerSentEvent[string]] // a message for each ping
	live  *streams.Subject[sse.ServerSentEvent[any]]    // ticks and pongs
}

func newBuiltin() *builtin {
	return &builtin{
		pongs: streams.NewSubject[sse.ServerSentEvent[string]](streams.SubjectConfig{}),
		live:  streams.NewSubject[sse.ServerSentEvent[any]](streams.SubjectConfig{}),
	}
}

// ping sends message to every open page.
func (b *builtin) ping(message string) error {
	return b.pongs.Next(sse.ServerSentEvent[string]{Data: message})
}

// start runs the shared pipelines until ctx ends.
func (b *builtin) start(ctx context.Context, work *sync.WaitGroup, logger *slog.Logger) {
	pongs := streams.Map(b.pongs.Observable(), pong)
	share(ctx, work, logger, numbered(streams.Merge(ticks(), pongs)), b.live)
}

// share runs source into subject until ctx ends.
func share[T any](ctx context.Context, work *sync.WaitGroup, logger *slog.Logger, source streams.Observable[T], subject *streams.Subject[T]) {
	work.Go(func() {
		err := source.Run(ctx, func(v T) bool { return subject.Next(v) == nil })
		switch {
		case ctx.Err() != nil || err == nil:
			subject.Complete()
		default:
			logger.Error("stream failed", "error", err)
			subject.Error(err)
		}
	})
}
