package session

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
)

// The tests of this file run schedules of inputs made from bytes, which are random or a
// fuzzer's. A model that knows only the promises checks each step.

var schedules = flag.Int("session.schedules", 1000, "how many random schedules TestSchedules runs")

func TestSchedules(t *testing.T) {
	var total model
	for seed := range uint64(*schedules) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		script := make([]byte, 40+rnd.IntN(300))
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		m := schedule(t, script)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		total.add(m)
	}
	// Schedules that never reach something prove nothing about it.
	for reason, n := range total.ended {
		if n == 0 && Reason(reason) != Going {
			t.Errorf("no schedule ended by %v", Reason(reason))
		}
	}
	if total.aborts == 0 || total.gapsTold == 0 || total.restsTaken == 0 || total.beatsTold == 0 || total.saidTold == 0 {
		t.Errorf("the schedules had %d aborts, %d gaps, %d rests, %d heartbeats, %d words",
			total.aborts, total.gapsTold, total.restsTaken, total.beatsTold, total.saidTold)
	}
}

func FuzzSession(f *testing.F) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 200)
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) { schedule(t, script[:min(len(script), 600)]) })
}

// choices are what a script decides.
type choices struct{ script []byte }

func (c *choices) left() bool { return len(c.script) > 0 }

// below returns a number below n.
func (c *choices) below(n int) int {
	if len(c.script) == 0 {
		return 0
	}
	b := c.script[0]
	c.script = c.script[1:]
	return int(b) % n
}

// A model is one schedule: a topic or a source that pushes, a pass, and its sessions.
type model struct {
	t *testing.T
	choices
	src     *source
	pass    Pass
	clients []*client
	dec     *sse.Decoder
	log     []string // of the steps, for a failure

	ended                                             [Reasons]int
	aborts, gapsTold, restsTaken, beatsTold, saidTold int
}

func (m *model) add(o *model) {
	for i, n := range o.ended {
		m.ended[i] += n
	}
	m.aborts += o.aborts
	m.gapsTold += o.gapsTold
	m.restsTaken += o.restsTaken
	m.beatsTold += o.beatsTold
	m.saidTold += o.saidTold
}

// A client is one session, and what the model knows of it.
type client struct {
	s      Session
	start  reading.Spot
	wire   []byte
	rest   []byte // of the last offer
	pushed []int  // accepted
	said   []int  // accepted

	state   State
	reason  Reason // once it is decided
	stalls  int64
	expires int64
	grant   bool
	drained bool
	taken   bool // the client has all that it asked for
	forced  bool // given up, or gone
	gone    bool
}

const (
	lifeEvents = 1_000_000 // more than an incarnation has
	anyLife    = ^uint32(0)
)

func (m *model) failf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nafter\n%s", fmt.Sprintf(format, args...), strings.Join(m.log, "\n"))
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, "\t"+fmt.Sprintf(format, args...))
}

// schedule runs one script.
func schedule(t *testing.T, script []byte) *model {
	m := &model{t: t, choices: choices{script}}
	m.dec = sse.NewDecoder(nil)
	m.src = &source{stamp: uint32(36 * m.below(2))}
	formats := []Words{stream, stream, typed, single, plain, silent}
	kind := m.below(len(formats))
	w := formats[kind]
	m.pass = Pass{
		Plan:   &Plan{Words: w, Timeout: timeout, Farewell: farewell, Ending: ending},
		Name:   streamName,
		Gap:    func(*sse.Gap) { m.gapsTold++ },
		Source: m.src,
		Now:    1000,
	}
	if m.src.stamp != 0 && w.Topic {
		m.src.page = m.below(4)
	}
	sessions := 1 + m.below(3)
	if !w.Topic {
		m.pass.Source, m.pass.Pushes, sessions = nil, true, 1
	}
	if sessions == 1 {
		m.pass.Own = true
		if m.below(3) == 0 {
			m.pass.Take = uint64(1 + m.below(9))
		}
		if m.below(3) == 0 {
			m.src.keeps = func(frame string) bool { return frame[len(frame)-3]%3 != 0 }
		}
	} else {
		m.pass.Open = true
	}
	for range sessions {
		c := &client{stalls: Never, expires: Never}
		if m.below(3) == 0 {
			c.expires, c.grant = int64(1000+10*m.below(100)), m.below(2) == 0
		}
		c.start = m.src.spot(uint64(1 + m.below(2)))
		if c.start.At > 1 {
			m.publish(1)
		}
		c.s = New(c.start, c.expires, c.grant)
		m.clients = append(m.clients, c)
	}
	for m.left() {
		m.step()
	}
	m.finish()
	return m
}

