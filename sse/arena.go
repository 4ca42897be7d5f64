package sse

import "strings"

// The sizes of the blocks that text is allocated in. The first block is small,
// because many streams are mostly silent; each further one is twice as large.
const (
	arenaMin  = 128
	arenaSize = 1 << 10
)

// An arena makes strings out of short texts without an allocation for each. They
// share blocks: keeping one string alive keeps its whole block alive, up to
// arenaSize bytes.
type arena struct{ block *strings.Builder }

func (a *arena) text(p []byte) string {
	switch {
	case len(p) == 0:
		return ""
	case len(p) > arenaMin:
		return string(p)
	case a.block == nil:
		a.grow(arenaMin)
	case a.block.Cap()-a.block.Len() < len(p):
		a.grow(min(2*a.block.Cap(), arenaSize))
	}
	start := a.block.Len()
	a.block.Write(p)
	return a.block.String()[start:]
}

func (a *arena) grow(size int) {
	a.block = new(strings.Builder)
	a.block.Grow(size)
}
