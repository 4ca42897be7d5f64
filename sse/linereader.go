package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The read buffer starts small, for the many streams that are mostly silent, and
// doubles each time a read fills it. After quietReads that left most of it empty,
// heartbeats for example, it shrinks again: a burst must not weigh on a connection
// for good. A line longer than maxRead comes in parts.
const (
	minRead    = 512
	maxRead    = 64 << 10
	quietReads = 8
)

var errNoReader = errors.New("sse: read: the Decoder has no reader: use NewDecoder, or Reset")

var byteOrderMark = []byte("\uFEFF")

// A lineReader cuts a stream into lines. A line ends at a CR or an LF the moment
// that byte is there; an LF right after a CR belongs to it.
type lineReader struct {
	r   io.Reader
	err error // what r ended with

	buf      []byte // buf[pos:end] is what has arrived and is not yet handed out
	pos, end int
	cr, lf   int // the first of each at or after pos, or end; those before pos are out of date

	begun  bool // the place for a byte order mark is past
	skipLF bool // a line has just ended with a CR
	filled bool // the last read left no room in buf
	quiet  int  // how many reads have left seven eighths of it empty, in a row
}

// next returns the next line, without its end and with whole set, or the next
// part of a line that is longer than maxRead. The bytes are valid until the
// next call. It reads only if the buffer holds no end of line.
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

// skipByteOrderMark skips the mark if it is there, and waits for more bytes only
// while it could be.
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

// fill reads once, behind the bytes that are still there: no end of line is among
// them.
func (l *lineReader) fill() {
	if l.r == nil {
		l.err = errNoReader
		return
	}
	to := l.buf
	switch {
	case l.buf == nil || l.filled && len(l.buf) < maxRead:
		to = make([]byte, max(minRead, 2*len(l.buf)))
	case l.quiet >= quietReads && len(l.buf) > minRead:
		to = make([]byte, max(minRead, len(l.buf)/4))
	}
	if len(to) != len(l.buf) {
		l.quiet = 0
	}
	have := l.end - l.pos
	if l.pos > 0 || len(to) != len(l.buf) { // or a line that trickles in would be moved at every byte
		copy(to, l.buf[l.pos:l.end])
		l.buf, l.pos, l.end = to, 0, have
	}
	for range 100 {
		n, err := l.r.Read(l.buf[have:])
		l.end += n
		l.filled = l.end == len(l.buf)
		if l.quiet++; l.end > len(l.buf)/8 {
			l.quiet = 0
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

// reset starts over with another stream. The buffer is kept.
func (l *lineReader) reset(r io.Reader) { *l = lineReader{r: r, buf: l.buf} }
