// Lesson 7: a topic carries events of several types, and a consumer resumes where the
// one before it stopped. The name of an event selects its type. A file records how far
// the events have been handled. An event that could not be handled comes again.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

type deposit struct{ Amount int }

type withdrawal struct{ Amount int }

func main() {
	server := serve()
	defer server.Close()
	dir, err := os.MkdirTemp("", "lesson")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "account.position")

	fmt.Println("stopped:", consume(server.URL, file, 100)) // the first process
	fmt.Println("stopped:", consume(server.URL, file, 500)) // the next one
}

// consume handles the events that have not been handled yet. It stops at a withdrawal
// above the limit.
func consume(url, file string, limit int) error {
	position, err := client.OpenPositionFile(file)
	if err != nil {
		return err
	}
	defer position.Close()

	// Starts at the oldest event that is kept, or after the position in the file.
	for event, err := range client.Values[any](context.Background(), url+"?earliest", client.Resume(position), client.Types(
		client.Type[deposit]("deposit"),
		client.Type[withdrawal]("withdrawal"),
	)) {
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case deposit:
			fmt.Println("deposit", e.Amount)
		case withdrawal:
			if e.Amount > limit {
				return fmt.Errorf("a withdrawal of %d is more than %d", e.Amount, limit)
			}
			fmt.Println("withdrawal", e.Amount)
		}
	}
	return nil // the topic is complete
}

// serve starts a server with a topic that is complete after four events.
func serve() *httptest.Server {
	topic, err := hub.New[any](hub.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for _, event := range []sse.ServerSentEvent[any]{
		{Event: "deposit", Data: deposit{300}},
		{Event: "withdrawal", Data: withdrawal{50}},
		{Event: "withdrawal", Data: withdrawal{200}},
		{Event: "deposit", Data: deposit{10}},
	} {
		if _, err := topic.Append(context.Background(), event); err != nil {
			log.Fatal(err)
		}
	}
	topic.Complete()

	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	return httptest.NewServer(handlers.Topic(srv, topic))
}
