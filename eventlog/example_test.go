package eventlog_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// A reader resumes at the position of the last event it saw, and gets the rest.
func ExampleMemory() {
	ctx := context.Background()
	events, err := eventlog.NewMemory(eventlog.MemoryConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()

	var seen eventlog.Pos
	for i := range 5 {
		pos, _, err := events.Append(ctx, eventlog.Record{Block: fmt.Appendf(nil, "data: %d\n\n", i)})
		if err != nil {
			log.Fatal(err)
		}
		if i == 2 {
			seen = pos
		}
	}

	for ev, err := range events.Tail(ctx, seen) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("event %d: %s", ev.Seq, ev.Block)
		if ev.Seq == 5 {
			break // a tail waits for more
		}
	}
	// Output:
	// event 4: data: 3
	//
	// event 5: data: 4
}