// publish adds n events to the topic.
func (m *model) publish(n int) {
	for range n {
		seq := m.src.newest() + 1
		id := ""
		if m.src.stamp != 0 {
			id = "id: " + m.src.spot(seq+1).Pos().String() + "\n"
		}
		m.src.frames = append(m.src.frames, fmt.Sprintf("%sdata: %d\n\n", id, uint64(m.src.life)*lifeEvents+seq))
	}
}

// step does one thing.
func (m *model) step() {
	c := m.clients[m.below(len(m.clients))]
	switch op := m.below(32); op {
	case 0, 1, 2:
		n := 1 + m.below(4)
		m.note("publish %d", n)
		m.publish(n)
	case 3, 4, 5, 6:
		m.note("refresh")
		m.pass.Refresh()
	case 7:
		if m.src.newest() > 0 {
			oldest := max(1, m.src.oldest)
			m.src.oldest = oldest + uint64(m.below(int(m.src.newest()-oldest)+2))
			m.note("keep from %d", m.src.oldest)
			m.pass.Refresh()
		}
	case 8:
		if m.below(3) == 0 && !m.src.ended {
			m.note("new incarnation")
			m.src.life++
			m.src.frames, m.src.oldest = nil, 0
			m.pass.Refresh()
		}
	case 9:
		if m.below(6) == 0 {
			m.src.ended, m.src.err = true, []error{nil, errBroken, errClosed, errCut}[m.below(4)]
			m.note("end %v", m.src.err)
			m.pass.Refresh()
		}
	case 10, 11, 12:
		m.beat(c)
	case 13, 14:
		m.pass.Now += int64(m.below(40))
		m.note("at %d", m.pass.Now)
		m.tick(c)
	case 15:
		if m.below(4) == 0 {
			m.note("drain")
			if c.state == Leaving {
				c.drained = true
				c.expires = min(c.expires, m.pass.Now+farewell)
				c.squeeze()
			}
			c.s.Drain(&m.pass)
			m.look(c, Shutdown)
		}
	case 16:
		if m.below(4) == 0 {
			reason := []Reason{Complete, Error, Grant, Slow}[m.below(4)]
			m.note("leave %v", reason)
			unsaid := c.state == Opening && len(c.pushed) == 0
			c.s.Leave(&m.pass, reason, problem)
			if unsaid && reason == Error {
				if c.s.State() != Ended {
					m.failf("a stream that failed before anything was said is %v", c.s.State())
				}
				c.forced = true
			}
			m.look(c, reason)
		}
	case 17:
		if m.below(8) == 0 {
			timedOut := m.below(2) == 0
			m.note("gone %t", timedOut)
			if c.state != Ended {
				c.forced, c.gone = true, !timedOut
				want := Left
				if timedOut {
					want = c.givenUp()
				}
				c.s.Gone(timedOut)
				m.over(c, want, timedOut)
			}
		}
	case 18, 19:
		m.say(c)
	case 20, 21, 22:
		if n := 1 + m.below(2); m.pass.Take > 0 {
			m.push(c, 1)
		} else {
			m.push(c, n)
		}
	case 23:
		m.pass.Open = true
	default:
		m.next(c)
	}
	m.check(c)
}

// givenUp returns the reason that counts when c is given up.
func (c *client) givenUp() Reason {
	switch {
	case c.drained:
		return Shutdown
	case c.state != Leaving, c.reason == Complete, c.reason == Error:
		return Stalled
	}
	return c.reason
}

