package session

import (
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// endless is a source with one event at each position.
type endless struct{ frame []byte }

func (e *endless) Read(at reading.Spot) reading.Pending {
	at.At++
	return reading.Pending{Frames: e.frame, Count: 1, Next: at}
}

// many returns a pass, and n sessions at the same position.
func many(n int) (*Pass, []Session) {
	p := &Pass{
		Plan:   &Plan{Words: stream, Timeout: timeout, Farewell: farewell, Ending: ending},
		Source: &endless{[]byte(a)},
	}
	sessions := make([]Session, n)
	for i := range sessions {
		sessions[i] = New(reading.Spot{At: 1}, Never, false)
		sessions[i].state = Live
	}
	return p, sessions
}

// turn sends one event to every session.
func turn(p *Pass, sessions []Session) {
	p.Refresh()
	for i := range sessions {
		s := &sessions[i]
		if s.Took(p, len(s.Next(p))) {
			panic("there is more than one event")
		}
	}
}

func BenchmarkNextTook(b *testing.B) {
	p, sessions := many(1000)
	b.ReportAllocs()
	for b.Loop() {
		turn(p, sessions)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/session")
}

func TestNextTookAllocatesNothing(t *testing.T) {
	p, sessions := many(10)
	if n := testing.AllocsPerRun(100, func() { turn(p, sessions) }); n > 0 {
		t.Errorf("an event for ten sessions makes %v allocations; want 0", n)
	}
	if p.Events != 1010 || p.Bytes != 1010*uint64(len(a)) {
		t.Errorf("%d events of %d bytes were counted", p.Events, p.Bytes)
	}
}

// A pass reads the source once for all sessions at one position, and not again for each
// that has got everything.
func TestPassReadsOnceForAllSessions(t *testing.T) {
	r := newRig(t, stream)
	sessions := make([]Session, 10)
	for i := range sessions {
		sessions[i] = r.s
	}
	r.news("1")
	for i := range sessions {
		if r.s = sessions[i]; r.once(a) {
			t.Error("Took = true where there is no more")
		}
	}
	if r.src.reads != 1 {
		t.Errorf("ten sessions made %d reads; want 1", r.src.reads)
	}
}

// A session without words of its own allocates nothing for them.
func TestIdleSessionHoldsNoWords(t *testing.T) {
	for name, do := range map[string]func(r *rig){
		"after the opening":     func(r *rig) {},
		"after an event":        func(r *rig) { r.news("1"); r.all() },
		"after half an event":   func(r *rig) { r.news("1"); r.some(1); r.all() },
		"after a gap":           func(r *rig) { r.news("1"); r.src.oldest = 2; r.all() },
		"after half a beat":     func(r *rig) { r.beat(1); r.all() },
		"after the server said": func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.all() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, stream)
			if do(r); r.s.own != nil || !r.s.Settled() {
				t.Errorf("the session holds %+v", r.s.own)
			}
		})
	}
}

func TestIdleSessionOfLinesHoldsNoWords(t *testing.T) {
	r := newRig(t, typed)
	if r.s.own != nil {
		t.Errorf("the session holds %+v", r.s.own)
	}
}

// A pushing source's session allocates nothing for an event.
func TestPushAllocatesNothing(t *testing.T) {
	r := newRig(t, single).pushes()
	frame := []byte(a)
	r.s.Push(frame, 1)
	r.all()
	n := testing.AllocsPerRun(100, func() {
		r.s.Push(frame, 1)
		if b := r.s.Next(&r.p); len(b) != len(frame) || r.s.Took(&r.p, len(b)) || r.s.Next(&r.p) != nil {
			t.Error("the event was not taken")
		}
	})
	if n > 0 {
		t.Errorf("an event that is pushed makes %v allocations; want 0", n)
	}
}

// A large rest is not copied; a small one is, so that it keeps nothing else alive.
func TestOnlySmallRestIsCopied(t *testing.T) {
	for size, copied := range map[int]bool{100: true, keepWhole: true, keepWhole + 1: false} {
		r := newRig(t, stream)
		x := make([]byte, size+1-len(frame("")))
		for i := range x {
			x[i] = 'x'
		}
		r.news(string(x))
		b := r.s.Next(&r.p)
		r.take(b, 1)
		if got := &r.s.Next(&r.p)[0] != &b[1]; got != copied {
			t.Errorf("a rest of %d bytes: copied %t; want %t", size, got, copied)
		}
	}
}

// Between two passes the pass keeps no part of the source's window alive.
func TestRefreshReleasesTheWindow(t *testing.T) {
	r := newRig(t, stream)
	r.news("1")
	r.once(a)
	r.p.Refresh()
	if r.p.pending.Frames != nil || r.p.ready != nil {
		t.Errorf("the pass keeps %q, %q", r.p.pending.Frames, r.p.ready)
	}
}

// All lines share one buffer, unless a batch is so large that later ones would rarely need
// so much: then it gets its own, and a rest of it is not copied.
func TestLinesShareABuffer(t *testing.T) {
	r := newRig(t, typed)
	r.news(strings.Repeat("1", keepWhole))
	n := testing.AllocsPerRun(100, func() {
		r.p.Refresh()
		r.src.Read(r.s.spot)
		r.s.Next(&r.p)
	})
	reads := testing.AllocsPerRun(100, func() { r.src.Read(r.s.spot) })
	if n > 2*reads {
		t.Errorf("a line makes %v allocations, %v of which are the source's", n, 2*reads)
	}

	r = newRig(t, typed)
	x, y := strings.Repeat("1", 2*joinUpTo), strings.Repeat("2", 2*joinUpTo)
	r.news(x)
	b := r.s.Next(&r.p)
	if r.p.scratch != nil {
		t.Errorf("the pass keeps a buffer of %d bytes", cap(r.p.scratch))
	}
	r.take(b, 1)
	other := New(r.src.spot(2), Never, false)
	other.state = Live
	r.news(y)
	if got := string(other.Next(&r.p)); got != line(y) {
		t.Errorf("another session is offered %d bytes; want %d", len(got), len(line(y)))
	}
	if rest := r.s.Next(&r.p); &rest[0] != &b[1] || string(rest) != line(x)[1:] {
		t.Errorf("the rest of a large line was copied, or has changed")
	}
}

func TestNilGapFunction(t *testing.T) {
	r := newRig(t, stream)
	r.p.Gap = nil
	r.news("1")
	r.src.oldest = 2
	r.once(gapOne)
}

func TestPushedEventsDoNotMoveThePosition(t *testing.T) {
	r := openingRig(t, single).pushes()
	r.s.spot = reading.Spot{At: 5, Stamp: 36, Life: 2}
	r.once("")
	r.s.Push([]byte(a), 1)
	r.all()
	if want := (reading.Spot{At: 5, Stamp: 36, Life: 2}); r.s.Spot() != want {
		t.Errorf("the session is at %v; want %v", r.s.Spot(), want)
	}
}
