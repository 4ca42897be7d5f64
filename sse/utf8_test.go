package sse

import (
	"strings"
	"testing"
)

func TestAppendRepaired(t *testing.T) {
	// The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11, and the
	// limits of each first byte.
	tests := []struct{ in, want string }{
		{"", ""},
		{"aéя€💩", "aéя€💩"},
		{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A", "????????A"},
		{"\xed\xa0\x80\xed\xbf\xbf\xed\xafA", "????????A"},
		{"\xf4\x91\x92\x93\xffA\x80\xbfB", "?????A??B"},
		{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA", "????A"},
		{"\xc1\xbf\xc2\x80\xdf\xbf", "??\u0080\u07ff"},
		{"\xe0\x9f\xbf\xe0\xa0\x80", "???\u0800"},
		{"\xed\x9f\xbf\xed\xa0\x80", "\ud7ff???"},
		{"\xf0\x8f\xbf\xbf\xf0\x90\x80\x80", "????\U00010000"},
		{"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "\U0010ffff????"},
		{"\xf5\x80\xff", "???"},
		{"\xf0", "?"},
		{"\xf0\x9f", "?"},
		{"\xf0\x9f\x92", "?"},
		{"\xf0\x9f\x92\xf0\x9f\x92\xa9", "?💩"},
		{"\xe2\x82\n\xac", "?\n?"},
		{"\uFFFD\xff", "\uFFFD?"},
	}
	for _, tt := range tests {
		want := strings.ReplaceAll(tt.want, "?", "\uFFFD")
		if got := appendRepaired([]byte(">"), []byte(tt.in)); string(got) != ">"+want {
			t.Errorf("appendRepaired(%q) = %q, want %q", tt.in, got[1:], want)
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	tests := []struct {
		in   string
		want int
	}{
		{"", -1},
		{"aéя€💩\x00", -1},
		{"\uFFFD", -1},
		{"é\xff", 2},
		{"€\xe2\x82", 3},
		{strings.Repeat("x", 100) + "\xed\xa0\x80", 100},
	}
	for _, tt := range tests {
		if got := invalidUTF8([]byte(tt.in)); got != tt.want {
			t.Errorf("invalidUTF8(%q) = %d, want %d", tt.in, got, tt.want)
		}
	}
}
