// Lesson 3: a Subject is a hot stream. Each value is published once, and every
// subscriber of that time gets it. A later subscriber gets only later values.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func main() {
	prices := streams.NewSubject[int]()

	var early, late []int
	var subscribers sync.WaitGroup
	subscribers.Go(func() {
		early = collect(prices)
	})
	subscribers.Go(func() {
		time.Sleep(2500 * time.Millisecond)
		late = collect(prices)
	})

	for n, err := range streams.Interval(time.Second).Take(4).All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		prices.Next(100 + n) // never waits for a subscriber
	}
	prices.Complete()

	subscribers.Wait()
	fmt.Println("early:", early)
	fmt.Println("late: ", late)
}

func collect(prices *streams.Subject[int]) (all []int) {
	for price, err := range prices.Observable().All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, price)
	}
	return all
}
