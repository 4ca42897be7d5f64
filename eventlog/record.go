package eventlog

import (
	"fmt"
	"strings"

	"github.com/fluxwire-go/fluxwire/sse"
)

// MaxMessageID is the greatest number of bytes in a [Record.MessageID].
const MaxMessageID = 1024

// A Record is an event to be appended.
type Record struct {
	// Block is the event's wire block without its id line: lines that end with LF, then
	// a blank line.
	Block []byte
	// MessageID names this attempt to tell something, so that it can be repeated: of the
	// records with the same message id only the first is stored, as long as the engine
	// remembers the id. It never goes out, and has nothing to do with the event's id on
	// the wire, which is its position. Empty means that the record has no message id. It
	// has at most [MaxMessageID] bytes and no CR, LF or NUL.
	MessageID string
	// Expect, if it is not nil, is the number that the last event must have for the
	// record to be stored; 0 means that no event may have been stored before.
	Expect *uint64
}

// Check reports whether a log whose blocks have at most maxBlock bytes may store r. Its
// error matches [ErrBadRecord] and an [*sse.BlockError] if the block is not exactly one
// event, or brings an id of its own, and is a *[TooLargeError] if a part is too large. It is for engines, which
// call it first in Append.
func (r *Record) Check(maxBlock int) error {
	if len(r.Block) > maxBlock {
		return &TooLargeError{What: "block", Size: len(r.Block), Max: maxBlock}
	}
	if len(r.MessageID) > MaxMessageID {
		return &TooLargeError{What: "message id", Size: len(r.MessageID), Max: MaxMessageID}
	}
	if i := strings.IndexAny(r.MessageID, "\r\n\x00"); i >= 0 {
		return fmt.Errorf("%w: message id: %q at byte %d", ErrBadRecord, r.MessageID[i], i)
	}
	if err := sse.CheckBlock(r.Block); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	return nil
}
