package sse

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrLineBreak is matched by the error for a CR or LF in an id or an event
	// name. Either would end the field; remove it before publishing.
	ErrLineBreak = errors.New("sse: line break")

	// ErrNUL is matched by the error for U+0000 in an id. Clients ignore such an id;
	// remove the character.
	ErrNUL = errors.New("sse: NUL character")

	// ErrInvalidUTF8 is matched by the error for text that is not UTF-8. An event
	// stream is always UTF-8: send other bytes as base64, as JSON does with a
	// []byte inside a struct.
	ErrInvalidUTF8 = errors.New("sse: invalid UTF-8")

	// ErrNegativeRetry is matched by the error for a negative reconnection time.
	ErrNegativeRetry = errors.New("sse: negative reconnection time")
)

// A FieldError says which field of an event could not be written, and why. It
// wraps its cause: one of this package's sentinels, or the error of the [Codec] or
// of the value's own marshaling method.
type FieldError struct {
	// Field is "id", "event", "retry", "comment" or "data".
	Field string
	// Offset is the position of the first invalid byte in the field's value, or -1
	// if the error has no position.
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
		return msg + "; the field is one line, remove line breaks"
	case ErrNUL:
		return msg + "; clients would ignore the field, remove NUL"
	case ErrInvalidUTF8:
		return msg + "; an event stream is UTF-8, encode other bytes (base64)"
	}
	return msg
}

func (e *FieldError) Unwrap() error { return e.Err }

// An EventTooLargeError is returned by [Decoder.Decode] for an event over
// [Decoder.MaxEventSize], as soon as the limit is exceeded. The event is dropped; the
// next call of Decode returns the event after it.
type EventTooLargeError struct {
	// Limit is the limit that was exceeded, in bytes.
	Limit int
	// Event and ID are the event's name and its own id, as far as they have been
	// read.
	Event, ID string
}

func (e *EventTooLargeError) Error() string {
	return fmt.Sprintf("sse: event too large: more than %d bytes (name %.64q, id %.64q); raise the limit, or skip the event",
		e.Limit, e.Event, e.ID)
}
