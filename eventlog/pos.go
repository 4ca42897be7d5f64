package eventlog

import (
	"fmt"
	"strconv"
	"strings"
)

// Pos is the position of one event in a log. Its text is an event's id on the wire.
// It is opaque to clients and has the same form for every engine: the number, a dot,
// and the stamp in base 36, as in "943203.1z141z3"; or the number alone when the stamp
// is unknown.
//
// As the position after which to read, the zero Pos is before the oldest event that is
// kept, whichever that is. Seq 0 with a stamp is before the first event that the log
// ever stored in the incarnation with that stamp.
type Pos struct {
	// Seq numbers the events of a log from 1 on, without holes.
	Seq uint64
	// Stamp distinguishes incarnations of a log, which give the same numbers to other
	// events. An engine says what it uses: the low 32 bits of the time at which it
	// stored the event, in milliseconds, or a number that no other incarnation has. Zero
	// means unknown, and matches every stamp.
	Stamp uint32
}

// longestPos is the length of the longest text of a Pos.
const longestPos = len("18446744073709551615.1z141z3")

// ParsePos reads the text of a Pos. It accepts what [Pos.AppendText] writes and
// nothing else, so that each position has one text; all its errors match [ErrBadPos].
func ParsePos(s string) (Pos, error) {
	if len(s) > longestPos {
		return Pos{}, fmt.Errorf("%w: %q… has %d bytes, a position has at most %d", ErrBadPos, s[:longestPos], len(s), longestPos)
	}
	number, stamp, dot := strings.Cut(s, ".")
	var p Pos
	var err error
	if p.Seq, err = strconv.ParseUint(number, 10, 64); err != nil {
		return Pos{}, fmt.Errorf("%w: %q: invalid number", ErrBadPos, s)
	}
	if dot {
		n, err := strconv.ParseUint(stamp, 36, 32)
		if err != nil {
			return Pos{}, fmt.Errorf("%w: %q: invalid stamp", ErrBadPos, s)
		}
		p.Stamp = uint32(n)
	}
	var canonical [longestPos]byte
	if string(p.append(canonical[:0])) != s {
		return Pos{}, fmt.Errorf("%w: %q: not in canonical form", ErrBadPos, s)
	}
	return p, nil
}

// String returns the text of p.
func (p Pos) String() string { return string(p.append(make([]byte, 0, longestPos))) }

// AppendText appends the text of p to b. It never fails.
func (p Pos) AppendText(b []byte) ([]byte, error) { return p.append(b), nil }

// MarshalText returns the text of p. It never fails.
func (p Pos) MarshalText() ([]byte, error) { return p.AppendText(nil) }

// UnmarshalText sets p to what [ParsePos] reads from text.
func (p *Pos) UnmarshalText(text []byte) error {
	got, err := ParsePos(string(text))
	if err == nil {
		*p = got
	}
	return err
}

func (p Pos) append(b []byte) []byte {
	b = strconv.AppendUint(b, p.Seq, 10)
	if p.Stamp != 0 {
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(p.Stamp), 36)
	}
	return b
}
