package sse

import (
	"bytes"
	"fmt"
	"iter"
)

// A frame is the wire block of one event as an [Encoder] writes it, perhaps with
// an id line in front: lines that end with LF, the event's name before its data,
// and one blank line, which is the last. Servers store frames one after the other
// and send them as they are. The functions in this file return pieces of frames,
// not copies, and do not allocate.

// blankLine ends a frame: the line end of the last field, and an empty line. It
// occurs nowhere else in a frame, because every line has a field name.
var blankLine = []byte("\n\n")

const idPrefix = "id: "

// AppendIDLine appends an id line to dst, with the text that id appends. The text
// must have no line break and no NUL. If id fails, AppendIDLine returns its error,
// and dst unchanged.
func AppendIDLine(dst []byte, id func(dst []byte) ([]byte, error)) ([]byte, error) {
	out, err := id(append(dst, idPrefix...))
	if err != nil {
		return dst, err
	}
	return append(out, '\n'), nil
}

// CutIDLine returns the id in the first line of a frame, and the frame without
// that line. If the first line is not an id line as [AppendIDLine] and [Encoder]
// write it, ok is false, and block is the whole frame.
func CutIDLine(frame []byte) (id, block []byte, ok bool) {
	rest, ok := bytes.CutPrefix(frame, []byte(idPrefix))
	if !ok {
		return nil, frame, false
	}
	id, block, ok = bytes.Cut(rest, []byte{'\n'})
	if !ok {
		return nil, frame, false
	}
	return id, block, true
}

// CutFrame returns the first of the frames and the rest. If there is no whole
// frame, it returns all bytes as frame, and an empty rest.
func CutFrame(frames []byte) (frame, rest []byte) {
	end := FrameEnd(frames, 0)
	return frames[:end:end], frames[end:]
}

// Frames returns an iterator over the frames, each with its blank line. If bytes
// follow the last blank line, they are yielded last.
func Frames(frames []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(frames) > 0 {
			var frame []byte
			frame, frames = CutFrame(frames)
			if !yield(frame) {
				return
			}
		}
	}
}

// FrameEnd returns the position after the frame that contains byte at, or
// len(frames) if that frame is not whole. at may be anywhere in the frame, even in
// its blank line.
func FrameEnd(frames []byte, at int) int {
	from := max(0, at-len(blankLine)+1) // at may be the second byte of the blank line
	i := bytes.Index(frames[from:], blankLine)
	if i < 0 {
		return len(frames)
	}
	return from + i + len(blankLine)
}

// FirstFrames returns the first n of the frames, or all if there are fewer.
func FirstFrames(frames []byte, n int) []byte {
	end := 0
	for ; n > 0 && end < len(frames); n-- {
		end += FrameEnd(frames[end:], 0)
	}
	return frames[:end:end]
}

// LastFrame returns the last of the frames, which must be whole.
func LastFrame(frames []byte) []byte {
	i := bytes.LastIndex(frames[:max(0, len(frames)-len(blankLine))], blankLine)
	if i < 0 {
		return frames
	}
	return frames[i+len(blankLine):]
}

// WholeFrames returns the number of whole frames that b begins with, and the
// position after the last of them.
func WholeFrames(b []byte) (n, end int) {
	end = bytes.LastIndex(b, blankLine)
	if end < 0 {
		return 0, 0
	}
	end += len(blankLine)
	return bytes.Count(b[:end], blankLine), end
}

// FrameName returns the name of a frame's event, or nil if it has no name. It stops
// at the first line of data, which follows the name.
func FrameName(frame []byte) []byte {
	var name []byte
	for line := range lines(frame) {
		switch kind, value := cutField(line); kind {
		case fieldEvent:
			name = value
		case fieldData:
			return name
		}
	}
	return name
}

// ParseFrame returns the name of a frame's event, or nil if it has no name, and its
// data with the lines joined by LF. Data of one line is a piece of frame. Data of
// several lines is written to buf, over what buf holds, and is valid until buf is
// used again; scratch is buf, grown if need be, for the next call. ParseFrame does
// not check that text is UTF-8.
func ParseFrame(frame, buf []byte) (name, data, scratch []byte) {
	n := 0
	for line := range lines(frame) {
		switch kind, value := cutField(line); kind {
		case fieldEvent:
			name = value
		case fieldData:
			switch n++; n {
			case 1:
				data = value
			case 2: // it can no longer be a piece of frame
				buf = append(append(buf[:0], data...), '\n')
				buf = append(buf, value...)
			default:
				buf = append(append(buf, '\n'), value...)
			}
		}
	}
	if n > 1 {
		data = buf
	}
	return name, data, buf
}

// lines returns an iterator over the non-empty lines of a frame.
func lines(frame []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(frame) > 0 {
			var line []byte
			line, frame, _ = bytes.Cut(frame, []byte{'\n'})
			if len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// A BlockError says why a block is not exactly one event.
type BlockError struct {
	// Offset is the position of the first wrong byte, or -1 if something is missing.
	Offset int
	// Reason is what is wrong, without the name of this package.
	Reason string
}

func (e *BlockError) Error() string { return "sse: block: " + e.Reason }

func blockError(at int, format string) error {
	return &BlockError{at, fmt.Sprintf(format, at)}
}

// CheckBlock reports, as a [*BlockError], whether block can be stored as one
// event to which a log adds the id line: its lines end with LF, its only blank
// line is the last one, and it has no id line.
func CheckBlock(block []byte) error {
	switch i := bytes.Index(block, blankLine); {
	case i < 0:
		return &BlockError{-1, "it does not end with a blank line"}
	case block[0] == '\n':
		return blockError(0, "a blank line at byte %d, before any field")
	case i != len(block)-len(blankLine):
		return blockError(i+1, "a blank line at byte %d, before its end")
	}
	if i := bytes.IndexByte(block, '\r'); i >= 0 {
		return blockError(i, "CR at byte %d: lines must end with LF")
	}
	if isID(block) {
		return blockError(0, "an id line at byte %d: the log writes it")
	}
	for at := 0; ; {
		i := bytes.Index(block[at:], lineID)
		if i < 0 {
			return nil
		}
		at += i + 1
		if isID(block[at:]) {
			return blockError(at, "an id line at byte %d: the log writes it")
		}
	}
}

var lineID = []byte("\nid")

// isID reports whether line, which has a line end, begins with a field named id.
func isID(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, lineID[1:])
	return ok && (rest[0] == ':' || rest[0] == '\n')
}
