package sse

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"time"
	"unicode/utf8"
)

// DefaultMaxEventSize is the default of [Decoder.MaxEventSize]: 1 MiB.
const DefaultMaxEventSize = 1 << 20

// A Decoder reads the events of a text/event-stream by the rules of the HTML
// standard, sections 9.2.5 and 9.2.6. It may be used by one goroutine at a time.
// Its fields must be set before the first call of Decode. The zero Decoder can be
// used once [Decoder.Reset] has given it a reader.
//
// It reads from its reader only when it has no whole line left. So it returns an
// event as soon as the byte that ends the event has arrived, which is the CR if
// lines end with CR or CRLF. Its memory is bounded by MaxEventSize, whatever
// arrives. It does not allocate for each event, only a small block of text every
// few dozen names and ids, and buffers that grow with what arrives and shrink
// again when little has arrived for a while.
type Decoder struct {
	// MaxEventSize is the limit for the data and the comments of one event
	// together, in bytes; its name and its id may each be as long again. An event
	// over the limit is reported by an [*EventTooLargeError]. Lines without a
	// meaning are skipped, however long they are. Defaults to
	// [DefaultMaxEventSize].
	MaxEventSize int

	// OnComment, if set, is called within Decode for each comment line as soon as
	// the line has arrived, so a heartbeat is seen although no event follows. The
	// text is without the colon and one space after it. If the comment's block is
	// an event, the event's Comment holds the text too. OnComment is not called for
	// a line longer than MaxEventSize.
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
	done                    bool // returned to the caller; the next call begins another block

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

// Reset makes d read another stream from r, for a client that has reconnected. It
// drops what was left of the old stream, and keeps the last event id, the
// reconnection time and the settings.
func (d *Decoder) Reset(r io.Reader) {
	d.lines.reset(r)
	d.endBlock()
	d.inLong = false
}

// LastEventID returns the last event id, which a client sends as Last-Event-ID when
// it reconnects. A block with an id sets it when its blank line arrives, even if the
// block has no data.
func (d *Decoder) LastEventID() string { return d.lastID }

// SetLastEventID sets the last event id that the stream starts with: the one that
// the client has sent.
func (d *Decoder) SetLastEventID(id string) { d.lastID = id }

// Retry returns the reconnection time that the stream has set last, and whether it
// has set one. It takes effect at the end of its line, even if the block is
// discarded. A time too long for a time.Duration becomes the longest Duration.
func (d *Decoder) Retry() (time.Duration, bool) { return d.retry, d.hasRetry }

// Events returns an iterator over the remaining events, as Decode returns them: each
// is valid until the next iteration. It yields an [*EventTooLargeError] and continues
// with the next event. Any other error is yielded and ends the loop. The end of the
// stream ends the loop without an error.
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
// At the end of the stream the error is io.EOF; lines after the last blank line are
// dropped. If the reader fails, Decode returns the events before the failure, and
// then an error that wraps the reader's. Later calls return the same error. After an
// [*EventTooLargeError], Decode can be called again and returns the next event.
// After any error, LastEventID and Retry say how to reconnect.
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

// field adds one field, or a comment, whose line has ended, to the block.
func (d *Decoder) field(kind field, value []byte) error {
	if kind == fieldIgnored {
		return nil
	}
	if len(value) <= d.limit() && !utf8.Valid(value) {
		// Line ends and field names are ASCII, so repairing the value alone gives the
		// same as decoding the whole stream first. A value never gets shorter.
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

// exceeded drops what the block holds, and reports that once. It keeps the id: the
// client must not ask for this event again.
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

// dispatch ends the block, fills ev if the block is an event, and reports whether it
// is. A block without data is not, but its id counts.
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

// endBlock prepares for the next block.
func (d *Decoder) endBlock() {
	for _, b := range []*[]byte{&d.data, &d.comment, &d.name, &d.id, &d.long, &d.repaired} {
		*b = shrink(*b)
	}
	d.hasData, d.hasComment, d.hasID = false, false, false
	d.blockRetry, d.hasBlockRetry = 0, false
	d.tooLarge, d.done = false, false
}

// shrink empties b. It drops a large buffer of which little was used, so that one
// large event does not keep memory for the rest of the connection.
func shrink(b []byte) []byte {
	if cap(b) > 64<<10 && len(b) < cap(b)/4 {
		return []byte{}
	}
	return b[:0]
}
