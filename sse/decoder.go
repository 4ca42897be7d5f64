package sse

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"time"
	"unicode/utf8"
)

// DefaultMaxEventSize is the largest event a [Decoder] takes unless told
// otherwise: 1 MiB.
const DefaultMaxEventSize = 1 << 20

// A Decoder reads the events of a text/event-stream, as the HTML standard has it
// in sections 9.2.5 and 9.2.6. It is used by one goroutine at a time. Its fields
// are set before the first call of Decode.
//
// It reads from its reader only when it has no whole line left, so an event is
// there as soon as the byte that ends it has arrived: the CR, if lines end with
// CR or CRLF. Its memory is bounded by MaxEventSize, whatever arrives, and it does
// not allocate for an event, but for a small block of text every few dozen names
// and ids, and for buffers that grow with what arrives and shrink again when it
// is little for a while.
type Decoder struct {
	// MaxEventSize is the limit for the data and the comments of one event
	// together, in bytes; its name and its id may each be as long. An event that
	// exceeds it is reported by an [*EventTooLargeError]. Lines that mean nothing
	// are skipped, however long. Defaults to DefaultMaxEventSize.
	MaxEventSize int

	// OnComment, if set, is called for each comment line as soon as the line has
	// arrived, within Decode: a heartbeat is seen although no event follows. The
	// text is without the colon and one space after it. If an event comes of the
	// comment's block, it has the text once more, in its Comment. A line longer
	// than MaxEventSize is not shown.
	OnComment func(text string)

	lines lineReader
	texts arena

	lastID   string
	retry    time.Duration
	hasRetry bool

	// The block that is being read.
	data, comment, name, id []byte
	hasData, hasComment     bool
	hasID                   bool
	blockRetry              time.Duration
	hasBlockRetry           bool
	tooLarge                bool // reported; the rest of the block is dropped
	done                    bool // handed out; the next call starts another

	// A line that is longer than the read buffer.
	long     []byte
	longKind field
	inLong   bool

	repaired []byte
	lastName string
}

// NewDecoder returns a Decoder that reads from r.
func NewDecoder(r io.Reader) *Decoder {
	d := new(Decoder)
	d.Reset(r)
	return d
}

// Reset makes d read another stream from r, as a client does that has connected
// again: what was left of the old stream is dropped, the last event id, the
// reconnection time and the settings stay.
func (d *Decoder) Reset(r io.Reader) {
	d.lines.reset(r)
	d.endBlock()
	d.inLong = false
}

// LastEventID returns the last event id: what a client sends as Last-Event-ID
// when it reconnects. A block moves it when its blank line arrives, also one
// without data.
func (d *Decoder) LastEventID() string { return d.lastID }

// SetLastEventID sets the last event id that the stream starts with, which is the
// one the client asked for.
func (d *Decoder) SetLastEventID(id string) { d.lastID = id }

// Retry returns the reconnection time the stream has set last, and whether it has
// set one. It counts from the end of its line on, whatever becomes of the block.
// One too long for a time.Duration is the longest there is.
func (d *Decoder) Retry() (time.Duration, bool) { return d.retry, d.hasRetry }

// Events returns the events that are still to come, as Decode returns them: each
// is valid until the loop goes on. An [*EventTooLargeError] is yielded and the
// loop goes on with the next event; any other error is yielded and ends it; the
// end of the stream ends it without an error.
func (d *Decoder) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			ev, err := d.Decode()
			if err == io.EOF || !yield(ev, err) {
				return
			}
			if _, ok := errors.AsType[*EventTooLargeError](err); err != nil && !ok {
				return
			}
		}
	}
}

// Decode returns the next event. Its Data is valid until the next call: use
// [Event.Clone] to keep it.
//
// At the end of the stream the error is io.EOF; what the stream held after its
// last blank line is no event. If the reader fails, Decode returns the events that
// came before, and then an error that wraps the reader's. Both stay. After an
// [*EventTooLargeError], Decode can be called again and goes on with the event
// after. Whatever the error, LastEventID and Retry tell how to reconnect.
func (d *Decoder) Decode() (ev Event, err error) {
	if d.done {
		d.endBlock()
	}
	for {
		var line []byte
		var whole bool
		line, whole, err = d.lines.next()
		if err != nil {
			return ev, err
		}
		switch {
		case !whole || d.inLong:
			err = d.longLine(line, whole)
		case len(line) == 0:
			if d.dispatch(&ev) {
				return ev, nil
			}
		default:
			kind, value := cutField(line)
			err = d.field(kind, value)
		}
		if err != nil {
			return ev, err
		}
	}
}

