// Package event is the data of the events that the benchmark sends: a number and
// the time of sending, so that a receiver can tell which events are missing and how
// late each is.
package event

import (
	"bytes"
	"strconv"
)

const (
	numberKey = `{"seq":`
	sentKey   = `,"sent":`
	padKey    = `,"pad":"`
	end       = `"}`
)

// Append appends the data of event seq, sent at sent (nanoseconds since 1970), in
// JSON that is size bytes long, or longer if it does not fit.
func Append(dst []byte, seq uint64, sent int64, size int) []byte {
	start := len(dst)
	dst = append(dst, numberKey...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, sentKey...)
	dst = strconv.AppendInt(dst, sent, 10)
	dst = append(dst, padKey...)
	for len(dst)-start < size-len(end) {
		dst = append(dst, '.')
	}
	return append(dst, end...)
}

// Parse reads data that [Append] has written. ok is false for other data.
func Parse(data []byte) (seq uint64, sent int64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(numberKey))
	if !ok {
		return 0, 0, false
	}
	seq, rest, ok = number(rest)
	if !ok {
		return 0, 0, false
	}
	rest, ok = bytes.CutPrefix(rest, []byte(sentKey))
	if !ok {
		return 0, 0, false
	}
	n, rest, ok := number(rest)
	if !ok || !bytes.HasPrefix(rest, []byte(padKey)) || !bytes.HasSuffix(rest, []byte(end)) {
		return 0, 0, false
	}
	return seq, int64(n), true
}

// Find returns the part of b that [Append] has written, if there is one.
func Find(b []byte) (data []byte, ok bool) {
	i := bytes.Index(b, []byte(numberKey))
	if i < 0 {
		return nil, false
	}
	n := bytes.Index(b[i:], []byte(end))
	if n < 0 {
		return nil, false
	}
	return b[i : i+n+len(end)], true
}

// number reads the digits that b begins with.
func number(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && i < 19 && '0' <= b[i] && b[i] <= '9'; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	return n, b[i:], i > 0
}
