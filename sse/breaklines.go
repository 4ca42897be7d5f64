package sse

import (
	"bytes"
	"slices"
)

// breakLines splits the text dst[start:], which stands behind the prefix of its
// field, into one field line for each line of the text. CR, LF and CRLF end
// lines.
func breakLines(dst []byte, start int, prefix string) []byte {
	cr := bytes.Count(dst[start:], []byte{'\r'})
	breaks := bytes.Count(dst[start:], []byte{'\n'}) + cr
	if breaks == 0 {
		return dst
	}

	// Move the text up by the space that all prefixes need, then write the lines
	// from the front: writing never overtakes reading.
	room := breaks * len(prefix)
	n := len(dst)
	dst = slices.Grow(dst, room)[:n+room]
	text := dst[start+room:]
	copy(text, dst[start:n])

	end := start
	for {
		var i int
		if cr == 0 {
			i = bytes.IndexByte(text, '\n')
		} else {
			i = bytes.IndexAny(text, "\r\n")
		}
		if i < 0 {
			return dst[:end+copy(dst[end:], text)]
		}
		next := i + 1
		if text[i] == '\r' && next < len(text) && text[next] == '\n' {
			next++
		}
		end += copy(dst[end:], text[:i])
		dst[end] = '\n'
		end += 1 + copy(dst[end+1:], prefix)
		text = text[next:]
	}
}
