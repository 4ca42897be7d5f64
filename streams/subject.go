package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

// ErrEnded is returned by [Subject.Next] after Complete or Error: the value was not
// published. To publish more values, make a new Subject.
//
// It is about a Subject only. A topic that has ended returns hub.ErrEnded, and a send
// to a client that has left returns handlers.ErrEnded; errors.Is tells the three
// apart.
var ErrEnded = errors.New("streams: Subject: the stream has ended")

// A LagError ends the subscription of a subscriber that was too slow: values it had
// not seen have left the subject's window. The subscriber may subscribe again, or use
// [Subject.OnLag], which skips the missed values and continues.
type LagError struct {
	// Missed is how many values had left the window.
	Missed uint64
}

func (e *LagError) Error() string {
	return fmt.Sprintf("streams: Subject: the subscriber fell behind and missed %d values", e.Missed)
}

// SubjectConfig sets the bounds of a [Subject]. The zero SubjectConfig works.
type SubjectConfig struct {
	// Window is how many of the newest values the subject keeps at least, for
	// subscribers that are behind. It may keep up to a quarter more. Defaults to 1024.
	Window int
}

// A Subject is a hot stream: Next gives a value to everybody who is subscribed at
// that time. The zero Subject is ready to use, with the default [SubjectConfig].
//
// The values are kept once, in a window that all subscribers share, and each
// subscriber reads the window at its own pace. A slow subscriber holds back neither
// the publisher nor another subscriber. A subscriber that falls behind the window is
// told how many values it missed.
//
// Any number of goroutines may call a Subject's methods at once. All subscribers see
// the values in the same order. A Subject must not be copied after first use.
type Subject[T any] struct {
	once        sync.Once // sets values
	values      *window.Window[T]
	subscribers atomic.Int64
	missed      atomic.Uint64

	// looked is called after each look of a subscription at the window, so that a
	// test can publish between two of them. It is nil outside of tests.
	looked func()
}

// SubjectStats holds the counts of a [Subject].
type SubjectStats struct {
	Published   uint64 // values published by Next
	Subscribers int    // subscriptions running now; each of them gets the next value
	Missed      uint64 // values that slow subscribers were told they missed, in total
	Ended       bool   // Complete or Error was called
}

// NewSubject returns a Subject without subscribers. It takes at most one config;
// without one it uses the zero SubjectConfig.
func NewSubject[T any](config ...SubjectConfig) *Subject[T] {
	if len(config) > 1 {
		panic("streams: NewSubject: more than one SubjectConfig")
	}
	s := new(Subject[T])
	for _, cfg := range config {
		s.init(cfg)
	}
	return s
}

// init makes the window. Only the first call counts.
func (s *Subject[T]) init(cfg SubjectConfig) {
	s.once.Do(func() { s.values = window.New[T](window.Config{Keep: cfg.Window}) })
}

// window returns the window of s, and makes it if s was the zero Subject.
func (s *Subject[T]) window() *window.Window[T] {
	s.init(SubjectConfig{})
	return s.values
}

// Next publishes v. It never waits for a subscriber. After Complete or Error it
// returns [ErrEnded].
func (s *Subject[T]) Next(v T) error {
	if _, err := s.window().Append(v); err != nil {
		return ErrEnded
	}
	return nil
}

// Complete ends the stream. Subscribers first get the values that are pending for
// them in the window; later subscribers see the end at once. Only the first call of
// Complete or Error counts. Complete does not wait for subscribers.
func (s *Subject[T]) Complete() { s.window().Close(nil) }

// Error ends the stream like Complete, but with err, which must not be nil.
func (s *Subject[T]) Error(err error) {
	if err == nil {
		err = errors.New("streams: Subject: Error: nil error (use Complete)")
	}
	s.window().Close(err)
}

// Observable returns the stream of the values that are published after the
// subscription has begun. A subscriber that falls behind the window gets a
// [*LagError].
func (s *Subject[T]) Observable() Observable[T] {
	return s.observe(func(missed uint64) error { return &LagError{missed} })
}

// OnLag returns the same stream as Observable, but a subscriber that falls behind the
// window continues with the oldest value there. Before that value f is called, in the
// subscription's goroutine, with the number of values missed. f may be nil.
func (s *Subject[T]) OnLag(f func(missed uint64)) Observable[T] {
	return s.observe(func(missed uint64) error {
		if f != nil {
			f(missed)
		}
		return nil
	})
}

// Stats returns the subject's counts. They are read one after the other, so they may
// belong to slightly different moments.
func (s *Subject[T]) Stats() SubjectStats {
	_, ended := s.window().Ended()
	return SubjectStats{
		Published:   s.window().End(),
		Subscribers: int(s.subscribers.Load()),
		Missed:      s.missed.Load(),
		Ended:       ended,
	}
}

// observe returns a stream whose subscriptions are positions in the window, each
// beginning at its end.
func (s *Subject[T]) observe(onLag func(missed uint64) error) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		w := s.window()
		pos := w.End()
		s.subscribers.Add(1) // after pos was read: see SubjectStats
		defer s.subscribers.Add(-1)
		for {
			// In this order: if the subject has ended and then nothing can be read, no
			// value is left, because none is published after the end.
			end, ended := s.ended()
			items, at := s.read(pos)
			if missed := at - pos; missed > 0 {
				s.missed.Add(missed)
				if err := onLag(missed); err != nil {
					return err
				}
			}
			for _, v := range items {
				select {
				case <-done:
					return context.Cause(ctx)
				default:
				}
				if !emit(v) {
					return nil
				}
			}
			pos = at + uint64(len(items))
			switch {
			case len(items) > 0: // there may be more
			case ended:
				return end
			default:
				select {
				case <-done:
					return context.Cause(ctx)
				case <-w.Wait(pos):
				}
			}
		}
	}}
}

// ended is Ended of the window, for a subscription.
func (s *Subject[T]) ended() (err error, ended bool) {
	err, ended = s.window().Ended()
	if s.looked != nil {
		s.looked()
	}
	return err, ended
}

// read is Read of the window, for a subscription.
func (s *Subject[T]) read(pos uint64) (items []T, at uint64) {
	items, at = s.window().Read(pos)
	if s.looked != nil {
		s.looked()
	}
	return items, at
}
