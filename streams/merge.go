package streams

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Merge subscribes to all sources at once and emits their values as they arrive. The
// order within a source is kept; sources that are ready at the same time take turns.
// The stream completes when all sources have completed. The first error cancels the
// other sources and is the stream's error.
//
// Each source runs in its own goroutine, and so do the functions given to its
// operators. emit is called in the subscriber's goroutine only. A source waits until
// emit has returned for its value, so nothing is buffered. All the goroutines have
// ended when the subscription ends, whatever the reason: a source that ignores its
// context delays that.
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

// A message carries one value of a source, or its end, to the subscriber.
type message[T any] struct {
	value T
	reply chan<- bool // receives the result of emit; buffered
	ended bool
	err   error
}

func merge[T any](parent context.Context, sources []Observable[T], emit func(T) bool) (err error) {
	ctx, cancel := context.WithCancel(parent)
	messages := make(chan message[T])
	running := len(sources)
	var wg sync.WaitGroup
	var reply chan<- bool // of the source whose value emit is handling

	defer func() { // emit may have panicked or called Goexit
		cancel()
		if reply != nil {
			reply <- false
		}
		for running > 0 {
			if m := <-messages; m.ended {
				running--
				err = withPanic(err, m.err)
			} else {
				m.reply <- false
			}
		}
		wg.Wait()
	}()
	for _, source := range sources {
		wg.Go(func() { deliver(ctx, source, messages) })
	}

	for running > 0 {
		m := <-messages
		if m.ended {
			running--
			if m.err != nil {
				return m.err
			}
			continue
		}
		reply = m.reply
		if parent.Err() != nil {
			return context.Cause(parent)
		}
		if !emit(m.value) {
			return nil
		}
		reply <- true
		reply = nil
	}
	return nil
}

// deliver runs one source of a merge. The sends need no select: the subscriber
// receives from messages until each source has ended.
func deliver[T any](ctx context.Context, source Observable[T], messages chan<- message[T]) {
	err := errGoexit
	defer func() { messages <- message[T]{ended: true, err: err} }()
	reply := make(chan bool, 1)
	err = source.protect(ctx, func(v T) bool {
		messages <- message[T]{value: v, reply: reply}
		return <-reply
	})
}
