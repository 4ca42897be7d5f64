package cli

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// acts reports whether a terminal might act on r instead of showing it, or hide or
// reorder text because of it: control characters, C1 included, and formatting
// characters. The joiners do not count: emoji and Indic scripts need them.
func acts(r rune) bool {
	const zwnj, zwj = '\u200c', '\u200d'
	return r != '\t' && r != zwnj && r != zwj && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}

// escape returns s with the characters that a terminal might act on, line feeds
// included, written as Go does: \x1b, \u202e. A backslash stays as it is:
// this form is for people, JSON is for programs.
func escape(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, acts) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if acts(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// oneLine returns s, escaped, with its lines joined by semicolons.
func oneLine(s string) string {
	return escape(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; "))
}

// word returns s as one word. It quotes s as Go does if s does not look like one
// word, or looks like the dash that stands for "no id".
func word(s string) string {
	plain := func(r rune) bool { return unicode.IsPrint(r) && r != ' ' && r != '"' }
	if s == "-" || s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// appendASCII appends a line of JSON to dst, with the characters escaped that a
// terminal might act on. JSON leaves only DEL and characters above ASCII unescaped;
// they occur only in strings, where \u means the same.
func appendASCII(dst, line []byte) []byte {
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r < 0x7f || !acts(r):
			dst = append(dst, line[:n]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			dst = appendEscaped(appendEscaped(dst, hi), lo)
		default:
			dst = appendEscaped(dst, r)
		}
		line = line[n:]
	}
	return dst
}

func appendEscaped(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
