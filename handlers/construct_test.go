package handlers

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type sseString = sse.ServerSentEvent[string]

// panics checks that call panics with a text that says want.
func panics(t *testing.T, name, want string, call func()) {
	t.Helper()
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, want) {
			t.Errorf("%s panics with %q, want %q", name, text, want)
		}
	}()
	call()
}

func TestConstructors_invalidServer(t *testing.T) {
	topic, err := hub.New[string](hub.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	none := func(*http.Request) (streams.Observable[int], error) { return streams.Empty[int](), nil }
	noEvents := func(*http.Request) (streams.Observable[sseString], error) { return streams.Empty[sseString](), nil }
	for name, call := range map[string]func(*Server){
		"Values":            func(s *Server) { Values(s, streams.Of(1)) },
		"ValuesFunc":        func(s *Server) { ValuesFunc(s, none) },
		"Events":            func(s *Server) { Events(s, streams.Of(text(""))) },
		"EventsFunc":        func(s *Server) { EventsFunc(s, noEvents) },
		"Emit":              func(s *Server) { Emit(s, func(context.Context, *Emitter[int]) error { return nil }) },
		"Subject":           func(s *Server) { Subject(s, newNews(0)) },
		"Topic":             func(s *Server) { Topic(s, topic) },
		"Server.Authorized": func(s *Server) { s.Authorized(Access{}, http.NotFoundHandler()) },
		"Server.Drain":      func(s *Server) { s.Drain() },
		"Server.Draining":   func(s *Server) { s.Draining() },
		"Server.Methods":    func(s *Server) { s.Methods(http.NotFoundHandler(), "GET") },
		"Server.Shutdown":   func(s *Server) { s.Shutdown(t.Context()) },
		"Server.Stats":      func(s *Server) { s.Stats() },
	} {
		panics(t, name, "handlers: "+name+": nil server", func() { call(nil) })
		panics(t, name, "handlers: "+name+": a zero Server cannot be used: make one with New", func() { call(new(Server)) })
	}
}

func TestConstructors_nilSource(t *testing.T) {
	s := newHarness(t, Config{}).srv
	for name, call := range map[string]func(){
		"ValuesFunc": func() { ValuesFunc[int](s, nil) },
		"EventsFunc": func() { EventsFunc[int](s, nil) },
		"Emit":       func() { Emit[int](s, nil) },
		"Subject":    func() { Subject[int](s, nil) },
		"Topic":      func() { Topic[int](s, nil) },
	} {
		panics(t, name, "handlers: "+name+": nil source", call)
	}
	panics(t, "Topic", "make one with New", func() { Topic(s, new(hub.Topic[int])) })
}

func TestValues_ofEvents(t *testing.T) {
	s := newHarness(t, Config{}).srv
	topic, err := hub.New[sseString](hub.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	for name, tt := range map[string]struct {
		call func()
		want string
	}{
		"Values":             {func() { Values(s, streams.Of(text("x"))) }, "Values: the values are events (sse.ServerSentEvent[string]): use Events"},
		"Values of pointers": {func() { Values(s, streams.Of(new(text("x")))) }, "Values: the values are events (*sse.ServerSentEvent[string]): use Events"},
		"ValuesFunc":         {func() { ValuesFunc[sseString](s, nil) }, "ValuesFunc: nil source"},
		"ValuesFunc of events": {func() {
			ValuesFunc(s, func(*http.Request) (streams.Observable[sseString], error) { return streams.Of(text("x")), nil })
		}, "ValuesFunc: the values are events (sse.ServerSentEvent[string]): use EventsFunc"},
		"Emit":  {func() { Emit(s, func(context.Context, *Emitter[sseString]) error { return nil }) }, "Emit: the values are events (sse.ServerSentEvent[string]): use an Emitter of the type of their data"},
		"Topic": {func() { Topic(s, topic) }, "Topic: the values are events (sse.ServerSentEvent[string]): make the topic with hub.New of the type of their data"},
	} {
		panics(t, name, tt.want, tt.call)
	}
}

// An event among values of an interface type is refused when it comes.
func TestValues_ofInterfacesThatHoldEvents(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Of[any](1, nil, text("x"))) }
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("/")
		a.expect("data: 1", "", "data: null", "", "event: stream.error")
		a.rest()
		if n := h.log.count("the value is an event (sse.ServerSentEvent[string]), which Values does not serve: use Events"); n != 1 {
			t.Errorf("the log says so %d times, want once: %q", n, h.log.lines)
		}
	})
}
