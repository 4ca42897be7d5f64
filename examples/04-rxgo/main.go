// Lesson 4: an RxGo pipeline is a source like any other. Each subscription builds its
// own pipeline with its own context, so the pipeline ends with the subscription.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/reactivex/rxgo/v2"

	"github.com/fluxwire-go/fluxwire/streams/rx"
)

func main() {
	squares := rx.From[string](func(ctx context.Context) rxgo.Observable {
		return rxgo.Interval(rxgo.WithDuration(time.Second), rxgo.WithContext(ctx)).
			Filter(rx.Predicate(ctx, func(n int) bool { return n%2 == 1 })).
			Map(rx.Func(func(_ context.Context, n int) (string, error) {
				return fmt.Sprintf("%d² = %d", n, n*n), nil
			}))
	})

	for s, err := range squares.Take(3).All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s)
	}
}
