package streams

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Merge subscribes to all sources at once and emits their values as they come. The
// order within a source is kept; sources that are ready at the same time take
// turns. It completes when all have completed.
//
// Each source runs in a goroutine of its own, and so do the functions given to its
// operators. emit is called in the subscriber's goroutine only, and a source waits
// until its value has been dealt with, so nothing is buffered. The first error
// cancels the other sources. Before Merge returns, for whatever reason, all its
// goroutines have ended: a source that does not heed its context holds that up.
func Merge[T any](sources ...Observable[T]) Observable[T] {
	sources = slices.Clone(sources)
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		if len(sources) == 1 {
			return sources[0].subscribe(ctx, emit)
		}
		return merge(ctx, sources, emit)
	}}
}

// errGoexit is the error of a source whose goroutine ended without returning.
var errGoexit = errors.New("streams: Merge: a source called runtime.Goexit")

// A parcel carries one value, or the end of a source, to the subscriber.
type parcel[T any] struct {
	value T
	reply chan<- bool // what emit said of value; has room for it
	ended bool
	err   error
}

func merge[T any](parent context.Context, sources []Observable[T], emit func(T) bool) (err error) {
	ctx, cancel := context.WithCancel(parent)
	parcels := make(chan parcel[T])
	running := len(sources)
	var wg sync.WaitGroup
	var reply chan<- bool // of the source that waits for the end of emit

	defer func() { // emit may have panicked or called Goexit
		cancel()
		if reply != nil {
			reply <- false
		}
		for running > 0 {
			if p := <-parcels; p.ended {
				running--
				err = withPanic(err, p.err)
			} else {
				p.reply <- false
			}
		}
		wg.Wait()
	}()
	for _, source := range sources {
		wg.Go(func() { deliver(ctx, source, parcels) })
	}

	for running > 0 {
		p := <-parcels
		if p.ended {
			running--
			if p.err != nil {
				return p.err
			}
			continue
		}
		reply = p.reply
		if parent.Err() != nil {
			return context.Cause(parent)
		}
		if !emit(p.value) {
			return nil
		}
		reply <- true
		reply = nil
	}
	return nil
}

// deliver runs one source of a merge. Each value, and the end, is a parcel that the
// subscriber is sure to take.
func deliver[T any](ctx context.Context, source Observable[T], parcels chan<- parcel[T]) {
	err := errGoexit
	defer func() { parcels <- parcel[T]{ended: true, err: err} }()
	reply := make(chan bool, 1)
	err = source.protect(ctx, func(v T) bool {
		parcels <- parcel[T]{value: v, reply: reply}
		return <-reply
	})
}
