// Lesson 1: a stream is a value. Nothing runs until somebody ranges over it, and
// nothing is left running afterwards.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/fluxwire-go/fluxwire/streams"
)

func main() {
	ticks := streams.Interval(time.Second).Take(3)

	for n, err := range ticks.All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("tick", n)
	}
	fmt.Println("complete")
}