// longLine collects the parts of a line that is longer than the read buffer.
func (d *Decoder) longLine(part []byte, last bool) error {
	if !d.inLong {
		d.inLong = true
		d.longKind, part = cutField(part)
		d.long = d.long[:0]
	}
	switch {
	case d.longKind == fieldIgnored:
	case len(d.long)+len(part) > d.limit():
		d.longKind = fieldIgnored
		d.inLong = !last
		return d.exceeded()
	default:
		d.long = append(d.long, part...)
	}
	if !last {
		return nil
	}
	d.inLong = false
	return d.field(d.longKind, d.long)
}

// field takes in one field, or a comment, whose line has ended.
func (d *Decoder) field(kind field, value []byte) error {
	if kind == fieldIgnored {
		return nil
	}
	if len(value) <= d.limit() && !utf8.Valid(value) {
		// Line ends and field names are ASCII, so that repairing the value alone
		// gives what decoding the whole stream first would. It never gets shorter.
		d.repaired = appendRepaired(d.repaired[:0], value)
		value = d.repaired
	}
	if len(value) > d.limit() {
		return d.exceeded()
	}
	switch kind {
	case fieldData:
		return d.hold(&d.data, &d.hasData, value)
	case fieldEvent:
		d.name = append(d.name[:0], value...)
	case fieldID:
		if bytes.IndexByte(value, 0) < 0 {
			d.id = append(d.id[:0], value...)
			d.hasID = true
		}
	case fieldRetry:
		if t, ok := parseRetry(value); ok {
			d.retry, d.hasRetry = t, true
			d.blockRetry, d.hasBlockRetry = t, true
		}
	case fieldComment:
		if d.OnComment != nil {
			d.OnComment(d.texts.text(value))
		}
		return d.hold(&d.comment, &d.hasComment, value)
	}
	return nil
}

// hold adds a line to the block's data or comment.
func (d *Decoder) hold(lines *[]byte, has *bool, line []byte) error {
	if d.tooLarge {
		return nil
	}
	size := len(d.data) + len(d.comment) + len(line)
	if *has {
		size++
	}
	if size > d.limit() {
		return d.exceeded()
	}
	if *has {
		*lines = append(*lines, '\n')
	}
	*lines = append(*lines, line...)
	*has = true
	return nil
}

func (d *Decoder) limit() int {
	if d.MaxEventSize <= 0 {
		return DefaultMaxEventSize
	}
	return d.MaxEventSize
}

// exceeded drops what the block holds, and reports so once. The id stays: its
// event is over when the block ends, and must not be asked for again.
func (d *Decoder) exceeded() error {
	if d.tooLarge {
		return nil
	}
	d.tooLarge = true
	d.data, d.comment = d.data[:0], d.comment[:0]
	return &EventTooLargeError{
		Limit: d.limit(),
		Event: string(d.name),
		ID:    string(d.id),
	}
}

// dispatch ends the block, and fills ev if it makes an event. Without data there
// is none, but an id counts.
func (d *Decoder) dispatch(ev *Event) bool {
	if d.hasID && string(d.id) != d.lastID {
		d.lastID = d.texts.text(d.id)
	}
	if !d.hasData || d.tooLarge {
		d.endBlock()
		return false
	}
	if string(d.name) != d.lastName {
		d.lastName = d.texts.text(d.name)
	}
	ev.Event = d.lastName
	if d.hasID {
		ev.ID, ev.HasID = d.lastID, true
	}
	ev.LastEventID = d.lastID
	if d.data == nil {
		d.data = []byte{} // empty data is not nil
	}
	ev.Data = d.data
	ev.Retry, ev.HasRetry = d.blockRetry, d.hasBlockRetry
	ev.Comment = d.texts.text(d.comment)
	d.done = true
	return true
}

// endBlock makes room for the next block.
func (d *Decoder) endBlock() {
	for _, b := range []*[]byte{&d.data, &d.comment, &d.name, &d.id, &d.long, &d.repaired} {
		*b = shrink(*b)
	}
	d.hasData, d.hasComment, d.hasID = false, false, false
	d.blockRetry, d.hasBlockRetry = 0, false
	d.tooLarge, d.done = false, false
}

// shrink empties b. A large buffer is let go when it was hardly used, so that one
// large event does not weigh on a connection for good.
func shrink(b []byte) []byte {
	if cap(b) > 64<<10 && len(b) < cap(b)/4 {
		return []byte{}
	}
	return b[:0]
}
