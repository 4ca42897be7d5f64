package sse

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrLineBreak is matched by the error for a CR or LF in an id or an event
	// name. Either would end the field; take it out before publishing.
	ErrLineBreak = errors.New("sse: line break")

	// ErrNUL is matched by the error for U+0000 in an id, which makes clients
	// ignore the id.
	ErrNUL = errors.New("sse: NUL character")

	// ErrInvalidUTF8 is matched by the error for text that is not UTF-8. An event
	// stream is always UTF-8: send other bytes as base64, which is what JSON makes
	// of a []byte inside a struct.
	ErrInvalidUTF8 = errors.New("sse: invalid UTF-8")

	// ErrNegativeRetry is matched by the error for a reconnection time below zero.
	ErrNegativeRetry = errors.New("sse: negative reconnection time")
)

// A FieldError says which field of an event could not be written, and why. It
// matches its cause: one of this package's sentinels, or what the [Codec] or the
// value's own marshaling method returned.
type FieldError struct {
	// Field is "id", "event", "retry", "comment" or "data".
	Field string
	// Offset is the position of the first offending byte in the field's value,
	// or -1 if no single byte is to blame.
	Offset int
	// Err is the cause.
	Err error
}

func (e *FieldError) Error() string {
	cause := strings.TrimPrefix(e.Err.Error(), "sse: ")
	if e.Offset < 0 {
		return fmt.Sprintf("sse: %s: %s", e.Field, cause)
	}
	msg := fmt.Sprintf("sse: %s: %s at byte %d", e.Field, cause, e.Offset)
	switch e.Err {
	case ErrLineBreak:
		return msg + "; the field is one line, take line breaks out"
	case ErrNUL:
		return msg + "; clients would ignore the field, take NUL out"
	case ErrInvalidUTF8:
		return msg + "; an event stream is UTF-8, encode other bytes (base64)"
	}
	return msg
}

func (e *FieldError) Unwrap() error { return e.Err }

// An EventTooLargeError is returned by [Decoder.Decode] for an event that exceeds
// [Decoder.MaxEventSize], as soon as it does. The event is dropped; the next call
// of Decode goes on with the one after it.
type EventTooLargeError struct {
	// Limit is the limit that was exceeded, in bytes.
	Limit int
	// Event and ID are the event's name and own id, as far as they had been read.
	Event, ID string
}

func (e *EventTooLargeError) Error() string {
	return fmt.Sprintf("sse: event too large: more than %d bytes (name %.64q, id %.64q); raise the limit or skip it",
		e.Limit, e.Event, e.ID)
}
