package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// The formats of the tests.
var (
	stream = format(Words{Topic: true})
	single = format(Words{}) // the events of one request
	typed  = format(Words{Lines: true, Typed: true, Topic: true})
	plain  = format(Words{Lines: true})
	silent = format(Words{Lines: true, Silent: true})
)

// Patience in the tests, in nanoseconds.
const (
	timeout  = 100
	farewell = 10
)

func format(w Words) Words {
	w.Retry = func() time.Duration { return 3 * time.Second }
	w.RetryElsewhere = func() time.Duration { return 1 * time.Second }
	return w
}

// What the formats say.
const (
	streamName = "test"

	opening = "retry: 3000\n\n: " + streamName + "\n\n"
	beat    = ":\n\n"

	byeAge     = "event: stream.bye\nretry: 3000\ndata: {\"reason\":\"max-age\",\"retry\":3000}\n\n"
	byeGrant   = "event: stream.bye\nretry: 3000\ndata: {\"reason\":\"grant\",\"retry\":3000}\n\n"
	byeSlow    = "event: stream.bye\nretry: 3000\ndata: {\"reason\":\"slow\",\"retry\":3000}\n\n"
	byeDrained = "event: stream.bye\nretry: 1000\ndata: {\"reason\":\"shutdown\",\"retry\":1000}\n\n"
	complete   = "event: stream.complete\ndata: {}\n\n"
	nothing    = "id: end\nevent: stream.complete\ndata: {}\n\n" // nothing is left for this client
	failure    = "event: stream.error\ndata: {\"title\":\"broken\"}\n\n"

	lineAge      = `{"event":"stream.bye","data":{"reason":"max-age","retry":3000}}` + "\n"
	lineGrant    = `{"event":"stream.bye","data":{"reason":"grant","retry":3000}}` + "\n"
	lineSlow     = `{"event":"stream.bye","data":{"reason":"slow","retry":3000}}` + "\n"
	lineDrained  = `{"event":"stream.bye","data":{"reason":"shutdown","retry":1000}}` + "\n"
	lineComplete = `{"event":"stream.complete","data":{}}` + "\n"
	lineFailure  = `{"event":"stream.error","data":{"title":"broken"}}` + "\n"
)

var problem = []byte(`{"title":"broken"}`)

var (
	errBroken = errors.New("broken")
	errClosed = errors.New("closed")
	errCut    = errors.New("cut")
)

func ending(err error) (Reason, []byte) {
	switch err {
	case nil:
		return Complete, nil
	case errClosed:
		return Shutdown, nil
	case errCut:
		return Slow, nil
	}
	return Error, problem
}

// frame returns the frame of an event whose data is text.
func frame(text string) string { return "data: " + text + "\n\n" }

// line returns the same as a line of JSON.
func line(text string) string { return `{"data":` + text + "}\n" }

// A source is a topic: frames numbered from 1. The oldest may have been dropped.
type source struct {
	frames []string
	oldest uint64 // 0 is 1
	life   uint32
	stamp  uint32
	page   int                     // how many events one read looks at; 0 is all
	keeps  func(frame string) bool // nil: every frame
	ended  bool
	err    error

	reads int
}

func (s *source) publish(texts ...string) {
	for _, t := range texts {
		s.frames = append(s.frames, frame(t))
	}
}

func (s *source) spot(at uint64) reading.Spot {
	return reading.Spot{At: at, Stamp: s.stamp, Life: s.life}
}

func (s *source) newest() uint64 { return uint64(len(s.frames)) }

func (s *source) Read(at reading.Spot) reading.Pending {
	s.reads++
	oldest := max(1, s.oldest)
	if at.Life != s.life {
		return s.gap(sse.GapRestart, oldest)
	}
	if at.At < oldest {
		p := s.gap(sse.GapSlow, oldest)
		missed := oldest - at.At
		p.Gap.Missed = &missed
		return p
	}
	var p reading.Pending
	looked := 0
	for ; at.At <= s.newest() && (s.page == 0 || looked < s.page); at.At++ {
		looked++
		if f := s.frames[at.At-1]; s.keeps == nil || s.keeps(f) {
			p.Frames = append(p.Frames, f...)
			p.Count++
		}
	}
	p.Next = s.spot(at.At)
	more := at.At <= s.newest()
	switch {
	case more || looked > 0 && s.ended:
		p.More = true
	case s.ended:
		p.Ended, p.Err = true, s.err
	}
	return p
}

func (s *source) gap(reason sse.GapReason, oldest uint64) reading.Pending {
	next := s.spot(oldest)
	return reading.Pending{
		Gap:  &sse.Gap{Reason: reason, ID: next.Pos().String()},
		Next: next,
		More: oldest <= s.newest() || s.ended,
	}
}

// A rig is one session, its pass, its source and its client: wire holds what the client
// has taken.
type rig struct {
	t    *testing.T
	src  *source
	p    Pass
	s    Session
	wire []byte
	gaps int
}

