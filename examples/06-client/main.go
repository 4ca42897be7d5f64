// Lesson 6: the client ranges over the events of a URL, each decoded to your own type.
// It reconnects when the connection is lost. An error in the loop is final.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strconv"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type price struct {
	Pair string  `json:"pair"`
	Rate float64 `json:"rate"`
}

func main() {
	server := serve()
	defer server.Close()

	for ev, err := range client.Follow[price](context.Background(), server.URL) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.ID, ev.Event, ev.Data.Pair, ev.Data.Rate)
	}
	fmt.Println("complete")
}

// serve starts a server with a stream that ends after two prices.
func serve() *httptest.Server {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	prices := streams.Map(streams.Range(1, 2), func(n int) sse.ServerSentEvent[price] {
		return sse.ServerSentEvent[price]{
			ID:    strconv.Itoa(n),
			Event: "price",
			Data:  price{"EUR/USD", 1.08 + float64(n)/100},
		}
	})
	return httptest.NewServer(handlers.Events(srv, prices))
}
