package sse

import "strings"

// arenaSize is how much text is allocated at once.
const arenaSize = 1 << 10

// An arena makes strings of short texts without an allocation for each. They share
// blocks, so that who keeps one keeps its neighbours, up to arenaSize.
type arena struct{ block *strings.Builder }

func (a *arena) text(p []byte) string {
	switch {
	case len(p) == 0:
		return ""
	case len(p) > arenaSize/8:
		return string(p)
	}
	if a.block == nil || a.block.Cap()-a.block.Len() < len(p) {
		a.block = new(strings.Builder)
		a.block.Grow(arenaSize)
	}
	start := a.block.Len()
	a.block.Write(p)
	return a.block.String()[start:]
}
