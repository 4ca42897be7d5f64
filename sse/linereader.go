package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The read buffer starts small, because many streams are mostly silent, and doubles
// each time a read fills it. It shrinks again after shrinkAfter small reads in a row, of
// heartbeats for example, so that a burst does not keep memory for the rest of the
// connection. A line longer than maxRead is returned in parts.
const (
	minRead     = 512
	maxRead     = 64 << 10
	shrinkAfter = 8
)

var errNoReader = errors.New("sse: read: the Decoder has no reader: use NewDecoder, or Reset")

var byteOrderMark = []byte("\uFEFF")

// A lineReader splits a stream into lines. A line ends at a CR or an LF as soon as
// that byte has arrived; an LF right after a CR belongs to the CR.
type lineReader struct {
	r   io.Reader
	err error // the error that r ended with

	buf      []byte // buf[pos:end] has arrived and has not been returned yet
	pos, end int
	cr, lf   int // position of the first one at or after pos, or end; out of date if before pos

	begun  bool // a byte order mark can no longer follow
	skipLF bool // the last line ended with a CR
	filled bool // the last read filled buf
	small  int  // how many reads in a row have left seven eighths of buf empty
}

// next returns the next line without its end, or the next part of a line that is
// longer than maxRead; whole reports which. The bytes are valid until the next call.
// next reads only if the buffer holds no end of a line.
func (l *lineReader) next() (line []byte, whole bool, err error) {
	for {
		if l.skipLF && l.pos < l.end {
			l.skipLF = false
			if l.buf[l.pos] == '\n' {
				l.pos++
			}
		}
		if !l.begun {
			l.skipByteOrderMark()
		}
		if l.begun {
			if l.lf < l.pos {
				l.lf = l.index('\n', l.pos)
			}
			if l.cr < l.pos {
				l.cr = l.index('\r', l.pos)
			}
			if i := min(l.lf, l.cr); i < l.end {
				line = l.buf[l.pos:i]
				l.pos = i + 1
				l.skipLF = l.buf[i] == '\r'
				return line, true, nil
			}
			if l.end-l.pos == maxRead {
				line = l.buf[l.pos:l.end]
				l.pos = l.end
				return line, false, nil
			}
		}
		if l.err != nil {
			return nil, false, l.err
		}
		l.fill()
	}
}

// skipByteOrderMark skips a byte order mark. It waits for more bytes only while the
// bytes so far could be the beginning of one.
func (l *lineReader) skipByteOrderMark() {
	head := l.buf[l.pos:l.end]
	switch {
	case bytes.HasPrefix(head, byteOrderMark):
		l.pos += len(byteOrderMark)
	case bytes.HasPrefix(byteOrderMark, head):
		return
	}
	l.begun = true
}

// index returns the position of the first c in buf[from:end], or end.
func (l *lineReader) index(c byte, from int) int {
	if i := bytes.IndexByte(l.buf[from:l.end], c); i >= 0 {
		return from + i
	}
	return l.end
}

// fill reads once, after the bytes that are still in the buffer. None of these ends a
// line.
func (l *lineReader) fill() {
	if l.r == nil {
		l.err = errNoReader
		return
	}
	to := l.buf
	switch {
	case l.buf == nil || l.filled && len(l.buf) < maxRead:
		to = make([]byte, max(minRead, 2*len(l.buf)))
	case l.small >= shrinkAfter && len(l.buf) > minRead:
		to = make([]byte, max(minRead, len(l.buf)/4))
	}
	if len(to) != len(l.buf) {
		l.small = 0
	}
	have := l.end - l.pos
	if l.pos > 0 || len(to) != len(l.buf) { // do not move a line that arrives in small pieces at every read
		copy(to, l.buf[l.pos:l.end])
		l.buf, l.pos, l.end = to, 0, have
	}
	for range 100 {
		n, err := l.r.Read(l.buf[have:])
		l.end += n
		l.filled = l.end == len(l.buf)
		if l.small++; l.end > len(l.buf)/8 {
			l.small = 0
		}
		if err != nil && err != io.EOF {
			err = fmt.Errorf("sse: read: %w", err)
		}
		l.err = err
		if n > 0 || err != nil {
			l.lf, l.cr = l.index('\n', have), l.index('\r', have)
			return
		}
	}
	l.err = fmt.Errorf("sse: read: %w", io.ErrNoProgress)
}

// reset prepares l to read another stream. It keeps the buffer.
func (l *lineReader) reset(r io.Reader) { *l = lineReader{r: r, buf: l.buf} }
