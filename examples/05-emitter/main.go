// Lesson 5: an emitter is the imperative way to write a stream: a function that
// sends. Send returns nil when the event is on its way, and an error when the client
// has left.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/sse"
)

func bake(ctx context.Context, e *handlers.Emitter[string]) error {
	for _, step := range []string{"mix", "knead", "bake"} {
		if err := e.Send(sse.Named("step", step)); err != nil {
			return err
		}
	}
	return nil // the stream completes
}

func main() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handlers.Emit(srv, bake))
	defer server.Close()

	req, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson") // one JSON object a line
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
}
