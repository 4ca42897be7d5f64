package sse

import "strings"

// How much text is allocated at once: the first block is small, for the many
// streams that are mostly silent, and each is twice the one before.
const (
	arenaMin  = 128
	arenaSize = 1 << 10
)

// An arena makes strings of short texts without an allocation for each. They share
// blocks, so that who keeps one keeps its neighbours, up to arenaSize.
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