// squeeze bounds the time that c has to take bytes by the end of its stream.
func (c *client) squeeze() {
	if c.stalls != Never {
		c.stalls = min(c.stalls, c.expires)
	}
}

// over checks that c has ended by force.
func (m *model) over(c *client, want Reason, abort bool) {
	if got, aborted := c.s.End(); got != want || aborted != abort || c.s.State() != Ended {
		m.failf("the session is %v by %v, abort %t; want ended by %v, abort %t", c.s.State(), got, aborted, want, abort)
	}
	c.state, c.reason = Ended, want
}

func (m *model) tick(c *client) {
	stalled := c.state != Ended && (c.stalls <= m.pass.Now || c.state == Leaving && c.expires <= m.pass.Now)
	expired := !stalled && c.state < Leaving && c.expires <= m.pass.Now
	want := c.givenUp()
	c.s.Tick(&m.pass)
	switch {
	case stalled:
		c.forced = true
		m.over(c, want, true)
	case expired && c.grant:
		m.look(c, Grant)
	case expired:
		m.look(c, MaxAge)
	default:
		if c.s.State() != c.state {
			m.failf("Tick: the session is %v; want %v", c.s.State(), c.state)
		}
	}
}

// look records an end that was decided. Its reason must be one of reasons.
func (m *model) look(c *client, reasons ...Reason) {
	got, _ := c.s.End()
	before := c.state
	c.state = c.s.State()
	if before >= Leaving {
		if got != c.reason {
			m.failf("the end was %v, and is now %v", c.reason, got)
		}
		return
	}
	if c.state < Leaving {
		if len(reasons) > 0 && reasons[0] != Going {
			m.failf("the session is %v; want it to leave by %v", c.state, reasons)
		}
		return
	}
	c.reason = got
	if slices.Contains(reasons, got) {
		c.leave(&m.pass)
		return
	}
	m.failf("the session leaves by %v; want %v", got, reasons)
}

func (c *client) leave(p *Pass) {
	patience := int64(timeout)
	if c.reason == Shutdown {
		c.drained, patience = true, farewell
	}
	c.expires = p.Now + patience
	c.squeeze()
}

// some returns how many of n bytes the client takes.
func (m *model) some(n int) int {
	switch m.below(4) {
	case 0:
		return m.below(n + 1)
	case 1:
		return min(n, m.below(4))
	}
	return n
}

// took makes c take n bytes of an offer.
func (m *model) took(c *client, b []byte, n int, beat bool) (more bool) {
	c.wire = append(c.wire, b[:n]...)
	c.rest = append([]byte(nil), b[n:]...)
	bytesBefore, before := m.pass.Bytes, m.pass.Events
	eventsBefore, _ := c.s.Counts()
	more = c.s.Took(&m.pass, n)
	events, _ := c.s.Counts()
	if m.pass.Bytes-bytesBefore != uint64(n) || m.pass.Events-before != events-eventsBefore {
		m.failf("the pass does not count what the session does")
	}
	switch {
	case n == len(b):
		c.stalls = Never
	case beat && n == 0:
	default:
		if n > 0 {
			m.restsTaken++
		}
		if c.stalls == Never || n > 0 {
			c.stalls = m.pass.Now + timeout
		}
		if c.state == Leaving {
			c.squeeze()
		}
		if more {
			m.failf("Took(%d of %d) = true", n, len(b))
		}
	}
	if c.state < Leaving && c.s.State() >= Leaving {
		if events < m.pass.Take || m.pass.Take == 0 {
			m.failf("the stream ends behind %d events; %d were asked for", events, m.pass.Take)
		}
		c.taken = true
		m.look(c, Complete)
	}
	return more
}

