// Package stream reads HTTP/1.1 responses that are event streams, from any number of
// connections in one goroutine: the caller feeds bytes as they arrive.
//
// It reads only what event stream servers write: a status line and headers, a
// body that is chunked or ends with the connection, lines that end in LF or CRLF.
package stream

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Event is one dispatched event. Its slices are valid until the callback returns.
type Event struct {
	Name []byte // empty means message
	Data []byte
}

// A Parser reads one response. Use [Parser.Reset] to begin the next one.
type Parser struct {
	state   state
	chunked bool
	chunk   uint64 // bytes left of the chunk
	framing []byte // the beginning of a line of the head or around a chunk
	line    []byte // the beginning of a line of the body
	status  int

	name, data, id []byte // of the block that is being read
	hasData, hasID bool
	lastID         []byte
}

type state int

const (
	atStatus state = iota
	inHeaders
	inBody
	atChunkSize
	inChunk
	atChunkEnd
	inTrailer
	ended
)

// maxLine bounds the size of a line, and of an event.
const maxLine = 1 << 20

var errTooLong = errors.New("stream: a line or an event is longer than 1 MiB")

// Reset makes p ready for the next response. The last event id stays.
func (p *Parser) Reset() {
	*p = Parser{
		framing: p.framing[:0], line: p.line[:0],
		name: p.name[:0], data: p.data[:0], id: p.id[:0],
		lastID: p.lastID,
	}
}

// Status is the response's status, 0 until the head is complete.
func (p *Parser) Status() int {
	if p.state <= inHeaders {
		return 0
	}
	return p.status
}

// Ended reports whether a chunked body has come to its end.
func (p *Parser) Ended() bool { return p.state == ended }

// Chunked reports whether the body is chunked, so that its end can be told from a cut.
func (p *Parser) Chunked() bool { return p.chunked }

// LastEventID is the last id in a complete block. It is valid until the next call of
// Feed.
func (p *Parser) LastEventID() []byte { return p.lastID }

// Feed reads b, and calls on for each complete event.
func (p *Parser) Feed(b []byte, on func(Event)) error {
	for len(b) > 0 {
		switch p.state {
		case inBody:
			return p.body(b, on)
		case inChunk:
			n := min(uint64(len(b)), p.chunk)
			if err := p.body(b[:n], on); err != nil {
				return err
			}
			b = b[n:]
			if p.chunk -= n; p.chunk == 0 {
				p.state = atChunkEnd
			}
		case ended:
			return fmt.Errorf("stream: %d bytes after the last chunk", len(b))
		default:
			line, rest, ok, err := cut(&p.framing, b)
			if err != nil {
				return err
			}
			if b = rest; !ok {
				return nil
			}
			if err := p.frame(line); err != nil {
				return err
			}
			p.framing = p.framing[:0]
		}
	}
	return nil
}

// cut returns the line that begins with *kept and ends in b, without its end. If b has
// no end of a line, cut adds b to *kept.
func cut(kept *[]byte, b []byte) (line, rest []byte, ok bool, err error) {
	line, rest, ok = bytes.Cut(b, []byte{'\n'})
	if !ok {
		if len(*kept)+len(b) > maxLine {
			return nil, nil, false, errTooLong
		}
		*kept = append(*kept, b...)
		return nil, nil, false, nil
	}
	if len(*kept) > 0 {
		*kept = append(*kept, line...)
		line = *kept
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, rest, true, nil
}

// frame reads a line of the head, or one before or after a chunk.
func (p *Parser) frame(line []byte) error {
	switch p.state {
	case atStatus:
		proto, rest, _ := strings.Cut(string(line), " ")
		code, _, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if err != nil || !strings.HasPrefix(proto, "HTTP/1.") {
			return fmt.Errorf("stream: %.40q is not a status line", line)
		}
		p.status, p.state = status, inHeaders
	case inHeaders:
		if len(line) == 0 {
			p.state = inBody
			if p.chunked {
				p.state = atChunkSize
			}
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		if strings.EqualFold(name, "Transfer-Encoding") && strings.EqualFold(strings.TrimSpace(value), "chunked") {
			p.chunked = true
		}
	case atChunkSize:
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(size, 16, 63)
		if err != nil {
			return fmt.Errorf("stream: %.40q is not the size of a chunk", line)
		}
		p.chunk, p.state = n, inChunk
		if n == 0 {
			p.state = inTrailer
		}
	case atChunkEnd:
		if len(line) > 0 {
			return fmt.Errorf("stream: %.40q after a chunk", line)
		}
		p.state = atChunkSize
	case inTrailer:
		if len(line) == 0 {
			p.state = ended
		}
	}
	return nil
}

// body reads bytes of the event stream (HTML standard, 9.2.6).
func (p *Parser) body(b []byte, on func(Event)) error {
	for len(b) > 0 {
		line, rest, ok, err := cut(&p.line, b)
		if err != nil {
			return err
		}
		if b = rest; !ok {
			return nil
		}
		if err := p.field(line, on); err != nil {
			return err
		}
		p.line = p.line[:0]
	}
	return nil
}

func (p *Parser) field(line []byte, on func(Event)) error {
	if len(line) == 0 {
		p.dispatch(on)
		return nil
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		if len(p.data)+len(value) > maxLine {
			return errTooLong
		}
		if p.hasData {
			p.data = append(p.data, '\n')
		}
		p.data, p.hasData = append(p.data, value...), true
	case "event":
		p.name = append(p.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.id, p.hasID = append(p.id[:0], value...), true
		}
	}
	return nil
}

func (p *Parser) dispatch(on func(Event)) {
	if p.hasID {
		p.lastID = append(p.lastID[:0], p.id...)
	}
	if p.hasData {
		on(Event{Name: p.name, Data: p.data})
	}
	p.name, p.data = p.name[:0], p.data[:0]
	p.hasData, p.hasID = false, false
}
