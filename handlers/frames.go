package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/show"
	"github.com/fluxwire-go/fluxwire/sse"
)

// frames writes a topic's events as they are, or as many of them as the client
// still wants.
func (w *wire) frames(ctx context.Context, b hub.Batch, text textual) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	defer w.release()
	if err := w.usable(ctx); err != nil {
		return err
	}
	frames, n := b.Frames, uint64(b.Count)
	if w.take > 0 {
		if left := w.take - w.st.events.Load(); n > left {
			frames, n = firstFrames(frames, int(left)), left
		}
	}
	switch {
	case w.st.format == ndjson:
		lines, err := w.lines.append(w.buf[:0], frames, text)
		if err != nil {
			return err
		}
		w.keep(lines)
		frames = lines
	case !w.started:
		// Not kept: what is replayed first may be large, what follows is not copied.
		frames = append(w.preamble(w.buf[:0]), frames...)
	}
	if err := w.send(frames); err != nil {
		return err
	}
	w.position, w.told = b.Last, b.Last
	w.counted(n)
	return nil
}

// frames adds a topic's events, each by itself, to the array.
func (a *array) frames(ctx context.Context, b hub.Batch, text textual) error {
	for frame := range eachFrame(b.Frames) {
		err := a.write(ctx, func(dst []byte) ([]byte, error) { return a.lines.append(dst, frame, text) })
		if err != nil {
			return err
		}
	}
	return nil
}

var blankLine = []byte("\n\n")

// eachFrame ranges over the frames, each with its blank line. There is no blank
// line inside a frame: every line of its data has a field name.
func eachFrame(frames []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(frames) > 0 {
			end := bytes.Index(frames, blankLine) + len(blankLine)
			if !yield(frames[:end]) {
				return
			}
			frames = frames[end:]
		}
	}
}

// firstFrames returns the first n of the frames.
func firstFrames(frames []byte, n int) []byte {
	end := 0
	for frame := range eachFrame(frames) {
		if n == 0 {
			break
		}
		n--
		end += len(frame)
	}
	return frames[:end]
}

// A liner turns frames into lines of JSON. It is used by one goroutine at a time.
type liner struct {
	in  bytes.Reader
	dec *sse.Decoder
}

func (l *liner) append(dst, frames []byte, text textual) ([]byte, error) {
	l.in.Reset(frames)
	if l.dec == nil {
		l.dec = sse.NewDecoder(&l.in)
		l.dec.MaxEventSize = 1 << 30 // the topic has its own limit
	} else {
		l.dec.Reset(&l.in)
	}
	for {
		ev, err := l.dec.Decode()
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
		data := ev.Data
		if text == always || text == sniffed && !show.IsCollection(data) {
			data = appendString(nil, data)
		} else if bytes.IndexByte(data, '\n') >= 0 {
			var line bytes.Buffer
			if err := json.Compact(&line, data); err != nil {
				return dst, err
			}
			data = line.Bytes()
		}
		dst = append(appendObject(dst, ev.ID, ev.Event, data), '\n')
	}
}

// textual says whether a topic's data is text, to become a JSON string.
type textual int

const (
	never   textual = iota
	always          // strings, bytes, and what marshals to text
	sniffed         // an interface: the frames do not tell what it held
)

// textRule returns what holds for data of type T.
func textRule[T any](c sse.Codec) textual {
	if reflect.TypeFor[T]().Kind() == reflect.Interface {
		return sniffed
	}
	var zero T
	if sse.NewEncoder[T](c).IsText(zero) {
		return always
	}
	return never
}
