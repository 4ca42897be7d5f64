package sse

import "time"

// The blocks in this file carry no event: clients take note and continue to wait.

// AppendComment appends a block that holds only a comment: ": text" and a blank
// line, or ":" and a blank line if text is empty, which is the shortest possible
// heartbeat. Each line of text becomes a comment line. If text is not UTF-8, it
// returns a [*FieldError], and dst unchanged.
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
// whole milliseconds: 0 is written as 0, more than 0 as at least 1. If d is
// negative, it returns a [*FieldError], and dst unchanged.
func AppendRetry(dst []byte, d time.Duration) ([]byte, error) {
	if err := checkRetry(d); err != nil {
		return dst, err
	}
	return append(appendRetry(dst, d), '\n'), nil
}

// AppendID appends a block that only sets the client's last event id, which the
// client sends when it reconnects; "" resets it, so that the client sends no id.
// If id has a line break or a NUL, or is not UTF-8, it returns a [*FieldError],
// and dst unchanged.
func AppendID(dst []byte, id string) ([]byte, error) {
	if err := checkID(id); err != nil {
		return dst, err
	}
	return append(appendField(dst, "id: ", id), '\n'), nil
}
