package streams

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/fluxwire-go/fluxwire/internal/window"
)

// ErrEnded is returned by [Subject.Next] after Complete or Error. Values for a
// stream that goes on need a new Subject.
var ErrEnded = errors.New("streams: Subject: the stream has ended")

// A LagError ends the subscription of a subscriber that was too slow: values it had
// not seen have left the subject's window. It should subscribe again, or use
// [Subject.OnLag] to go on instead.
type LagError struct {
	// Missed is how many values had left the window.
	Missed uint64
}

func (e *LagError) Error() string {
	return fmt.Sprintf("streams: Subject: the subscriber fell behind and missed %d values", e.Missed)
}

// SubjectConfig sets the bounds of a [Subject]. The zero SubjectConfig works.
type SubjectConfig struct {
	// Window is how many of the newest values are kept at least for subscribers that
	// are behind; up to a quarter more may be. Defaults to 1024.
	Window int
}

// A Subject is a hot stream: what is given to Next goes to everybody who is
// subscribed at that time. Its methods may be called by any number of goroutines at
// once; all subscribers see the values in the same order. Use [NewSubject].
//
// The values are kept once, in a window that all subscribers share, and each
// subscriber reads it at its own pace. None can hold back another, or the
// publisher; one that falls out of the window is told how much it missed.
type Subject[T any] struct {
	window      *window.Window[T]
	subscribers atomic.Int64
	missed      atomic.Uint64
}

// SubjectStats is what [Subject.Stats] returns.
type SubjectStats struct {
	Published   uint64 // values given to Next
	Subscribers int    // subscriptions running now: all of them get the next value
	Missed      uint64 // what subscribers were told they missed, in all
	Ended       bool   // after Complete or Error
}

// NewSubject returns a Subject without subscribers.
func NewSubject[T any](cfg SubjectConfig) *Subject[T] {
	return &Subject[T]{window: window.New[T](window.Config{Keep: cfg.Window})}
}

// Next publishes v. It never waits for a subscriber. It fails with [ErrEnded] after
// Complete or Error.
func (s *Subject[T]) Next(v T) error {
	if _, err := s.window.Append(v); err != nil {
		return ErrEnded
	}
	return nil
}

// Complete ends the stream. Subscribers get what is pending in the window first;
// those that come later see the end at once. Only the first Complete or Error
// counts. It waits for no subscriber.
func (s *Subject[T]) Complete() { s.window.Close(nil) }

// Error ends the stream like Complete, but with err, which must not be nil.
func (s *Subject[T]) Error(err error) {
	if err == nil {
		err = errors.New("streams: Subject: Error: the error is nil; use Complete")
	}
	s.window.Close(err)
}

// Observable returns the stream of the values from the subscription on. A subscriber
// that falls out of the window gets a [*LagError].
func (s *Subject[T]) Observable() Observable[T] {
	return s.observe(func(missed uint64) error { return &LagError{missed} })
}

// OnLag returns the stream of the values from the subscription on. A subscriber that
// falls out of the window goes on with the oldest value there; before that value f
// is called, in the subscription's goroutine, with the number of values missed.
// f may be nil.
func (s *Subject[T]) OnLag(f func(missed uint64)) Observable[T] {
	return s.observe(func(missed uint64) error {
		if f != nil {
			f(missed)
		}
		return nil
	})
}

// Stats returns the subject's counts. They are read one after the other, not at one
// moment.
func (s *Subject[T]) Stats() SubjectStats {
	_, ended := s.window.Ended()
	return SubjectStats{
		Published:   s.window.End(),
		Subscribers: int(s.subscribers.Load()),
		Missed:      s.missed.Load(),
		Ended:       ended,
	}
}

// observe is one subscription: a cursor that starts at the end of the window.
func (s *Subject[T]) observe(onLag func(missed uint64) error) Observable[T] {
	return Observable[T]{func(ctx context.Context, emit func(T) bool) error {
		done := ctx.Done()
		pos := s.window.End()
		s.subscribers.Add(1) // after pos was taken: see SubjectStats
		defer s.subscribers.Add(-1)
		for {
			end, ended := s.window.Ended() // before Read, which then sees all that came before the end
			items, at := s.window.Read(pos)
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
				case <-s.window.Wait(pos):
				}
			}
		}
	}}
}
