package sse

import "unicode/utf8"

// invalidUTF8 returns the position of the first byte of p that is not valid UTF-8,
// or -1.
func invalidUTF8(p []byte) int {
	if utf8.Valid(p) {
		return -1
	}
	i := 0
	for {
		r, n := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}

// appendRepaired appends p to dst with one U+FFFD for each maximal subpart of an
// ill-formed sequence, as the UTF-8 decoder of the Encoding standard does. (Go's own
// conversions write one for each byte, or one for a whole run.)
func appendRepaired(dst, p []byte) []byte {
	for len(p) > 0 {
		valid := 0
		for valid < len(p) {
			r, n := utf8.DecodeRune(p[valid:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			valid += n
		}
		dst = append(dst, p[:valid]...)
		if p = p[valid:]; len(p) > 0 {
			dst = append(dst, "\uFFFD"...)
			p = p[subpart(p):]
		}
	}
	return dst
}

// subpart returns the length of the maximal subpart at the start of p, which is not
// valid UTF-8: as many bytes as could be the beginning of a character, at least one.
func subpart(p []byte) int {
	need, low, high := 0, byte(0x80), byte(0xBF) // continuation bytes, range of the first
	switch c := p[0]; {
	case c < 0xC2:
	case c < 0xE0:
		need = 1
	case c < 0xF0:
		need = 2
		switch c {
		case 0xE0:
			low = 0xA0 // below: overlong
		case 0xED:
			high = 0x9F // above: surrogates
		}
	case c < 0xF5:
		need = 3
		switch c {
		case 0xF0:
			low = 0x90 // below: overlong
		case 0xF4:
			high = 0x8F // above: past U+10FFFF
		}
	}
	n := 1
	for n <= need && n < len(p) && low <= p[n] && p[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}
