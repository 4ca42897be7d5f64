package streams

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A PanicError is the error of a stream whose source panicked, or a function given to
// one of its operators. If the value of the panic was an error, [errors.Is] and
// [errors.As] find it.
type PanicError struct {
	// Value is the argument of panic.
	Value any
	// Stack is the goroutine's stack at the panic, as [debug.Stack] formats it.
	Stack []byte
}

// newPanicError must be called by the deferred function that recovered v, because the
// stack still holds the frames of the panic then.
func newPanicError(v any) *PanicError {
	if e, ok := v.(*PanicError); ok {
		return e // passed on by All; the first stack shows where the panic began
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// Error includes the value of the panic, but not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("streams: panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// withPanic returns err, joined with late if that is a panic. late is the error of a
// source that was told to stop; other errors of such a source are dropped.
func withPanic(err, late error) error {
	if _, ok := errors.AsType[*PanicError](late); !ok {
		return err
	}
	if err == nil {
		return late
	}
	return errors.Join(err, late)
}
