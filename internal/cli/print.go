package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An outputError is an error of the standard output, not of the network.
type outputError struct{ err error }

func (e *outputError) Error() string { return "standard output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// A printer writes events, each with one call of Write, so that a reader gets it
// whole and at once.
type printer struct {
	w    io.Writer
	json bool
	line bytes.Buffer
	buf  []byte
}

func (p *printer) event(ev sse.ServerSentEvent[string]) error {
	if p.json {
		return p.write(p.jsonLine(ev))
	}
	return p.write(append(p.buf[:0], readable(ev)...))
}

// comment writes a comment as it looks on the wire; a heartbeat is a colon alone.
func (p *printer) comment(text string) error {
	return p.write(append(p.buf[:0], strings.TrimSpace(": "+escape(text))+"\n"...))
}

func (p *printer) write(b []byte) error {
	p.buf = b
	if _, err := p.w.Write(b); err != nil {
		return &outputError{err}
	}
	return nil
}

// readable returns the event for people: its id, its name and its data on one line,
// or each line of the data, indented, on one of its own. The id and the name are
// one word each, so nothing in them looks like the next part.
func readable(ev sse.ServerSentEvent[string]) string {
	id := "-"
	if ev.ID != "" {
		id = word(ev.ID)
	}
	head := id + " " + word(show.EventName(ev.Event))
	switch {
	case ev.Data == "":
		return head + "\n"
	case !strings.Contains(ev.Data, "\n"):
		return head + " " + escape(ev.Data) + "\n"
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	for line := range strings.SplitSeq(ev.Data, "\n") {
		b.WriteString("    " + escape(line) + "\n")
	}
	return b.String()
}

// jsonLine returns the event as a line of JSON, in the form in which handlers
// send it. Data that is a JSON object or array is unchanged, other data becomes a
// string. The result is valid until the next call.
func (p *printer) jsonLine(ev sse.ServerSentEvent[string]) []byte {
	object := struct {
		ID    string `json:"id,omitempty"`
		Event string `json:"event,omitempty"`
		Data  any    `json:"data"`
	}{ev.ID, ev.Event, ev.Data}
	if data := []byte(ev.Data); show.IsCollection(data) {
		object.Data = json.RawMessage(data)
	}
	p.line.Reset()
	enc := json.NewEncoder(&p.line)
	enc.SetEscapeHTML(false) // as handlers do: the output is not HTML
	if err := enc.Encode(object); err != nil {
		panic(err) // impossible: the fields are strings and valid JSON
	}
	return appendASCII(p.buf[:0], p.line.Bytes())
}
