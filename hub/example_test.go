package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type Price struct {
	Pair string  `json:"pair"`
	Rate float64 `json:"rate"`
}

// A topic numbers its events and keeps them; a subscriber is a cursor.
func Example() {
	ctx := context.Background()
	topic, err := hub.New[Price](hub.Config{Name: "prices"})
	if err != nil {
		log.Fatal(err)
	}
	defer topic.Close()

	for _, rate := range []float64{1.08, 1.09, 1.1} {
		pos, err := topic.Append(ctx, sse.ServerSentEvent[Price]{Event: "price", Data: Price{"EUR/USD", rate}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("stored as number", pos.Seq)
	}
	topic.Complete()

	cursor := topic.Feed().Subscribe(hub.Latest(2), hub.PolicyToOldest, hub.Filter{})
	for {
		batch, err := cursor.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Count, "events,", batch.First.Seq, "to", batch.Last.Seq)
	}
	// Output:
	// stored as number 1
	// stored as number 2
	// stored as number 3
	// 2 events, 2 to 3
}

// A pipeline that fails is run again. Subscribers get what it published before and after.
func ExampleTopic_Publish() {
	topic, err := hub.New[string](hub.Config{
		Name:    "news",
		Backoff: hub.Backoff{Min: time.Millisecond, Max: time.Second, MaxRestarts: 5},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer topic.Close()

	runs := 0
	pipeline := streams.Create(func(_ context.Context, emit func(sse.ServerSentEvent[string]) bool) error {
		runs++
		emit(sse.ServerSentEvent[string]{Data: fmt.Sprint("run ", runs)})
		if runs < 3 {
			return errors.New("the wire is broken")
		}
		return nil
	})
	fmt.Println("Publish:", topic.Publish(context.Background(), pipeline))

	batch, err := topic.Feed().Subscribe(hub.Earliest(), hub.PolicyToOldest, hub.Filter{}).Poll()
	fmt.Println(batch.Count, "events", err, topic.Stats().Restarts, "restarts")
	// Output:
	// Publish: <nil>
	// 3 events <nil> 2 restarts
}

// A subscriber that missed events is told so once, with the number of them.
func ExampleCursor_Next() {
	ctx := context.Background()
	topic, err := hub.New[int](hub.Config{Events: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer topic.Close()

	slow := topic.Feed().Subscribe(hub.Live(), hub.PolicyToOldest, hub.Filter{})
	for i := range 10 {
		if _, err := topic.Append(ctx, sse.ServerSentEvent[int]{Data: i}); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		batch, err := slow.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if gap := batch.Gap; gap != nil {
			fmt.Println(gap.Reason, "missed", *gap.Missed)
			continue
		}
		fmt.Println(batch.Count, "events")
	}
	// Output:
	// slow missed 7
	// 3 events
}

// A filter chooses events. The cursor's position also moves with those that it leaves out.
func ExampleNamed() {
	ctx := context.Background()
	topic, err := hub.New[string](hub.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer topic.Close()

	alarms := topic.Feed().Subscribe(hub.Live(), hub.PolicyToOldest, hub.Named("alarm"))
	for _, name := range []string{"tick", "alarm", "tick", "tick"} {
		if _, err := topic.Append(ctx, sse.ServerSentEvent[string]{Event: name}); err != nil {
			log.Fatal(err)
		}
	}
	batch, _ := alarms.Poll()
	fmt.Println(batch.Count, "event, number", batch.First.Seq)
	batch, _ = alarms.Poll()
	fmt.Println(batch.Empty(), alarms.Position().Seq)
	// Output:
	// 1 event, number 2
	// true 4
}
