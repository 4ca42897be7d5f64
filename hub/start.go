package hub

import (
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// A Start says where a subscriber begins. The zero Start is [Live].
type Start struct {
	kind  startKind
	n     int
	since time.Time
	pos   eventlog.Pos
}

type startKind int

const (
	startLive startKind = iota
	startEarliest
	startLatest
	startSince
	startAfter
	startMalformed // after an id that cannot be read
	startAgain     // after a gap of unknown size: where the policy says
)

// Live begins with the next event that is appended.
func Live() Start { return Start{} }

// Earliest begins with the oldest event that the log keeps.
func Earliest() Start { return Start{kind: startEarliest} }

// Latest begins with the newest n events of the topic, before any filter, or with as
// many of them as there are. Less than one is Live.
func Latest(n int) Start {
	if n < 1 {
		return Live()
	}
	return Start{kind: startLatest, n: n}
}

// Since begins with the first event that was stored at t or later.
func Since(t time.Time) Start { return Start{kind: startSince, since: t} }

// After begins with the event that follows the one with the given id, which is a
// position's text, as a client sends it in Last-Event-ID. It never fails. When it is not
// known what follows, because the id is malformed, from another incarnation of the log,
// or ahead of it, the cursor begins with one gap that says so, and continues with the
// oldest event or the newest, as its policy says. The same happens when what followed is
// no longer kept. The empty id is Live.
func After(id string) Start {
	if id == "" {
		return Live()
	}
	pos, err := eventlog.ParsePos(id)
	if err != nil {
		return Start{kind: startMalformed}
	}
	return Start{kind: startAfter, pos: pos}
}
