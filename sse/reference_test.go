package sse_test

import (
	"math/big"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A reading is what was read from a stream.
type reading struct {
	events   []sse.Event
	tooLarge int // events and other blocks that exceed the limit
	comments []string
	lastID   string
	retry    time.Duration
	hasRetry bool
	// unfinished is the length of the last line if the line has no end.
	unfinished int
}

// reference reads a whole stream step by step as the standards describe it: decode
// (Encoding standard, section 6), split into lines (HTML standard, 9.2.5), interpret
// (9.2.6). It is slow and plain, so that it can be compared with their text. It leaves
// out what exceeds limit, as Decoder.MaxEventSize promises.
func reference(stream []byte, limit int) reading {
	text := strings.TrimPrefix(decodeUTF8(stream), "\uFEFF")

	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	last := len(lines) - 1 // the last line has no end
	out := reading{unfinished: len(lines[last])}
	lines = lines[:last]

	var data, comments []string
	var ev sse.Event
	tooLarge := false
	for _, line := range lines {
		if line == "" {
			if ev.HasID {
				out.lastID = ev.ID
			}
			switch {
			case tooLarge:
				out.tooLarge++
			case data != nil:
				ev.Data = []byte(strings.Join(data, "\n"))
				ev.Comment = strings.Join(comments, "\n")
				ev.LastEventID = out.lastID
				out.events = append(out.events, ev)
			}
			data, comments, ev, tooLarge = nil, nil, sse.Event{}, false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case strings.HasPrefix(line, ":"):
			comments = append(comments, value)
			if len(value) <= limit {
				out.comments = append(out.comments, value)
			}
		case name == "data":
			data = append(data, value)
		case name == "event", name == "id", name == "retry":
			if len(value) > limit {
				tooLarge = true
				continue
			}
			switch name {
			case "event":
				ev.Event = value
			case "id":
				if !strings.Contains(value, "\x00") {
					ev.ID, ev.HasID = value, true
				}
			case "retry":
				if value != "" && strings.Trim(value, "0123456789") == "" {
					out.retry, out.hasRetry = milliseconds(value), true
					ev.Retry, ev.HasRetry = out.retry, true
				}
			}
		}
		if len(strings.Join(data, "\n"))+len(strings.Join(comments, "\n")) > limit {
			tooLarge = true
		}
	}
	if tooLarge {
		out.tooLarge++ // reported although its block has no end
	}
	return out
}

func milliseconds(digits string) time.Duration {
	n, _ := new(big.Int).SetString(digits, 10)
	if most := big.NewInt(int64(1<<63-1) / int64(time.Millisecond)); n.Cmp(most) > 0 {
		n = most
	}
	return time.Duration(n.Int64()) * time.Millisecond
}

// decodeUTF8 is the UTF-8 decoder of the Encoding standard, 8.1.1, with its names.
func decodeUTF8(p []byte) string {
	var out strings.Builder
	codePoint, needed, seen := rune(0), 0, 0
	lower, upper := byte(0x80), byte(0xBF)
	for i := 0; i < len(p); i++ {
		b := p[i]
		if needed == 0 {
			switch {
			case b <= 0x7F:
				out.WriteByte(b)
			case b >= 0xC2 && b <= 0xDF:
				needed, codePoint = 1, rune(b&0x1F)
			case b >= 0xE0 && b <= 0xEF:
				if b == 0xE0 {
					lower = 0xA0
				}
				if b == 0xED {
					upper = 0x9F
				}
				needed, codePoint = 2, rune(b&0xF)
			case b >= 0xF0 && b <= 0xF4:
				if b == 0xF0 {
					lower = 0x90
				}
				if b == 0xF4 {
					upper = 0x8F
				}
				needed, codePoint = 3, rune(b&0x7)
			default:
				out.WriteRune('\uFFFD')
			}
			continue
		}
		inRange := lower <= b && b <= upper
		lower, upper = 0x80, 0xBF
		if !inRange {
			codePoint, needed, seen = 0, 0, 0
			out.WriteRune('\uFFFD')
			i-- // process this byte again
			continue
		}
		codePoint = codePoint<<6 | rune(b&0x3F)
		if seen++; seen == needed {
			out.WriteRune(codePoint)
			codePoint, needed, seen = 0, 0, 0
		}
	}
	if needed != 0 {
		out.WriteRune('\uFFFD')
	}
	return out.String()
}
