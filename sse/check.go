package sse

import (
	"time"
	"unicode/utf8"
)

// checkFields returns a *FieldError for the first value that cannot be written.
func checkFields(id, event string, retry time.Duration, comment string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkEvent(event); err != nil {
		return err
	}
	if err := checkRetry(retry); err != nil {
		return err
	}
	return checkUTF8("comment", comment)
}

// Ids and names are short: a plain loop over them is faster than one search for
// each forbidden byte.

func checkID(id string) error {
	for i := range len(id) {
		switch id[i] {
		case '\r', '\n':
			return &FieldError{Field: "id", Offset: i, Err: ErrLineBreak}
		case 0:
			return &FieldError{Field: "id", Offset: i, Err: ErrNUL}
		}
	}
	return checkUTF8("id", id)
}

func checkEvent(name string) error {
	for i := range len(name) {
		if c := name[i]; c == '\r' || c == '\n' {
			return &FieldError{Field: "event", Offset: i, Err: ErrLineBreak}
		}
	}
	return checkUTF8("event", name)
}

func checkRetry(d time.Duration) error {
	if d < 0 {
		return &FieldError{Field: "retry", Offset: -1, Err: ErrNegativeRetry}
	}
	return nil
}

func checkUTF8(field, s string) error {
	if utf8.ValidString(s) {
		return nil
	}
	return &FieldError{Field: field, Offset: invalidUTF8([]byte(s)), Err: ErrInvalidUTF8}
}
