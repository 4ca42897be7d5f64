package rx

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// Via puts RxGo operators into the middle of a stream. build gets src as an
// rxgo.Observable, appends operators to it, and returns the result. When build is
// called, its context, and how the stream ends are as in [From].
//
// Each observation of in is a run of src on one of RxGo's goroutines, so Retry runs
// src again. The context of a run ends with the subscription or with the observation,
// whichever ends first. When the stream ends, Via waits until all runs of src have
// ended.
//
// An error of src goes into the pipeline as an error item. If the pipeline drops it
// and completes, as with Sample or OnErrorReturnItem, the stream still ends with that
// error: a source that fails must not look like one that completed. To handle an
// error inside the pipeline, use Retry, or OnErrorResumeNext with [ErrorToObservable].
//
//	tens := rx.Via[int, []any](numbers, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
//		return in.BufferWithCount(10)
//	})
func Via[T, R any](src streams.Observable[T], build func(ctx context.Context, in rxgo.Observable) rxgo.Observable) streams.Observable[R] {
	if build == nil {
		return streams.Throw[R](errors.New("rx: Via: nil function"))
	}
	return streams.Create(func(ctx context.Context, emit func(R) bool) error {
		in := source[T]{o: src}
		defer in.join() // also when emit panics
		completed, err := receive(ctx, &subscription{handled: in.markHandled}, func(ctx context.Context) rxgo.Observable {
			return build(ctx, in.observable(ctx))
		}, emit)
		if !completed {
			return err
		}
		in.join()
		return in.lost()
	})
}

// A source is the stream in front of an RxGo pipeline. Each observation of it runs the
// stream.
type source[T any] struct {
	o    streams.Observable[T]
	runs sync.WaitGroup

	mu      sync.Mutex
	ended   bool // the subscription is over: no run may start
	started int  // runs so far

	// The error of the last run, if it was sent to the pipeline.
	err     error
	sentTo  chan<- rxgo.Item
	handled bool // by ErrorToObservable
}

// observable returns s for a subscription whose context is ctx.
func (s *source[T]) observable(ctx context.Context) rxgo.Observable {
	return rxgo.Defer([]rxgo.Producer{func(observed context.Context, next chan<- rxgo.Item) {
		run, ok := s.start()
		if !ok {
			return
		}
		defer s.runs.Done()
		// The context of an observation may end before the subscription's.
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(observed, func() { cancel(context.Cause(observed)) })()
		if err := send(ctx, s.o, next); err != nil {
			s.failed(run, err, next)
		}
	}}, rxgo.WithContext(ctx))
}

func (s *source[T]) start() (run int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, false
	}
	s.runs.Add(1)
	s.started++
	s.err, s.sentTo, s.handled = nil, nil, false
	return s.started, true
}

func (s *source[T]) failed(run int, err error, sentTo chan<- rxgo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if run == s.started { // otherwise the pipeline has already retried
		s.err, s.sentTo = err, sentTo
	}
}

// join waits for the runs of the source, whose context must have been cancelled.
func (s *source[T]) join() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.runs.Wait()
}

func (s *source[T]) markHandled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled = true
}

// lost returns the error that the pipeline received from its source and neither
// passed on nor handled.
func (s *source[T]) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The error was the last item of its run. If the channel still holds items, the
	// pipeline has not received the error.
	if s.err == nil || s.handled || len(s.sentTo) > 0 {
		return nil
	}
	return fmt.Errorf("rx: Via: the pipeline completed although its source failed (handle errors with ErrorToObservable): %w", s.err)
}