// next calls Next of c and checks what it returns.
func (m *model) next(c *client) {
	for turn := 1 + m.below(5); turn > 0; turn-- {
		ended, reason := m.src.ended && m.pass.Source != nil, Going
		if ended {
			reason, _ = ending(m.src.err)
		}
		unsaid := c.state == Opening
		b := c.s.Next(&m.pass)
		if c.state < Leaving && c.s.State() >= Leaving {
			if !ended {
				m.failf("the session leaves, and its source has not ended")
			}
			if unsaid && c.s.State() == Ended && reason == Error {
				c.forced = true // a status, and no words
			}
			m.look(c, reason)
		}
		c.state = c.s.State()
		if b == nil {
			m.note("next: nothing, %v", c.state)
			return
		}
		if c.state == Ended || len(b) == 0 {
			m.failf("the session has ended, and says %q", b)
		}
		n := m.some(len(b))
		m.note("next: %d of %q", n, b)
		if !m.took(c, b, n, false) {
			return // the driver asks again when there is news
		}
		m.check(c)
	}
}

func (m *model) beat(c *client) {
	b := c.s.Beat(&m.pass)
	if b == nil {
		return
	}
	if c.state != Live || c.stalls != Never {
		m.failf("a heartbeat for a session that is %v", c.state)
	}
	n, beats := m.some(len(b)), m.pass.Beats
	m.note("beat: %d of %q", n, b)
	if m.took(c, b, n, true) {
		m.failf("Took(heartbeat) = true")
	}
	if n > 0 {
		beats++
		m.beatsTold++
	} else {
		c.rest = nil
	}
	if m.pass.Beats != beats {
		m.failf("%d heartbeats were counted; want %d", m.pass.Beats, beats)
	}
}

func (m *model) say(c *client) {
	n := len(c.said)
	m.note("say %d", n)
	w := &m.pass.Words
	if !w.Typed && w.Lines {
		return
	}
	if c.state < Leaving {
		c.said = append(c.said, n)
	}
	c.s.Say(&m.pass, w.control(nil, sse.Control{Name: "stream.said", Data: n}))
	m.look(c, Going)
}

func (m *model) push(c *client, count int) {
	if !m.pass.Pushes {
		return
	}
	if c.state < Leaving && !c.s.Settled() {
		// A source pushes when Next has returned nothing.
		if c.state == Live || len(c.pushed) > 0 {
			return
		}
	}
	var frame []byte
	n := len(c.pushed)
	for i := range count {
		if m.pass.Words.Lines {
			frame = fmt.Appendf(frame, "{\"data\":%d}\n", n+i)
		} else {
			frame = fmt.Appendf(frame, "data: %d\n\n", n+i)
		}
	}
	m.note("push %q", frame)
	ok := c.s.Push(frame, count)
	if ok != (c.state < Leaving) {
		m.failf("Push = %t while the session is %v", ok, c.state)
	}
	if ok {
		for i := range count {
			c.pushed = append(c.pushed, n+i)
		}
	}
}

// finish ends all sessions in order, and checks what their clients have.
func (m *model) finish() {
	m.pass.Refresh()
	for _, c := range m.clients {
		m.note("finish")
		for turns := 0; c.state < Leaving; turns++ {
			b := c.s.Next(&m.pass)
			if c.state < Leaving && c.s.State() >= Leaving {
				reason, _ := ending(m.src.err)
				if c.state == Opening && c.s.State() == Ended && reason == Error {
					c.forced = true
				}
				m.look(c, reason)
			}
			c.state = c.s.State()
			if b == nil {
				break
			}
			m.note("next: %q", b)
			m.took(c, b, len(b), false)
			m.check(c)
			if turns > 1000 {
				m.failf("the session never has enough")
			}
		}
		if c.state < Leaving {
			reason := Complete
			c.s.Leave(&m.pass, reason, nil)
			m.look(c, reason)
		}
		for c.state != Ended {
			b := c.s.Next(&m.pass)
			c.state = c.s.State()
			if b != nil {
				m.note("next: %q", b)
				m.took(c, b, len(b), false)
			}
			m.check(c)
		}
		reason, abort := c.s.End()
		m.ended[reason]++
		if abort {
			m.aborts++
		}
		if b := c.s.Next(&m.pass); b != nil {
			m.failf("the session has ended, and says %q", b)
		}
	}
}

// A said is one block or line of a stream.
type said struct {
	id, name string
	data     string
	whole    int  // position of its end
	silent   bool // it dispatches nothing
	empty    bool // it has no content at all
}

