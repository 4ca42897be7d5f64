package sse

import (
	"math"
	"time"
)

// A field is a kind of line.
type field uint8

const (
	fieldIgnored field = iota
	fieldComment
	fieldData
	fieldEvent
	fieldID
	fieldRetry
)

// cutField splits a line into the kind of its field and the value. The line must not
// be empty. It may be the start of a line, if that is longer than any field name.
func cutField(line []byte) (field, []byte) {
	kind, name := fieldIgnored, ""
	switch line[0] {
	case ':':
		kind = fieldComment
	case 'd':
		kind, name = fieldData, "data"
	case 'e':
		kind, name = fieldEvent, "event"
	case 'i':
		kind, name = fieldID, "id"
	case 'r':
		kind, name = fieldRetry, "retry"
	}
	if kind == fieldIgnored || len(line) < len(name) || string(line[:len(name)]) != name {
		return fieldIgnored, nil
	}
	value := line[len(name):]
	switch {
	case len(value) == 0: // the colon may be missing
		return kind, nil
	case value[0] != ':': // a longer name that begins with this one
		return fieldIgnored, nil
	case len(value) > 1 && value[1] == ' ':
		return kind, value[2:]
	}
	return kind, value[1:]
}

// maxMillis is the longest time.Duration in milliseconds.
const maxMillis = math.MaxInt64 / int64(time.Millisecond)

// parseRetry reads a reconnection time in milliseconds: ASCII digits only.
func parseRetry(value []byte) (time.Duration, bool) {
	var ms int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		ms = min(ms*10+int64(c-'0'), maxMillis)
	}
	return time.Duration(ms) * time.Millisecond, len(value) > 0
}