// newRig returns a rig whose stream is [Live].
func newRig(t *testing.T, w Words) *rig {
	r := openingRig(t, w)
	r.p.Open = true
	r.all()
	r.p.Open = false
	r.forget()
	return r
}

// openingRig returns a rig whose stream is still [Opening].
func openingRig(t *testing.T, w Words) *rig {
	r := &rig{t: t, src: &source{}}
	r.p = Pass{
		Plan:   &Plan{Words: w, Timeout: timeout, Farewell: farewell, Ending: ending},
		Name:   streamName,
		Gap:    func(*sse.Gap) { r.gaps++ },
		Source: r.src,
		Now:    1000,
	}
	r.s = New(r.src.spot(1), Never, false)
	return r
}

// forget resets the counts.
func (r *rig) forget() {
	r.wire, r.s.bytes, r.s.events, r.p.Bytes, r.p.Events, r.p.Beats, r.src.reads = nil, 0, 0, 0, 0, 0, 0
	r.p.Many = false
	r.p.Refresh()
}

// pushes switches to a source that pushes.
func (r *rig) pushes() *rig {
	r.p.Source, r.p.Pushes, r.p.Own = nil, true, true
	r.p.Refresh()
	r.s.own = nil
	return r
}

// take makes the client take n bytes of what it is offered.
func (r *rig) take(b []byte, n int) (more bool) {
	if n > len(b) {
		r.t.Fatalf("the client wants %d bytes of %q", n, b)
	}
	r.wire = append(r.wire, b[:n]...)
	more = r.s.Took(&r.p, n)
	if more && n < len(b) {
		r.t.Errorf("Took(%d) of %q = true: the client is full", n, b)
	}
	return more
}

// some makes one offer, of which the client takes n bytes.
func (r *rig) some(n int) {
	r.t.Helper()
	b := r.s.Next(&r.p)
	if len(b) <= n {
		r.t.Fatalf("Next = %q; want more than %d bytes", b, n)
	}
	r.take(b, n)
}

// once makes one offer, which the client takes whole.
func (r *rig) once(want string) (more bool) {
	r.t.Helper()
	b := r.s.Next(&r.p)
	if string(b) != want {
		r.t.Errorf("Next = %q; want %q", b, want)
	}
	if b == nil {
		return false
	}
	return r.take(b, len(b))
}

// all makes offers until there are no more, as drivers do. The client takes all.
func (r *rig) all() {
	r.t.Helper()
	for range 1000 {
		b := r.s.Next(&r.p)
		if b == nil {
			return
		}
		if !r.take(b, len(b)) {
			if b := r.s.Next(&r.p); b != nil {
				r.t.Errorf("Took = false, and then Next = %q", b)
			}
			return
		}
	}
	r.t.Fatal("the session never has enough")
}

// beat sends a heartbeat, of which the client takes at most n bytes.
func (r *rig) beat(n int) {
	if b := r.s.Beat(&r.p); b != nil {
		r.take(b, min(n, len(b)))
	}
}

// later moves the clock.
func (r *rig) later(d int64) { r.p.Now += d }

// news publishes an event and refreshes the pass.
func (r *rig) news(texts ...string) {
	r.src.publish(texts...)
	r.p.Refresh()
}

// ends ends the source.
func (r *rig) ends(err error) {
	r.src.ended, r.src.err = true, err
	r.p.Refresh()
}

// A want is what a row of a table expects.
type want struct {
	wire   string
	state  State
	reason Reason
	abort  bool
	events uint64
	beats  uint64
	due    int64 // after 1000; 0 is Never
}

func (w want) String() string {
	due := "never"
	if w.due != 0 {
		due = fmt.Sprint(w.due)
	}
	return fmt.Sprintf("%v, reason %v, abort %t, %d events, %d beats, due %s, wire\n%s",
		w.state, w.reason, w.abort, w.events, w.beats, due, indent(w.wire))
}

func indent(wire string) string { return "\t| " + strings.ReplaceAll(wire, "\n", "\n\t| ") }

// check compares the rig with w. Counts of the session, of the pass and
// of the client must agree.
func (r *rig) check(w want) {
	r.t.Helper()
	reason, abort := r.s.End()
	events, bytes := r.s.Counts()
	got := want{string(r.wire), r.s.State(), reason, abort, events, r.p.Beats, r.s.Due() - 1000}
	if r.s.Due() == Never {
		got.due = 0
	}
	if got != w {
		r.t.Errorf("got  %v\nwant %v", got, w)
	}
	if bytes != uint64(len(r.wire)) || r.p.Bytes != bytes || r.p.Events != events {
		r.t.Errorf("session counts %d events and %d bytes, pass %d and %d, client %d bytes",
			events, bytes, r.p.Events, r.p.Bytes, len(r.wire))
	}
}
