// Lesson 1: a stream is a value. Nothing runs until the program ranges over it, and
// nothing is left running after the loop.
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
