package streams_test

import (
	"context"
	"log"
	"os"
	"strconv"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type Tick struct {
	Sequence int `json:"sequence"`
}

func even(n int) bool { return n%2 == 0 }

func toEvent(n int) sse.ServerSentEvent[Tick] {
	return sse.ServerSentEvent[Tick]{ID: strconv.Itoa(n), Event: "tick", Data: Tick{n}}
}

// A pipeline of values, which the last step turns into events.
func Example() {
	ticks := streams.Range(0, 100).Filter(even).Take(2) // or streams.Interval(time.Second)
	events := streams.Map(ticks, toEvent)               // Observable[sse.ServerSentEvent[Tick]]

	for event, err := range events.All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		block, err := sse.Append(nil, event)
		if err != nil {
			log.Fatal(err)
		}
		os.Stdout.Write(block)
	}
	// Output:
	// id: 0
	// event: tick
	// data: {"sequence":0}
	//
	// id: 2
	// event: tick
	// data: {"sequence":2}
}