// parse splits b into blocks or lines. It fails unless b ends after a whole one.
func (m *model) parse(b []byte) (all []said) {
	lines := m.pass.Words.Lines
	for at := 0; at < len(b); {
		sep := "\n\n"
		if lines {
			sep = "\n"
		}
		i := bytes.Index(b[at:], []byte(sep))
		if i < 0 {
			m.failf("the stream breaks off in %q", b[at:])
		}
		block := b[at : at+i+len(sep)]
		at += len(block)
		s := said{whole: at}
		switch {
		case lines && len(block) == 1, string(block) == beat:
			s.empty = true
		case lines:
			var v struct {
				ID, Event string
				Data      json.RawMessage
			}
			d := json.NewDecoder(bytes.NewReader(block))
			d.DisallowUnknownFields()
			if err := d.Decode(&v); err != nil {
				m.failf("the line %q: %v", block, err)
			}
			s.id, s.name, s.data = v.ID, v.Event, string(v.Data)
		default:
			m.dec.Reset(bytes.NewReader(block))
			m.dec.SetLastEventID("")
			ev, err := m.dec.Decode()
			switch {
			case err == io.EOF:
				s.silent, s.id = true, m.dec.LastEventID()
			case err != nil:
				m.failf("the block %q: %v", block, err)
			default:
				id, _, _ := sse.CutIDLine(block)
				s.id, s.name, s.data = string(id), ev.Event, string(ev.Data)
			}
		}
		all = append(all, s)
	}
	return all
}

// check compares what c's client has with the promises.
func (m *model) check(c *client) {
	if got := c.s.State(); got != c.state {
		m.failf("the session is %v; want %v", got, c.state)
	}
	due := min(c.stalls, c.expires)
	if c.state == Ended {
		due = Never
	}
	if got := c.s.Due(); got != due {
		m.failf("due %d; want %d (the session is %v)", got, due, c.state)
	}
	if got := c.s.Full(); got != (c.stalls != Never) && c.state != Ended {
		m.failf("Full = %t", got)
	}
	events, size := c.s.Counts()
	if size != uint64(len(c.wire)) {
		m.failf("the session counts %d bytes; want %d", size, len(c.wire))
	}

	all := m.parse(append(c.wire[:len(c.wire):len(c.wire)], c.rest...))
	if !m.pass.Words.Lines && len(all) > 0 {
		m.opened(c, &all)
	}
	var (
		whole      uint64 // events the client has
		pushes     int
		words      int
		at         = c.start // the first event that may come next
		last       bool
		reason, ab = c.s.End()
	)
	for _, s := range all {
		if last {
			m.failf("%v behind the last words", s)
		}
		seq := func(text string) uint64 {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				m.failf("%v: %v", s, err)
			}
			return n
		}
		switch {
		case s.empty:
		case s.silent: // a heartbeat that tells the position
			pos, err := eventlog.ParsePos(s.id)
			if err != nil || pos.Seq+1 < at.At {
				m.failf("a heartbeat moves the client from %v to %q", at, s.id)
			}
			m.passed(at, pos.Seq+1)
			at.At = pos.Seq + 1
		case s.name == "stream.said":
			if seq(s.data) != uint64(words) {
				m.failf("words %s; want %d", s.data, words)
			}
			words++
			if s.whole <= len(c.wire) {
				m.saidTold++
			}
		case s.name == sse.ControlGap:
			at = m.gapAt(s, at)
		case s.name == sse.ControlComplete, s.name == sse.ControlError, s.name == sse.ControlBye:
			last = true
			if want := lastName(reason, c.forced); s.name != want && want != "" {
				m.failf("the last words are %v; want %s for %v", s, want, reason)
			}
			if s.name == sse.ControlComplete && (s.id == sse.EndID) != (!m.pass.Words.Topic || c.taken) {
				m.failf("the last words are %v behind %d events", s, events)
			}
		case s.name != "" && s.name != "message":
			m.failf("an event %v", s)
		default:
			if s.whole <= len(c.wire) {
				whole++
			}
			n := seq(s.data)
			if m.pass.Pushes {
				if n != uint64(pushes) || pushes >= len(c.pushed) {
					m.failf("event %d; want %d of %d", n, pushes, len(c.pushed))
				}
				pushes++
				break
			}
			if life := uint32(n / lifeEvents); at.Life == anyLife {
				at.Life = life
			} else if life != at.Life {
				m.failf("event %d of another incarnation than %d", n, at.Life)
			}
			n %= lifeEvents
			if n < at.At {
				m.failf("event %d behind %d", n, at.At-1)
			}
			m.passed(at, n)
			at.At = n + 1
		}
	}
	if whole != events {
		m.failf("the session counts %d events; the client has %d", events, whole)
	}
	if m.pass.Take > 0 && events > m.pass.Take {
		m.failf("the client got %d events, and wanted %d", events, m.pass.Take)
	}
	if c.state != Ended || c.forced {
		return
	}
	// It has ended in order: everything was sent.
	if len(c.rest) > 0 || pushes != len(c.pushed) || words != len(c.said) {
		m.failf("the session has ended, and its client lacks %q; it has %d of %d events, and %d of %d words",
			c.rest, pushes, len(c.pushed), words, len(c.said))
	}
	w := &m.pass.Words
	if wordless := w.Lines && !w.Typed; last == wordless {
		m.failf("the session has ended, last words %t", last)
	} else if ab != (wordless && !w.Silent && reason != Complete) {
		m.failf("the session has ended by %v, abort %t", reason, ab)
	}
}

