package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type Tick struct {
	Sequence int    `json:"sequence"`
	Text     string `json:"text"`
}

// ticks serves two ticks, drops the connection, and serves the rest to a client that
// reconnects.
func ticks() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Header.Get("Last-Event-ID") == "" {
			io.WriteString(w, "retry: 10\n\n")
			io.WriteString(w, "id: 1\nevent: tick\ndata: {\"sequence\":1,\"text\":\"tick\"}\n\n")
			io.WriteString(w, "id: 2\nevent: tick\ndata: {\"sequence\":2,\"text\":\"tock\"}\n\n")
			return
		}
		io.WriteString(w, "id: 3\nevent: tick\ndata: {\"sequence\":3,\"text\":\"tick\"}\n\n")
		io.WriteString(w, "event: stream.complete\ndata: {}\n\n")
	}))
}

// The connection is lost after two events, and the loop does not notice.
func ExampleFollow() {
	server := ticks()
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ev, err := range client.Follow[Tick](ctx, server.URL) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.ID, ev.Event, ev.Data.Text)
	}
	// Output:
	// 1 tick tick
	// 2 tick tock
	// 3 tick tick
}

// Leaving the loop closes the connection.
func ExampleValues() {
	server := ticks()
	defer server.Close()

	for tick, err := range client.Values[Tick](context.Background(), server.URL) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tick.Text)
		if tick.Sequence == 2 {
			break
		}
	}
	// Output:
	// tick
	// tock
}

func ExampleOnce() {
	type order struct{ Item string }
	type receipt struct{ Number int }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.Method, string(body))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"number":7}`)
	}))
	defer server.Close()

	got, err := client.Once[receipt](context.Background(), server.URL, client.JSONBody(order{"tea"}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("receipt", got.Number)
	// Output:
	// POST {"Item":"tea"}
	// receipt 7
}

func ExampleSubscribe() {
	server := ticks()
	defer server.Close()

	sub := client.Subscribe(context.Background(), server.URL,
		func(ev sse.ServerSentEvent[Tick]) { fmt.Println("next", ev.Data.Sequence) },
		func(err error) { fmt.Println("error", err) },
		func() { fmt.Println("complete") })
	if err := sub.Wait(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// next 1
	// next 2
	// next 3
	// complete
}

func ExampleObserve() {
	server := ticks()
	defer server.Close()

	texts := streams.Map(client.Observe[Tick](server.URL), func(ev sse.ServerSentEvent[Tick]) string { return ev.Data.Text })
	for text, err := range streams.DistinctUntilChanged(texts).Take(2).All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text)
	}
	// Output:
	// tick
	// tock
}

var errSoldOut = errors.New("sold out")

// OnStatus turns a status into an error of your own. Any other status is a *StatusError.
func ExampleOnStatus() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tea" {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"title":"No such item","detail":"we sell tea"}`)
	}))
	defer server.Close()

	soldOut := client.OnStatus(func(res *http.Response) error {
		if res.StatusCode == http.StatusGone {
			return errSoldOut
		}
		return nil
	})
	_, err := client.Once[string](context.Background(), server.URL+"/tea", soldOut)
	fmt.Println(err)

	_, err = client.Once[string](context.Background(), server.URL+"/gin", soldOut)
	if e, ok := errors.AsType[*client.StatusError](err); ok {
		fmt.Println(e.StatusCode, e.Problem.Detail)
	}
	// Output:
	// sold out
	// 404 we sell tea
}

// The hooks report what the loop does not see: here the end of a connection.
func ExampleOnDisconnect() {
	server := ticks()
	defer server.Close()

	for tick, err := range client.Values[Tick](context.Background(), server.URL,
		client.OnDisconnect(func(err error) { fmt.Println("disconnected:", err) }),
		client.Retry(client.RetryPolicy{Delay: time.Second, MaxAttempts: 5})) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tick.Sequence)
	}
	// Output:
	// 1
	// 2
	// disconnected: EOF
	// 3
	// disconnected: <nil>
}

// An answer that cannot be resumed, such as that of a language model.
func ExampleNoReconnect() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"text\":\"Hello\"}\n\ndata: {\"text\":\", world\"}\n\n")
	}))
	defer server.Close()

	type token struct{ Text string }
	for word, err := range client.Values[token](context.Background(), server.URL,
		client.JSONBody(map[string]string{"prompt": "greet me"}), client.NoReconnect()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(word.Text)
	}
	// Output: Hello, world
}

type Pong string

// One loop over events of several types. The name of an event decides its type; events
// with other names are skipped.
func ExampleTypes() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: periodic-event\ndata: {\"sequence\":1,\"text\":\"tick\"}\n\n")
		io.WriteString(w, "event: pong\ndata: pong!\n\n")
		io.WriteString(w, "event: added-last-week\ndata: 7\n\n")
		io.WriteString(w, "data: an event without a name\n\n")
		io.WriteString(w, "event: stream.complete\ndata: {}\n\n")
	}))
	defer server.Close()

	for ev, err := range client.Follow[any](context.Background(), server.URL, client.Types(
		client.Type[Tick]("periodic-event"),
		client.Type[Pong]("pong"),
		client.Type[string]("message"),
	)) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := ev.Data.(type) {
		case Tick:
			fmt.Println("tick", v.Sequence)
		case Pong:
			fmt.Println("pong", v)
		case string:
			fmt.Println(v)
		}
	}
	// Output:
	// tick 1
	// pong pong!
	// an event without a name
}

// An error that surfaces is yielded in its place, and the loop continues.
func ExampleUnknownEvents() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: pong\ndata: one\n\nid: 2\nevent: pang\ndata: two\n\nevent: pong\ndata: three\n\n")
	}))
	defer server.Close()

	for v, err := range client.Values[any](context.Background(), server.URL, client.NoReconnect(),
		client.Types(client.Type[Pong]("pong")), client.UnknownEvents(client.ReactionSurface)) {
		if e, ok := errors.AsType[*client.UnknownEventError](err); ok {
			fmt.Printf("what is %s? %s\n", e.Event, e.Data)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v)
	}
	// Output:
	// one
	// what is pang? two
	// three
}

// A sentinel ends the stream and is not decoded.
func ExampleSentinel() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"text\":\"Hello\"}\n\ndata: {\"text\":\", world\"}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()

	type token struct{ Text string }
	for word, err := range client.Values[token](context.Background(), server.URL,
		client.JSONBody(map[string]string{"prompt": "greet me"}), client.NoReconnect(), client.Sentinel("[DONE]")) {
		if err != nil {
			log.Fatal(err) // also if the stream was cut before the sentinel
		}
		fmt.Print(word.Text)
	}
	// Output: Hello, world
}

// A consumer with a state of its own learns in the loop that events are missing, and
// loads the state again.
func ExampleGaps() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "id: 9\nevent: stream.gap\ndata: {\"reason\":\"retention\",\"from\":\"2\",\"to\":\"9\",\"missed\":7}\n\n")
		io.WriteString(w, "id: 10\ndata: ten\n\nevent: stream.complete\ndata: {}\n\n")
	}))
	defer server.Close()

	for v, err := range client.Values[string](context.Background(), server.URL,
		client.LastEventID("2"), client.Gaps(client.ReactionSurface)) {
		if gap, ok := errors.AsType[*client.GapError](err); ok {
			fmt.Println("load a snapshot:", gap.Gap)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v)
	}
	// Output:
	// load a snapshot: 7 events are missing between "2" and "9": retention
	// ten
}
