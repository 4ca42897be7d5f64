package session

import (
	"bytes"

	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Source is what a [Pass] reads from. Read never waits.
type Source interface {
	Read(reading.Spot) reading.Pending
}

// A Plan is what all streams of one handler in one format have in common.
type Plan struct {
	Words    Words
	Timeout  int64 // how long a client may take no bytes, and last words may take
	Farewell int64 // the same while the server drains
	// Ending says what the end of the source means: nil is completion. cause is the
	// encoded problem of [Error].
	Ending func(error) (reason Reason, cause []byte)
}

// A Pass goes over sessions that read one source by one plan: all connections of a
// group, or a single one. It remembers what it read last, so that sessions at the same
// position cost one look at the source together. It serves one session at a time.
type Pass struct {
	*Plan
	Source Source // nil: the source pushes
	Now    int64
	// Gap, if not nil, is called before a client is told of a gap.
	Gap func(*sse.Gap)
	// Failure is the error that the source ended with, if that was [Error].
	Failure error

	// For a Pass of one session.
	Name   string // what the opening comment says
	Pushes bool   // events come by Push
	Own    bool   // the pass serves one session, so that heartbeats may tell its position
	Open   bool   // the grace is over: opening words leave without an event
	Take   uint64 // how many events the client wants; 0 is all

	// What clients have taken since the driver last reset these.
	Events, Bytes, Beats uint64
	Many                 bool // more than one event at a time

	read    bool // at, pending, ready and cause are of the last look
	at      reading.Spot
	pending reading.Pending
	ready   []byte // pending.Frames in the format of the stream
	lent    bool   // ready is scratch of the pass
	reason  Reason // of an end that is pending
	cause   []byte
	known   reading.Spot // Own: the position that the client knows
	beat    []byte
	scratch []byte
}

// Refresh forgets what was read: sessions served from now on get what has come since.
// Until it is called the pass keeps a part of the source's window alive.
func (p *Pass) Refresh() {
	p.read, p.ready = false, nil
	p.pending.Frames, p.pending.Gap = nil, nil // the rest holds nothing alive
}

// load reads what is pending for s.
func (p *Pass) load(s *Session) {
	if p.read && s.spot.At == p.at.At && s.spot.Life == p.at.Life {
		return
	}
	p.read, p.at, p.ready, p.lent = true, s.spot, nil, false
	if p.Source == nil {
		p.pending = reading.Pending{Next: s.spot}
		return
	}
	p.pending = p.Source.Read(s.spot)
	switch d := &p.pending; {
	case d.Gap != nil:
		p.read = false // the source counts each client that it tells of the gap
	case d.Ended:
		p.read = false
		if p.reason, p.cause = p.Ending(d.Err); p.reason == Error {
			p.Failure = d.Err
		}
	case d.Count > 0:
		p.ready = d.Frames
		if p.Take > 0 && uint64(d.Count) > p.Take-s.events {
			d.Count = int(p.Take - s.events)
			p.ready = sse.FirstFrames(d.Frames, d.Count)
		}
		if p.Words.Lines {
			p.ready, p.lent = p.Words.lines(p.scratch[:0], p.ready), true
			p.scratch = p.ready
			if cap(p.scratch) > joinUpTo {
				p.scratch, p.lent = nil, false
			}
		}
	}
}

// empty reports whether nothing was read that has to be sent.
func (p *Pass) empty() bool {
	return p.ready == nil && p.pending.Gap == nil && !p.pending.Ended
}

func (p *Pass) tell(g *sse.Gap) {
	if p.Gap != nil {
		p.Gap(g)
	}
}

var heartbeat = []byte(":\n\n")

func (p *Pass) makeBeat(at reading.Spot) {
	switch {
	case p.Words.Lines:
		p.beat = heartbeat[1:2]
	case p.Own && p.known != at && at.Stamp != 0:
		p.beat = p.Words.position(nil, at)
	default:
		p.beat = heartbeat
	}
}

// unfinished returns how many of the count events in b end behind its first n bytes.
func (w *Words) unfinished(b []byte, n, count int) int {
	if count == 0 || n == 0 {
		return count
	}
	if w.Lines {
		return min(bytes.Count(b[n:], heartbeat[1:2]), count)
	}
	left := bytes.Count(b[n:], heartbeat[1:])
	if b[n-1] == '\n' && b[n] == '\n' {
		left++ // a blank line is half sent; three line ends never follow each other
	}
	return min(left, count)
}
