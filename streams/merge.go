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
// operators; emit is called in the subscriber's goroutine only, and a source waits
// until its value has been dealt with, so nothing is buffered. The first error
// cancels the other sources. Before Merge returns, whatever the reason, all its
// goroutines have ended: a source that does not heed its context holds that up.
func Merge[T any](sources ...Observable[T]) Observable[T] {
	sources = slices.Clone(sources)
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		switch len(sources) {
		case 0:
			return nil
		case 1:
			return sources[0].subscribe(ctx, emit)
		}
		return merge(ctx, sources, emit)
	}}
}

// errGoexit is the error of a source whose goroutine ended without returning.
var errGoexit = errors.New("streams: Merge: a source called runtime.Goexit")

// A parcel carries one value, or the end of its source, to the subscriber.
type parcel[T any] struct {
	value T
	ended bool
	err   error
	reply chan<- bool // what emit said; has room for one
}

func merge[T any](parent context.Context, sources []Observable[T], emit func(T) bool) error {
	ctx, cancel := context.WithCancel(parent)
	var (
		wg      sync.WaitGroup
		parcels = make(chan parcel[T])
		panics  = make([]error, len(sources)) // of sources that panicked after the end was decided
		reply   chan<- bool                   // of the source whose value emit is busy with
	)
	join := func() {
		cancel()
		if reply != nil {
			reply <- false
		}
		wg.Wait()
	}
	joined := false
	defer func() {
		if !joined { // emit panicked or called Goexit
			join()
		}
	}()
	for i, source := range sources {
		wg.Go(func() {
			if err := deliver(ctx, source, parcels); err != nil {
				panics[i] = afterStop(err)
			}
		})
	}

	var err error
	for running := len(sources); running > 0; {
		p := <-parcels
		if p.ended {
			running--
			if err = p.err; err != nil {
				break
			}
			continue
		}
		reply = p.reply
		more := emit(p.value)
		reply = nil
		p.reply <- more
		if !more {
			break
		}
	}
	join()
	joined = true
	for _, p := range panics {
		if p != nil {
			err = errors.Join(err, p)
		}
	}
	return err
}

// deliver runs one source of a merge and hands its values, and then its end, to the
// subscriber. It returns the end if the subscriber has left before.
func deliver[T any](ctx context.Context, source Observable[T], parcels chan<- parcel[T]) (err error) {
	err = errGoexit
	defer func() {
		select {
		case parcels <- parcel[T]{ended: true, err: err}:
			err = nil
		case <-ctx.Done():
		}
	}()
	reply := make(chan bool, 1)
	cancelled := false
	err = source.protect(ctx, func(v T) bool {
		select {
		case parcels <- parcel[T]{value: v, reply: reply}:
			return <-reply
		case <-ctx.Done():
			cancelled = true
			return false
		}
	})
	if err == nil && cancelled {
		err = context.Cause(ctx)
	}
	return err
}
