package streams_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type Tick struct {
	Sequence int `json:"sequence"`
}

func toEvent(n int) sse.ServerSentEvent[Tick] {
	return sse.ServerSentEvent[Tick]{ID: strconv.Itoa(n), Event: "tick", Data: Tick{n}}
}

// A pipeline of values becomes one of events in its last step.
func Example() {
	even := func(n int) bool { return n%2 == 0 }

	ticks := streams.Range(0, 100).Filter(even).Take(2) // or Interval(time.Second)
	events := streams.Map(ticks, toEvent)               // Observable[sse.ServerSentEvent[Tick]]

	for event, err := range events.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		block, err := sse.Append(nil, event)
		if err != nil {
			fmt.Println(err)
			return
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

// Each range is a subscription; an error comes last; leaving the loop stops the
// source.
func ExampleObservable_All() {
	numbers := streams.Concat(streams.Of(1, 2), streams.Throw[int](errors.New("out of numbers")))

	for n, err := range numbers.All(context.Background()) {
		if err != nil {
			fmt.Println("error:", err)
			break
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// 2
	// error: out of numbers
}

// Run is for those who already have a function that takes the values.
func ExampleObservable_Run() {
	sum := 0
	err := streams.Range(1, 1000).Run(context.Background(), func(n int) bool {
		sum += n
		return sum < 10 // false has had enough
	})
	fmt.Println(sum, err)
	// Output: 10 <nil>
}

// A source of one's own: clean up with defer, stop when emit says so.
func ExampleCreate() {
	countdown := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		defer fmt.Println("cleaned up")
		for n := 3; n > 0; n-- {
			if !emit(n) {
				return nil
			}
		}
		return nil
	})

	for n := range countdown.All(context.Background()) {
		fmt.Println(n)
		if n == 2 {
			break
		}
	}
	// Output:
	// 3
	// 2
	// cleaned up
}

// The value of a tick is its index: a skipped tick shows.
func ExampleInterval() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick, err := range streams.Interval(10 * time.Second).All(ctx) {
		if err != nil {
			fmt.Println(err) // context deadline exceeded
			return
		}
		fmt.Println("tick", tick)
	}
}

func ExampleScan() {
	readings := streams.Of(3, 1, 4, 1, 5)
	highest := streams.DistinctUntilChanged(streams.Scan(readings, 0, func(a, b int) int { return max(a, b) }))

	for v := range highest.All(context.Background()) {
		fmt.Println(v)
	}
	// Output:
	// 3
	// 4
	// 5
}

// The first error ends the stream, and the values before it have been delivered.
func ExampleMapErr() {
	parse := func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }
	numbers := streams.MapErr(streams.Of("1", "2", "three", "4"), parse)

	for n, err := range numbers.All(context.Background()) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 0 strconv.Atoi: parsing "three": invalid syntax
}

// A log line for each stream, without changing it.
func ExampleObservable_Tap() {
	count := 0
	watched := streams.Of("a", "b").Tap(streams.Hooks[string]{
		Next:     func(string) { count++ },
		Error:    func(err error) { fmt.Println("failed:", err) },
		Complete: func() { fmt.Println("completed after", count) },
	})

	_ = watched.Run(context.Background(), func(s string) bool { fmt.Println(s); return true })
	// Output:
	// a
	// b
	// completed after 2
}

// The sources run side by side; the end of one does not end the others.
func ExampleMerge() {
	high := streams.Map(streams.Range(0, 100), func(int) int { return 2 })
	low := streams.Map(streams.Range(0, 100), func(int) int { return 1 })

	sum := 0
	err := streams.Merge(high, low, streams.Empty[int]()).Run(context.Background(), func(n int) bool {
		sum += n
		return true
	})
	fmt.Println(sum, err)
	// Output: 300 <nil>
}

// Who subscribes gets what is published from then on.
func ExampleSubject() {
	prices := streams.NewSubject[float64](streams.SubjectConfig{})
	_ = prices.Next(1.07) // nobody is there yet

	done := make(chan struct{})
	go func() {
		defer close(done)
		for price, err := range prices.Observable().All(context.Background()) {
			fmt.Println(price, err)
		}
	}()
	for prices.Stats().Subscribers == 0 {
		time.Sleep(time.Millisecond)
	}

	_ = prices.Next(1.08)
	_ = prices.Next(1.09)
	prices.Complete()
	<-done
	fmt.Println(prices.Next(1.10))
	// Output:
	// 1.08 <nil>
	// 1.09 <nil>
	// streams: Subject: the stream has ended
}

// A subscriber that cannot keep up goes on with what is still there, and knows what
// it missed.
func ExampleSubject_OnLag() {
	numbers := streams.NewSubject[int](streams.SubjectConfig{Window: 2})
	seen := 0
	follow := numbers.OnLag(func(missed uint64) { fmt.Println("missed", missed) })

	done := make(chan struct{})
	busy := make(chan struct{})
	go func() {
		defer close(done)
		_ = follow.Run(context.Background(), func(n int) bool {
			fmt.Println("got", n)
			if seen++; seen == 1 {
				busy <- struct{}{}
				<-busy // for as long as it takes to publish five more
			}
			return true
		})
	}()
	for numbers.Stats().Subscribers == 0 {
		time.Sleep(time.Millisecond)
	}
	_ = numbers.Next(0)
	<-busy
	for n := range 5 {
		_ = numbers.Next(n + 1)
	}
	numbers.Complete()
	busy <- struct{}{}
	<-done
	// Output:
	// got 0
	// missed 3
	// got 4
	// got 5
}
