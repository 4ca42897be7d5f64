package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

// Each range is a subscription. An error comes last. Leaving the loop stops the
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

// Run is All without a loop: it calls a function with each value.
func ExampleObservable_Run() {
	sum := 0
	err := streams.Range(1, 1000).Run(context.Background(), func(n int) bool {
		sum += n
		return sum < 10 // false stops the stream
	})
	fmt.Println(sum, err)
	// Output: 10 <nil>
}

// Create makes a source of your own. It returns when emit returns false, and releases
// what it holds with defer.
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

// The value of a tick is its index, so a skipped tick shows.
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

// Map changes the type of the values.
func ExampleMap() {
	numbers := streams.Of(1, 2, 3)
	texts := streams.Map(numbers, func(n int) string { return fmt.Sprintf("#%d", n) })

	for text := range texts.All(context.Background()) {
		fmt.Println(text)
	}
	// Output:
	// #1
	// #2
	// #3
}

func ExampleObservable_Filter() {
	even := streams.Range(1, 10).Filter(func(n int) bool { return n%2 == 0 })

	for n := range even.Take(3).All(context.Background()) {
		fmt.Println(n)
	}
	// Output:
	// 2
	// 4
	// 6
}

// A channel that other code sends to becomes a stream.
func ExampleFromChannel() {
	ch := make(chan string)
	go func() {
		defer close(ch) // completes the stream
		ch <- "first"
		ch <- "second"
	}()

	for message, err := range streams.FromChannel(ch).All(context.Background()) {
		if err != nil {
			fmt.Println(err) // the context was cancelled
			return
		}
		fmt.Println(message)
	}
	// Output:
	// first
	// second
}

// Any iterator becomes a stream; slices, maps, lines of a text.
func ExampleFromSeq() {
	lines := streams.FromSeq(strings.Lines("one\ntwo\n"))

	for line := range lines.All(context.Background()) {
		fmt.Print(line)
	}
	// Output:
	// one
	// two
}

// What is known already, and then what is new.
func ExampleConcat() {
	history := streams.Of("yesterday", "today")
	live := streams.Of("tomorrow")

	for day := range streams.Concat(history, live).All(context.Background()) {
		fmt.Println(day)
	}
	// Output:
	// yesterday
	// today
	// tomorrow
}

// Scan keeps a running result, here the highest value so far.
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

// The first error ends the stream, after the values before it.
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

// Tap watches a stream, here to log how it ends, and does not change it.
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

// The sources run side by side, and the stream completes with the last of them.
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

// A Subject gives each value to everybody who is subscribed when it is published.
func ExampleSubject() {
	prices := streams.NewSubject[float64]()
	_ = prices.Next(1.07) // no subscriber yet: nobody gets this value

	var subscribers sync.WaitGroup
	subscribers.Go(func() {
		for price, err := range prices.Observable().All(context.Background()) {
			if err != nil {
				fmt.Println(err) // a *streams.LagError: this subscriber was too slow
				return
			}
			fmt.Println("price", price)
		}
		fmt.Println("completed")
	})
	for prices.Stats().Subscribers == 0 {
		time.Sleep(time.Millisecond)
	}

	_ = prices.Next(1.08) // never waits for a subscriber
	_ = prices.Next(1.09)
	prices.Complete()
	subscribers.Wait()
	fmt.Println(prices.Next(1.10))
	// Output:
	// price 1.08
	// price 1.09
	// completed
	// streams: Subject: the stream has ended
}

// To share the work of a pipeline, run it once and publish its values.
func ExampleSubject_Next() {
	squares := streams.Map(streams.Range(1, 3), func(n int) int { return n * n })
	var shared streams.Subject[int] // the zero Subject is ready to use

	var subscribers sync.WaitGroup
	sums := make([]int, 2)
	for i := range sums {
		subscribers.Go(func() {
			for n := range shared.Observable().All(context.Background()) {
				sums[i] += n
			}
		})
	}
	for shared.Stats().Subscribers < len(sums) {
		time.Sleep(time.Millisecond)
	}

	err := squares.Run(context.Background(), func(n int) bool { return shared.Next(n) == nil })
	if err != nil {
		shared.Error(err)
	} else {
		shared.Complete()
	}
	subscribers.Wait()
	fmt.Println(sums)
	// Output: [14 14]
}

// A subscriber that cannot keep up continues with the oldest value that is kept, and
// is told how many values it missed.
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
