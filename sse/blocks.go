package sse

import "time"

// The blocks of this file dispatch no event: clients take note and go on waiting.

// AppendComment appends a block that holds only a comment: ": text" and a blank
// line, or ":" alone for "", which is the shortest heartbeat there is. Each line
// of text becomes a comment line. Text that is not UTF-8 is a [*FieldError], and
// dst comes back as it was.
func AppendComment(dst []byte, text string) ([]byte, error) {
	if text == "" {
		return append(dst, ":\n\n"...), nil
	}
	if err := checkUTF8("comment", text); err != nil {
		return dst, err
	}
	return append(appendComment(dst, text), '\n'), nil
}

// AppendRetry appends a block that only sets the client's reconnection time, in
// whole milliseconds: 0 is written as 0, more than 0 as at least 1. A negative d
// is a [*FieldError], and dst comes back as it was.
func AppendRetry(dst []byte, d time.Duration) ([]byte, error) {
	if err := checkRetry(d); err != nil {
		return dst, err
	}
	return append(appendRetry(dst, d), '\n'), nil
}

// AppendID appends a block that only sets the client's last event id, which it
// sends when it reconnects; "" resets it, so that none is sent. A line break, a
// NUL, or text that is not UTF-8 is a [*FieldError], and dst comes back as it was.
func AppendID(dst []byte, id string) ([]byte, error) {
	if err := checkID(id); err != nil {
		return dst, err
	}
	return append(appendField(dst, "id: ", id), '\n'), nil
}
