package eventlog

import (
	"bytes"
	"fmt"
	"strings"
)

// MaxKey is how many bytes a [Record.Key] has at most.
const MaxKey = 1024

// A Record is an event to be appended.
type Record struct {
	// Block is the event's wire block without its id line: lines that end with LF, then
	// a blank line.
	Block []byte
	// Key is the idempotency key: within the engine's key window only the first of the
	// records with one key is stored. Empty means none. It has at most [MaxKey] bytes
	// and no CR, LF or NUL.
	Key string
	// Expect, if it is not nil, is the number that the last event must have for the
	// record to be stored; 0 means that there must not have been any.
	Expect *uint64
}

// Check tells whether a log whose blocks have at most maxBlock bytes may store r: an
// error that matches [ErrBadRecord] when a block would not be exactly one event, or
// would bring an id of its own, and a *[TooLargeError] when a part is too large. It is
// for engines, which call it first in Append.
func (r *Record) Check(maxBlock int) error {
	if len(r.Block) > maxBlock {
		return &TooLargeError{What: "block", Size: len(r.Block), Max: maxBlock}
	}
	if len(r.Key) > MaxKey {
		return &TooLargeError{What: "key", Size: len(r.Key), Max: MaxKey}
	}
	if i := strings.IndexAny(r.Key, "\r\n\x00"); i >= 0 {
		return fmt.Errorf("%w: key: %q at byte %d", ErrBadRecord, r.Key[i], i)
	}
	n := len(r.Block)
	switch i := bytes.Index(r.Block, blankLine); {
	case n == 0 || i < 0:
		return fmt.Errorf("%w: block: it does not end with a blank line", ErrBadRecord)
	case r.Block[0] == '\n':
		return fmt.Errorf("%w: block: it begins with a blank line", ErrBadRecord)
	case i != n-len(blankLine):
		return fmt.Errorf("%w: block: a blank line at byte %d, before its end", ErrBadRecord, i+1)
	}
	if i := bytes.IndexByte(r.Block, '\r'); i >= 0 {
		return fmt.Errorf("%w: block: CR at byte %d: lines end with LF here", ErrBadRecord, i)
	}
	if isID(r.Block) {
		return fmt.Errorf("%w: block: an id line at byte 0: the log writes it", ErrBadRecord)
	}
	for rest, at := r.Block, 0; ; {
		i := bytes.Index(rest, lineID)
		if i < 0 {
			return nil
		}
		at += i + 1
		if rest = r.Block[at:]; isID(rest) {
			return fmt.Errorf("%w: block: an id line at byte %d: the log writes it", ErrBadRecord, at)
		}
	}
}

var (
	blankLine = []byte("\n\n")
	lineID    = []byte("\nid")
)

// isID tells whether line begins with a field named id.
func isID(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, lineID[1:])
	return ok && (rest[0] == ':' || rest[0] == '\n') // there is a line end, so there is a byte
}