func lastName(reason Reason, forced bool) string {
	switch {
	case forced:
		return ""
	case reason == Complete:
		return sse.ControlComplete
	case reason == Error:
		return sse.ControlError
	}
	return sse.ControlBye
}

// opened checks the opening words, and removes them from all.
func (m *model) opened(c *client, all *[]said) {
	blocks := 2
	first := blocks
	for first < len(*all) && (*all)[first].name == "stream.said" {
		first++
	}
	gap := first < len(*all) && (*all)[first].name == sse.ControlGap // the gap names the position
	if c.start.Stamp != 0 && !gap {
		blocks++
	}
	if len(*all) < blocks {
		m.failf("the stream opens with %v", *all)
	}
	for _, s := range (*all)[:blocks] {
		if !s.silent && !s.empty {
			m.failf("the stream opens with %v", *all)
		}
	}
	if blocks == 3 {
		// Before the opening a filter may have passed over events.
		pos, err := eventlog.ParsePos((*all)[2].id)
		if err != nil || pos.Seq+1 < c.start.At {
			m.failf("the stream opens at %v; want %v", (*all)[2], c.start)
		}
	}
	*all = (*all)[blocks:]
}

// passed checks that no event between two positions should have been sent.
func (m *model) passed(at reading.Spot, to uint64) {
	for n := at.At; n < to; n++ {
		if at.Life != m.src.life || n > m.src.newest() || n == 0 {
			if m.src.keeps == nil {
				m.failf("event %d was left out", n)
			}
			continue
		}
		if m.src.keeps == nil || m.src.keeps(m.src.frames[n-1]) {
			m.failf("event %d was left out", n)
		}
	}
}

// gapAt checks a gap behind at, and returns the position behind it.
func (m *model) gapAt(s said, at reading.Spot) reading.Spot {
	gap := sse.ParseGap([]byte(s.data))
	pos, err := eventlog.ParsePos(s.id)
	if err != nil {
		m.failf("gap %v: %v", s, err)
	}
	next := reading.Spot{At: pos.Seq + 1, Stamp: pos.Stamp, Life: at.Life}
	switch gap.Reason {
	case sse.GapSlow:
		from := next.At - *gap.Missed
		if next.At <= at.At || from < at.At {
			m.failf("gap %v of %d events, behind %d", s, *gap.Missed, at.At-1)
		}
		m.passed(at, from)
	case sse.GapRestart:
		next.Life = anyLife // the next event names it
	default:
		m.failf("gap %v", s)
	}
	return next
}
