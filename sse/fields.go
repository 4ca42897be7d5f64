package sse

import (
	"bytes"
	"slices"
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

// Ids and names are short: a plain loop over them beats searching for each byte
// that is not allowed.

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

// breakLines turns the text dst[start:], which already has the prefix of its
// field before it, into one line for each line of the text. CR, LF and CRLF end
// lines.
func breakLines(dst []byte, start int, prefix string) []byte {
	cr := bytes.Count(dst[start:], []byte{'\r'})
	breaks := bytes.Count(dst[start:], []byte{'\n'}) + cr
	if breaks == 0 {
		return dst
	}

	// Move the text up by what its lines grow in all, then write them from the
	// front: what is written never reaches what is still to be read.
	room := breaks * len(prefix)
	n := len(dst)
	dst = slices.Grow(dst, room)[:n+room]
	text := dst[start+room:]
	copy(text, dst[start:n])

	end := start
	for {
		var i int
		if cr == 0 {
			i = bytes.IndexByte(text, '\n')
		} else {
			i = bytes.IndexAny(text, "\r\n")
		}
		if i < 0 {
			return dst[:end+copy(dst[end:], text)]
		}
		next := i + 1
		if text[i] == '\r' && next < len(text) && text[next] == '\n' {
			next++
		}
		end += copy(dst[end:], text[:i])
		dst[end] = '\n'
		end += 1 + copy(dst[end+1:], prefix)
		text = text[next:]
	}
}
