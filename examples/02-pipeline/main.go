// Lesson 2: operators turn one stream into another. Operators that keep the type are
// methods, operators that change it are functions. The call is the backpressure: a
// value passes through the whole pipeline before the source produces the next one.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/fluxwire-go/fluxwire/streams"
)

type reading struct {
	Room    string
	Celsius float64
}

func main() {
	readings := streams.Of(
		reading{"lab", 19.5},
		reading{"hall", 30.1},
		reading{"lab", 21.0},
		reading{"lab", 20.2},
		reading{"lab", 22.4},
	)
	lab := readings.Filter(func(r reading) bool { return r.Room == "lab" })
	celsius := streams.Map(lab, func(r reading) float64 { return r.Celsius })
	highest := streams.Scan(celsius, 0, func(high, c float64) float64 { return max(high, c) })
	records := streams.DistinctUntilChanged(highest)

	for c, err := range records.All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("new record: %.1f °C\n", c)
	}
}
