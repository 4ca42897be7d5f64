package session

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Words is the format of a stream: how a session writes what is not an event of
// its source.
type Words struct {
	Lines  bool // newline-delimited JSON instead of an event stream
	Typed  bool // events have names and ids, so that lines have a place for control events
	Silent bool // the answer is one array: there are no last words
	Topic  bool // ids are positions of a topic
	Text   Text // Lines: whether the data of a topic is text

	// Retry and RetryElsewhere return the reconnection time to ask of one client: of
	// this server, and of one that drains.
	Retry, RetryElsewhere func() time.Duration
}

// Open appends the opening words of a stream that begins at spot. name is what the
// opening comment says.
func (w *Words) Open(dst []byte, name string, spot reading.Spot) []byte {
	if w.Lines {
		return dst
	}
	dst = must(sse.AppendRetry(dst, w.Retry()))
	dst = must(sse.AppendComment(dst, name))
	if spot.Stamp == 0 {
		return dst
	}
	return w.position(dst, spot)
}

// position appends a block that sets the client's last event id and dispatches nothing.
func (w *Words) position(dst []byte, spot reading.Spot) []byte {
	return must(sse.AppendID(dst, spot.Pos().String()))
}

// Gap appends the control event that tells a client that events are missing.
func (w *Words) Gap(dst []byte, g *sse.Gap) []byte { return w.control(dst, g.Control()) }

// Last appends the last words of a stream that ends because of reason. taken reports
// that the client has all the events that it asked for. ok is false if the format cannot
// express that reason, so that the client would take the end for a good one.
func (w *Words) Last(dst []byte, reason Reason, cause []byte, taken bool) (words []byte, ok bool) {
	if w.Silent {
		return dst, true
	}
	if w.Lines && !w.Typed {
		return dst, reason == Complete
	}
	var c sse.Control
	switch reason {
	case Complete:
		c = sse.Control{Name: sse.ControlComplete}
		if taken || !w.Topic {
			c.ID = sse.EndID // nothing is left for this client
		}
	case Error:
		c = sse.Control{Name: sse.ControlError, Data: json.RawMessage(cause)}
	case Shutdown:
		c = bye(reason, w.RetryElsewhere())
	default:
		c = bye(reason, w.Retry())
	}
	return w.control(dst, c), true
}

// Bye returns a goodbye of an event stream that was never opened.
func Bye(reason string, retry time.Duration) []byte {
	return must(sse.Bye{Reason: reason, Retry: retry.Milliseconds()}.Control().Append(nil))
}

func bye(reason Reason, retry time.Duration) sse.Control {
	return sse.Bye{Reason: reason.String(), Retry: retry.Milliseconds()}.Control()
}

// control appends a control event. The server makes them itself, so they always
// encode.
func (w *Words) control(dst []byte, c sse.Control) []byte {
	if !w.Lines {
		return must(c.Append(dst))
	}
	data := must(c.JSON())
	return append(AppendObject(dst, c.ID, c.Name, data), '\n')
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Text says whether a topic's data is text, which lines hold as a JSON string.
type Text uint8

const (
	TextNever   Text = iota
	TextAlways       // strings, bytes, and what marshals to text
	TextSniffed      // an interface: the frames do not tell what it held
)

// lines appends each of the frames as a line of JSON.
func (w *Words) lines(dst, frames []byte) []byte {
	var scratch []byte
	for frame := range sse.Frames(frames) {
		id, block, _ := sse.CutIDLine(frame)
		name, data, next := sse.ParseFrame(block, scratch)
		scratch = next
		dst = append(AppendObjectStart(dst, string(id), string(name)), w.data(data)...)
		dst = append(dst, '}', '\n')
	}
	return dst
}

// data returns the JSON of an event's data, on one line.
func (w *Words) data(data []byte) []byte {
	switch {
	case w.Text == TextAlways, w.Text == TextSniffed && !show.IsCollection(data):
		return AppendString(nil, data)
	case bytes.IndexByte(data, '\n') < 0:
		return data
	}
	var line bytes.Buffer
	if json.Compact(&line, data) != nil {
		return AppendString(nil, data) // a codec called it JSON, and was wrong
	}
	return line.Bytes()
}

// AppendObject appends the JSON form of an event: {"id","event","data"}, without the
// fields that it does not have.
func AppendObject(dst []byte, id, event string, data []byte) []byte {
	return append(append(AppendObjectStart(dst, id, event), data...), '}')
}

// AppendObjectStart is AppendObject up to the data.
func AppendObjectStart(dst []byte, id, event string) []byte {
	dst = append(dst, '{')
	if id != "" {
		dst = append(AppendString(append(dst, `"id":`...), id), ',')
	}
	if event != "" {
		dst = append(AppendString(append(dst, `"event":`...), event), ',')
	}
	return append(dst, `"data":`...)
}

// AppendString appends s as a JSON string (RFC 8259, section 7). Unlike encoding/json
// it leaves <, > and & alone: the response is not HTML.
func AppendString[S []byte | string](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}
