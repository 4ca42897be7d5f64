package rx

import (
	"context"
	"fmt"
	"sync"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// Via puts RxGo operators into the middle of a stream: build gets src as an
// rxgo.Observable and returns what it has put behind it. For build, its context and
// the ends of the stream, what [From] says holds.
//
// Each observation of in is a run of src, on a goroutine of RxGo's, so that Retry
// runs src anew. Its context is that of the subscription and that of the
// observation, whichever ends first. When the stream ends, Via waits for the runs
// of src to end: nothing of it is left running.
//
// An error of src goes into the pipeline as an error item, and ends the stream
// once. If the pipeline swallows it and completes, as that of Sample or
// OnErrorReturnItem does, the stream ends with it nevertheless: a source that fails
// must not look like one that completed. To handle an error inside the pipeline,
// use Retry, or OnErrorResumeNext with [ErrorToObservable].
//
//	tens := rx.Via[int, []any](numbers, func(ctx context.Context, in rxgo.Observable) rxgo.Observable {
//		return in.BufferWithCount(10)
//	})
func Via[T, R any](src streams.Observable[T], build func(ctx context.Context, in rxgo.Observable) rxgo.Observable) streams.Observable[R] {
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

// A source is the stream in front of an RxGo pipeline. Each observation of it is
// a run.
type source[T any] struct {
	o    streams.Observable[T]
	runs sync.WaitGroup

	mu      sync.Mutex
	ended   bool // the subscription is over: no run may start
	started int  // runs so far

	// How the last run ended, if with an error that the pipeline was told.
	err     error
	told    chan<- rxgo.Item
	handled bool
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
	s.err, s.told, s.handled = nil, nil, false
	return s.started, true
}

func (s *source[T]) failed(run int, err error, told chan<- rxgo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if run == s.started { // else the pipeline has already tried again
		s.err, s.told = err, told
	}
}

// join waits for the runs of the source. Their context is cancelled by then.
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
	// The error was the last item of its run: what is still buffered was not received.
	if s.err == nil || s.handled || len(s.told) > 0 {
		return nil
	}
	return fmt.Errorf("rx: Via: the pipeline completed although its source failed (handle errors with ErrorToObservable): %w", s.err)
}
