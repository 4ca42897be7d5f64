package streams

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A PanicError is the error of a stream whose source, or a function given to one of
// its operators, panicked. If the value was an error, [errors.Is] and [errors.As]
// find it.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine at the panic, as [debug.Stack] writes it.
	Stack []byte
}

// newPanicError must be called by the deferred function that recovered v: the stack
// of the panic is still there to be read.
func newPanicError(v any) *PanicError {
	if e, ok := v.(*PanicError); ok {
		return e // passed on by All: the first stack is the one that helps
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// Error names the value; Stack is left to whoever logs it.
func (e *PanicError) Error() string { return fmt.Sprintf("streams: panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// withPanic returns err together with late, the error of a source that was told to
// stop, if that is worth telling: its complaints about being stopped are not, but a
// panic is.
func withPanic(err, late error) error {
	if _, ok := errors.AsType[*PanicError](late); !ok {
		return err
	}
	if err == nil {
		return late
	}
	return errors.Join(err, late)
}
