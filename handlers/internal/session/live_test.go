package session

import (
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/reading"
)

const (
	gapOne      = "id: 1\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"\",\"to\":\"\",\"missed\":1}\n\n"
	gapOneLine  = `{"id":"1","event":"stream.gap","data":{"reason":"slow","from":"","to":"","missed":1}}` + "\n"
	gapOldLife  = "id: 0\nevent: stream.gap\ndata: {\"reason\":\"restart\",\"from\":\"\",\"to\":\"\",\"missed\":null}\n\n"
	endingTopic = complete // the topic may be opened again
)

func TestLive(t *testing.T) {
	run(t, newRig, []row{
		// Next, and Took all.
		{"nothing is said when nothing is pending", stream,
			func(r *rig) { r.once("") },
			want{state: Live}},
		{"all that is pending is one write", stream,
			func(r *rig) { r.news("1", "2", "3"); r.once(a + b + c) },
			want{state: Live, wire: a + b + c, events: 3}},
		{"what comes later follows", stream,
			func(r *rig) { r.news("1"); r.all(); r.news("2"); r.once(b) },
			want{state: Live, wire: a + b, events: 2}},
		{"what a pass has not read waits for the next pass", stream,
			func(r *rig) { r.once(""); r.src.publish("1"); r.once("") },
			want{state: Live}},
		{"lines", typed,
			func(r *rig) { r.news("1", "2"); r.once(la + lb) },
			want{state: Live, wire: la + lb, events: 2}},
		{"a batch of lines that is large", typed,
			func(r *rig) { r.news(strings.Repeat("1", joinUpTo), "2"); r.some(joinUpTo); r.all(); r.forget() },
			want{state: Live}},
		{"an event that was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.once(a); r.once("") },
			want{state: Live, wire: a, events: 1}},
		{"events that were pushed together count each", single,
			func(r *rig) { r.pushes().s.Push([]byte(a+b), 2); r.all() },
			want{state: Live, wire: a + b, events: 2}},
		{"a line without a type that was pushed", plain,
			func(r *rig) { r.pushes().s.Push([]byte(la), 1); r.all() },
			want{state: Live, wire: la, events: 1}},
		{"Took asks for more where the source has more", stream,
			func(r *rig) {
				r.src.page = 1
				r.news("1", "2")
				if !r.once(a) || r.once(b) {
					r.t.Error("Took: want true and then false")
				}
			},
			want{state: Live, wire: a + b, events: 2}},
		{"Took without an offer changes nothing", stream,
			func(r *rig) {
				r.news("1")
				r.once(a)
				r.once("")
				if r.s.Took(&r.p, 0) {
					r.t.Error("Took: want false")
				}
			},
			want{state: Live, wire: a, events: 1}},

		// Took a part.
		{"half an event counts for nothing", stream,
			func(r *rig) { r.news("1"); r.some(4) },
			want{state: Live, wire: "data", due: timeout}},
		{"half an event is finished", stream,
			func(r *rig) { r.news("1"); r.some(4); r.once(a[4:]); r.once("") },
			want{state: Live, wire: a, events: 1}},
		{"half a blank line counts for nothing", stream,
			func(r *rig) { r.news("1"); r.some(len(a) - 1) },
			want{state: Live, wire: "data: 1\n", due: timeout}},
		{"half a blank line is finished", stream,
			func(r *rig) { r.news("1", "2"); r.some(len(a) - 1); r.once("\n" + b) },
			want{state: Live, wire: a + b, events: 2}},
		{"events before half of one count", stream,
			func(r *rig) { r.news("1", "2", "3"); r.some(len(a) + 1) },
			want{state: Live, wire: a + "d", events: 1, due: timeout}},
		{"events that are whole, and no more, count", stream,
			func(r *rig) { r.news("1", "2", "3"); r.some(len(a + b)) },
			want{state: Live, wire: a + b, events: 2, due: timeout}},
		{"a rest is taken in parts, and counts its events one by one", stream,
			func(r *rig) {
				r.news("1", "2", "3")
				r.some(1)
				r.some(len(a) - 1)
				r.check(want{state: Live, wire: a, events: 1, due: timeout})
				r.some(len(b) + 1)
			},
			want{state: Live, wire: a + b + "d", events: 2, due: timeout}},
		{"a rest goes out before what came meanwhile", stream,
			func(r *rig) { r.news("1"); r.some(1); r.news("2"); r.once(a[1:]); r.once(b) },
			want{state: Live, wire: a + b, events: 2}},
		{"a large rest is kept, and goes out", stream,
			func(r *rig) {
				x := strings.Repeat("x", keepWhole)
				r.news(x, "2")
				r.some(1)
				r.p.Refresh()
				r.once((frame(x) + b)[1:])
				r.forget()
			},
			want{state: Live}},
		{"half a line counts for nothing, and is finished", typed,
			func(r *rig) {
				r.news("1", "2")
				r.some(len(la) + 3)
				r.check(want{state: Live, wire: la + lb[:3], events: 1, due: timeout})
				r.once(lb[3:])
			},
			want{state: Live, wire: la + lb, events: 2}},
		{"half a line stays what it was when the pass reads on", typed,
			func(r *rig) {
				r.news("1")
				r.some(3)
				other := New(r.src.spot(1), Never, false)
				other.state = Live
				r.news("7")
				if got := string(other.Next(&r.p)); got != la+line("7") {
					r.t.Errorf("another session is offered %q", got)
				}
				r.once(la[3:])
				r.once(line("7"))
			},
			want{state: Live, wire: la + line("7"), events: 2}},
		{"half a large line stays what it was when the pass reads on", typed,
			func(r *rig) {
				x := strings.Repeat("1", keepWhole)
				r.news(x)
				r.some(3)
				other := New(r.src.spot(1), Never, false)
				other.state = Live
				r.news(strings.Repeat("7", keepWhole))
				other.spot.At = 2
				other.Next(&r.p)
				r.once(line(x)[3:])
				r.forget()
			},
			want{state: Live}},
		{"half of an event that was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.some(2); r.once(a[2:]); r.once("") },
			want{state: Live, wire: a, events: 1}},
		{"half of two events that were pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a+b), 2); r.some(len(a) + 1) },
			want{state: Live, wire: a + "d", events: 1, due: timeout}},
		{"a client that was full is not full when it has taken all", stream,
			func(r *rig) {
				r.news("1")
				r.some(0)
				if !r.s.Full() || r.s.Settled() {
					r.t.Error("the session is not full")
				}
				r.once(a)
				if r.s.Full() || !r.s.Settled() {
					r.t.Error("the session is full")
				}
			},
			want{state: Live, wire: a, events: 1}},

		// Took nothing, and what is due.
		{"a client that takes nothing is full", stream,
			func(r *rig) { r.news("1"); r.some(0) },
			want{state: Live, due: timeout}},
		{"a client that takes nothing again does not get more time", stream,
			func(r *rig) { r.news("1"); r.some(0); r.later(60); r.some(0) },
			want{state: Live, due: timeout}},
		{"a client that takes a byte gets more time", stream,
			func(r *rig) { r.news("1"); r.some(0); r.later(60); r.some(1) },
			want{state: Live, wire: "d", due: 60 + timeout}},
		{"a client that takes a byte of a rest gets more time", stream,
			func(r *rig) { r.news("1"); r.some(1); r.later(60); r.some(1) },
			want{state: Live, wire: "da", due: 60 + timeout}},
		{"a client that takes nothing of a rest does not get more time", stream,
			func(r *rig) { r.news("1"); r.some(1); r.later(60); r.some(0) },
			want{state: Live, wire: "d", due: timeout}},
		{"a client that took nothing is offered what came meanwhile, too", stream,
			func(r *rig) { r.news("1"); r.some(0); r.news("2"); r.once(a + b) },
			want{state: Live, wire: a + b, events: 2}},
		{"a client that took nothing of what was pushed is offered it again", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.some(0); r.once(a) },
			want{state: Live, wire: a, events: 1}},

		// Gaps.
		{"events that are no longer kept are a gap", stream,
			func(r *rig) {
				r.news("1", "2")
				r.src.oldest = 2
				r.once(gapOne)
				r.once(b)
				if r.gaps != 1 {
					r.t.Errorf("%d gaps were reported; want 1", r.gaps)
				}
			},
			want{state: Live, wire: gapOne + b, events: 1}},
		{"a gap is a line where lines have types", typed,
			func(r *rig) { r.news("1", "2"); r.src.oldest = 2; r.all() },
			want{state: Live, wire: gapOneLine + lb, events: 1}},
		{"a gap goes behind the rest of an event", stream,
			func(r *rig) {
				r.news("0")
				r.some(1)
				r.news("1", "2", "3")
				r.src.oldest = 4
				r.all()
			},
			want{state: Live, events: 2, wire: frame("0") +
				"id: 3\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"\",\"to\":\"\",\"missed\":2}\n\n" + c}},
		{"a gap that is half told is finished", stream,
			func(r *rig) { r.news("1", "2"); r.src.oldest = 2; r.some(5); r.once(gapOne[5:]); r.once(b) },
			want{state: Live, wire: gapOne + b, events: 1}},
		{"a gap counts for nothing", stream,
			func(r *rig) { r.news("1", "2"); r.src.oldest = 2; r.once(gapOne) },
			want{state: Live, wire: gapOne}},
		{"half a gap counts for nothing, and the client is full", stream,
			func(r *rig) { r.news("1", "2"); r.src.oldest = 2; r.some(5) },
			want{state: Live, wire: gapOne[:5], due: timeout}},
		{"a gap of which nothing is taken is told again, and reported once", stream,
			func(r *rig) {
				r.news("1", "2")
				r.src.oldest = 2
				r.some(0)
				r.once(gapOne)
				if r.gaps != 1 {
					r.t.Errorf("%d gaps were reported; want 1", r.gaps)
				}
			},
			want{state: Live, wire: gapOne}},
		{"a gap that leads to the end of the topic", stream,
			func(r *rig) { r.news("1"); r.src.oldest = 2; r.ends(nil); r.all() },
			want{state: Ended, reason: Complete, wire: gapOne + endingTopic}},
		{"a position of an earlier incarnation is a gap", stream,
			func(r *rig) { r.news("1"); r.all(); r.src.life = 7; r.p.Refresh(); r.all() },
			want{state: Live, wire: a + gapOldLife + a, events: 2}},
		{"what was read for one incarnation is not another's", stream,
			func(r *rig) {
				r.news("1")
				other := New(reading.Spot{At: 1, Life: 3}, Never, false)
				other.state = Live
				if got := string(r.s.Next(&r.p)); got != a {
					r.t.Errorf("Next = %q; want %q", got, a)
				}
				r.take([]byte(a), 0)
				if got := string(other.Next(&r.p)); got != gapOldLife {
					r.t.Errorf("Next = %q; want %q", got, gapOldLife)
				}
			},
			want{state: Live, due: timeout}},

		// Filters.
		{"a filter that passes over all moves the position", stream,
			func(r *rig) {
				r.src.keeps = func(string) bool { return false }
				r.news("1", "2")
				r.once("")
				if at := r.s.Spot().At; at != 3 {
					r.t.Errorf("the session is at %d; want 3", at)
				}
			},
			want{state: Live}},
		{"a filter may pass over whole pages", stream,
			func(r *rig) {
				r.src.page, r.src.keeps = 1, func(f string) bool { return f == c }
				r.news("1", "2", "3")
				r.once(c)
			},
			want{state: Live, wire: c, events: 1}},
		{"a filter counts what it leaves", stream,
			func(r *rig) {
				r.src.keeps = func(f string) bool { return f != b }
				r.news("1", "2", "3")
				r.once(a + c)
			},
			want{state: Live, wire: a + c, events: 2}},

		// Beat.
		{"a heartbeat", stream,
			func(r *rig) { r.beat(9) },
			want{state: Live, wire: beat, beats: 1}},
		{"a heartbeat of lines", typed,
			func(r *rig) { r.beat(9) },
			want{state: Live, wire: "\n", beats: 1}},
		{"a heartbeat of lines without types", plain,
			func(r *rig) { r.beat(9) },
			want{state: Live, wire: "\n", beats: 1}},
		{"a heartbeat of a source that pushes", single,
			func(r *rig) { r.pushes().beat(9) },
			want{state: Live, wire: beat, beats: 1}},
		{"after a heartbeat nothing is asked", stream,
			func(r *rig) {
				if r.take(r.s.Beat(&r.p), len(beat)) {
					r.t.Error("Took = true: want false")
				}
			},
			want{state: Live, wire: beat, beats: 1}},
		{"half a heartbeat is finished", stream,
			func(r *rig) { r.beat(1); r.news("1"); r.once(beat[1:]); r.once(a) },
			want{state: Live, wire: beat + a, events: 1, beats: 1}},
		{"half a heartbeat is a heartbeat, and the client is full", stream,
			func(r *rig) { r.beat(2) },
			want{state: Live, wire: beat[:2], beats: 1, due: timeout}},
		{"a heartbeat that finds no room is forgotten", stream,
			func(r *rig) { r.beat(0); r.once("") },
			want{state: Live}},
		{"no heartbeat into half an event", stream,
			func(r *rig) { r.news("1"); r.some(1); r.beat(3) },
			want{state: Live, wire: "d", due: timeout}},
		{"no heartbeat for a client that is full", stream,
			func(r *rig) { r.news("1"); r.some(0); r.beat(3) },
			want{state: Live, due: timeout}},
		{"no heartbeat where there is something else to say", stream,
			func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.beat(3) },
			want{state: Live}},
		{"no heartbeat before an event that was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.beat(3) },
			want{state: Live}},
		{"a heartbeat tells the position of one whose filter passed over events", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.p.known = r.s.spot
				r.src.keeps = func(string) bool { return false }
				r.news("1", "2")
				r.once("")
				r.beat(99)
				r.beat(99)
			},
			want{state: Live, wire: "id: 2.10\n\n" + beat, beats: 2}},
		{"a heartbeat tells half a position once", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.src.keeps = func(string) bool { return false }
				r.news("1")
				r.once("")
				r.beat(3)
				r.all()
				r.beat(99)
			},
			want{state: Live, wire: "id: 1.10\n\n" + beat, beats: 2}},
		{"a heartbeat that finds no room tells the position the next time", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.src.keeps = func(string) bool { return false }
				r.news("1")
				r.once("")
				r.beat(0)
				r.beat(99)
			},
			want{state: Live, wire: "id: 1.10\n\n", beats: 1}},
		{"a heartbeat of many tells no position", stream,
			func(r *rig) {
				r.src.stamp, r.s.spot.Stamp = 36, 36
				r.src.keeps = func(string) bool { return false }
				r.news("1")
				r.once("")
				r.beat(99)
			},
			want{state: Live, wire: beat, beats: 1}},
		{"a heartbeat tells no position that an event has told", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.news("1")
				r.once(a)
				r.beat(99)
			},
			want{state: Live, wire: a + beat, events: 1, beats: 1}},
		{"a heartbeat tells no position that half an event tells", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.news("1")
				r.some(1)
				r.all()
				r.beat(99)
			},
			want{state: Live, wire: a + beat, events: 1, beats: 1}},
		{"a heartbeat tells no position that a gap has told", stream,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.news("1")
				r.src.oldest = 2
				r.once(strings.Replace(gapOne, "id: 1", "id: 1.10", 1))
				r.beat(99)
			},
			want{state: Live, wire: strings.Replace(gapOne, "id: 1", "id: 1.10", 1) + beat, beats: 1}},
		{"a heartbeat tells no position that the opening has told", stream,
			func(r *rig) {
				*r = *openingRig(r.t, stream)
				r.p.Own, r.p.Open, r.src.stamp, r.s.spot.Stamp = true, true, 36, 36
				r.all()
				r.beat(99)
			},
			want{state: Live, wire: opening + "id: 0.10\n\n" + beat, beats: 1}},
		{"a heartbeat tells no position that the event with the opening has told", stream,
			func(r *rig) {
				*r = *openingRig(r.t, stream)
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.news("1")
				r.all()
				r.beat(99)
			},
			want{state: Live, wire: opening + "id: 0.10\n\n" + a + beat, events: 1, beats: 1}},
		{"a heartbeat tells no position that is not known", stream,
			func(r *rig) {
				r.p.Own = true
				r.src.keeps = func(string) bool { return false }
				r.news("1")
				r.once("")
				r.beat(99)
			},
			want{state: Live, wire: beat, beats: 1}},
		{"lines tell no position in a heartbeat", typed,
			func(r *rig) {
				r.p.Own, r.src.stamp, r.s.spot.Stamp = true, 36, 36
				r.src.keeps = func(string) bool { return false }
				r.news("1")
				r.once("")
				r.beat(99)
			},
			want{state: Live, wire: "\n", beats: 1}},

		// Tick.
		{"nothing is due before the stall", stream,
			func(r *rig) { r.news("1"); r.some(0); r.later(timeout - 1); r.s.Tick(&r.p) },
			want{state: Live, due: timeout}},
		{"a client that takes nothing is given up", stream,
			func(r *rig) { r.news("1"); r.some(0); r.later(timeout); r.s.Tick(&r.p); r.once("") },
			want{state: Ended, reason: Stalled, abort: true}},
		{"a client that takes nothing more of an event is given up", stream,
			func(r *rig) { r.news("1"); r.some(3); r.later(timeout); r.s.Tick(&r.p); r.once("") },
			want{state: Ended, reason: Stalled, abort: true, wire: "dat"}},
		{"nothing is due before the age", stream,
			func(r *rig) { r.s.expires = 1050; r.later(49); r.s.Tick(&r.p) },
			want{state: Live, due: 50}},
		{"the age", stream,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p); r.once(byeAge); r.once("") },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"the age of lines", typed,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: MaxAge, wire: lineAge}},
		{"the age of lines without types has no word", plain,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: MaxAge, abort: true}},
		{"the age of an array has no word", silent,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: MaxAge}},
		{"the age is given the timeout", stream,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p) },
			want{state: Leaving, reason: MaxAge, due: 50 + timeout}},
		{"the grant", stream,
			func(r *rig) { r.s.expires, r.s.grant = 1050, true; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: Grant, wire: byeGrant}},
		{"the grant of lines", typed,
			func(r *rig) { r.s.expires, r.s.grant = 1050, true; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: Grant, wire: lineGrant}},
		{"a client that stalls at its age is given up", stream,
			func(r *rig) {
				r.s.expires = 1000 + timeout
				r.news("1")
				r.some(0)
				r.later(timeout)
				r.s.Tick(&r.p)
			},
			want{state: Ended, reason: Stalled, abort: true}},
		{"what is due first is due", stream,
			func(r *rig) { r.s.expires = 1000 + timeout - 1; r.news("1"); r.some(0) },
			want{state: Live, due: timeout - 1}},

		// The end of the source.
		{"a topic that is complete", stream,
			func(r *rig) { r.news("1"); r.ends(nil); r.once(a); r.once(complete); r.once("") },
			want{state: Ended, reason: Complete, wire: a + complete, events: 1}},
		{"a topic that is complete, of lines", typed,
			func(r *rig) { r.news("1"); r.ends(nil); r.all() },
			want{state: Ended, reason: Complete, wire: la + lineComplete, events: 1}},
		{"lines without types end without a word where they are complete", plain,
			func(r *rig) { r.pushes().s.Push([]byte(la), 1); r.all(); r.s.Leave(&r.p, Complete, nil); r.all() },
			want{state: Ended, reason: Complete, wire: la, events: 1}},
		{"an array ends without a word where it is complete", silent,
			func(r *rig) { r.pushes().s.Push([]byte(la), 1); r.all(); r.s.Leave(&r.p, Complete, nil); r.all() },
			want{state: Ended, reason: Complete, wire: la, events: 1}},
		{"a source for one client leaves nothing when it is complete", single,
			func(r *rig) { r.pushes().s.Leave(&r.p, Complete, nil); r.all() },
			want{state: Ended, reason: Complete, wire: nothing}},
		{"a topic that failed", stream,
			func(r *rig) { r.ends(errBroken); r.all() },
			want{state: Ended, reason: Error, wire: failure}},
		{"a topic that failed, of lines", typed,
			func(r *rig) { r.ends(errBroken); r.all() },
			want{state: Ended, reason: Error, wire: lineFailure}},
		{"lines without types have no word for a failure", plain,
			func(r *rig) { r.pushes().s.Leave(&r.p, Error, problem); r.all() },
			want{state: Ended, reason: Error, abort: true}},
		{"an array has no word for a failure", silent,
			func(r *rig) { r.pushes().s.Leave(&r.p, Error, problem); r.all() },
			want{state: Ended, reason: Error}},
		{"a topic that was closed drains", stream,
			func(r *rig) { r.ends(errClosed); r.once(byeDrained); r.once("") },
			want{state: Ended, reason: Shutdown, wire: byeDrained}},
		{"a topic that was closed gives the farewell", stream,
			func(r *rig) { r.ends(errClosed); r.some(0) },
			want{state: Leaving, reason: Shutdown, due: farewell}},
		{"a client that was cut", stream,
			func(r *rig) { r.ends(errCut); r.all() },
			want{state: Ended, reason: Slow, wire: byeSlow}},
		{"a client that was cut, of lines", typed,
			func(r *rig) { r.ends(errCut); r.all() },
			want{state: Ended, reason: Slow, wire: lineSlow}},
		{"a client that was cut has half an event finished first", stream,
			func(r *rig) { r.news("1"); r.some(4); r.ends(errCut); r.all() },
			want{state: Ended, reason: Slow, wire: a + byeSlow, events: 1}},

		// Drain, Leave, Gone.
		{"drain says goodbye", stream,
			func(r *rig) { r.s.Drain(&r.p); r.once(byeDrained); r.once("") },
			want{state: Ended, reason: Shutdown, wire: byeDrained}},
		{"drain says goodbye in lines", typed,
			func(r *rig) { r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, wire: lineDrained}},
		{"drain has no word for lines without types", plain,
			func(r *rig) { r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, abort: true}},
		{"drain has no word for an array", silent,
			func(r *rig) { r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown}},
		{"drain finishes half an event first", stream,
			func(r *rig) {
				r.news("1")
				r.some(4)
				r.s.Drain(&r.p)
				r.once(a[4:])
				r.once(byeDrained)
				r.once("")
			},
			want{state: Ended, reason: Shutdown, wire: a + byeDrained, events: 1}},
		{"drain sends nothing that is pending", stream,
			func(r *rig) { r.news("1"); r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, wire: byeDrained}},
		{"drain sends what was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, wire: a + byeDrained, events: 1}},
		{"drain sends what the server said", stream,
			func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, wire: "id: 9\n\n" + byeDrained}},
		{"drain does not wait for a client that is full longer than the farewell", stream,
			func(r *rig) { r.news("1"); r.some(4); r.s.Drain(&r.p) },
			want{state: Leaving, reason: Shutdown, wire: "data", due: farewell}},
		{"drain does not give a client that is full more time", stream,
			func(r *rig) { r.news("1"); r.some(4); r.later(timeout - 3); r.s.Drain(&r.p) },
			want{state: Leaving, reason: Shutdown, wire: "data", due: timeout}},
		{"a farewell is no longer than the timeout", stream,
			func(r *rig) { r.p.Farewell = 2 * timeout; r.s.Drain(&r.p) },
			want{state: Leaving, reason: Shutdown, due: timeout}},
		{"an end that is decided gives a client that is full no more time", stream,
			func(r *rig) { r.news("1"); r.some(0); r.later(60); r.s.Leave(&r.p, Slow, nil) },
			want{state: Leaving, reason: Slow, due: timeout}},
		{"an end that is decided is told to a client that is full with nothing begun", stream,
			func(r *rig) { r.news("1"); r.some(0); r.s.Leave(&r.p, Slow, nil); r.all() },
			want{state: Ended, reason: Slow, wire: byeSlow}},
		{"a connection that is gone", stream,
			func(r *rig) { r.news("1"); r.some(2); r.s.Gone(false); r.once("") },
			want{state: Ended, reason: Left, wire: "da"}},
		{"a connection that timed out", stream,
			func(r *rig) { r.s.Gone(true) },
			want{state: Ended, reason: Stalled, abort: true}},

		{"nothing is due of a connection that is gone, though it was full", stream,
			func(r *rig) { r.news("1"); r.some(0); r.s.Gone(false); r.later(timeout); r.s.Tick(&r.p) },
			want{state: Ended, reason: Left}},

		// Say, Push.
		{"what the server says goes before the next event", stream,
			func(r *rig) { r.news("1"); r.s.Say(&r.p, []byte("id: 9\n\n")); r.once("id: 9\n\n"); r.once(a) },
			want{state: Live, wire: "id: 9\n\n" + a, events: 1}},
		{"what the server says twice is one write", stream,
			func(r *rig) {
				r.s.Say(&r.p, []byte("id: 8\n\n"))
				r.s.Say(&r.p, []byte("id: 9\n\n"))
				r.once("id: 8\n\nid: 9\n\n")
			},
			want{state: Live, wire: "id: 8\n\nid: 9\n\n"}},
		{"what the server says goes behind the rest of an event", stream,
			func(r *rig) {
				r.news("1")
				r.some(3)
				r.s.Say(&r.p, []byte("id: 9\n\n"))
				r.once(a[3:])
				r.once("id: 9\n\n")
			},
			want{state: Live, wire: a + "id: 9\n\n", events: 1}},
		{"what the server says goes behind the rest of what it said before", stream,
			func(r *rig) {
				r.s.Say(&r.p, []byte("id: 8\n\n"))
				r.some(3)
				r.s.Say(&r.p, []byte("id: 9\n\n"))
				r.all()
			},
			want{state: Live, wire: "id: 8\n\nid: 9\n\n"}},
		{"what the server says is said again where nothing of it was taken", stream,
			func(r *rig) { r.s.Say(&r.p, []byte("id: 8\n\n")); r.some(0); r.once("id: 8\n\n") },
			want{state: Live, wire: "id: 8\n\n"}},
		{"what the server says goes before what was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.s.Say(&r.p, []byte("id: 8\n\n")); r.all() },
			want{state: Live, wire: "id: 8\n\n" + a, events: 1}},

		// Take.
		{"take in the middle of a batch", stream,
			func(r *rig) {
				r.p.Own, r.p.Take = true, 2
				r.news("1", "2", "3")
				r.once(a + b)
				r.once(nothing)
				r.once("")
			},
			want{state: Ended, reason: Complete, wire: a + b + nothing, events: 2}},
		{"take in the middle of a batch of lines", typed,
			func(r *rig) { r.p.Own, r.p.Take = true, 2; r.news("1", "2", "3"); r.all() },
			want{state: Ended, reason: Complete, events: 2,
				wire: la + lb + `{"id":"end","event":"stream.complete","data":{}}` + "\n"}},
		{"take at the end of a batch", stream,
			func(r *rig) { r.p.Own, r.p.Take = true, 2; r.news("1", "2"); r.all() },
			want{state: Ended, reason: Complete, wire: a + b + nothing, events: 2}},
		{"take over two batches", stream,
			func(r *rig) { r.p.Own, r.p.Take = true, 2; r.news("1"); r.all(); r.news("2", "3"); r.all() },
			want{state: Ended, reason: Complete, wire: a + b + nothing, events: 2}},
		{"take is not reached", stream,
			func(r *rig) { r.p.Own, r.p.Take = true, 2; r.news("1"); r.all() },
			want{state: Live, wire: a, events: 1}},
		{"take that a batch half sent reaches", stream,
			func(r *rig) {
				r.p.Own, r.p.Take = true, 2
				r.news("1", "2", "3")
				r.some(len(a) + 1)
				r.check(want{state: Live, wire: a + "d", events: 1, due: timeout})
				r.once(b[1:])
				r.once(nothing)
				r.once("")
			},
			want{state: Ended, reason: Complete, wire: a + b + nothing, events: 2}},
		{"take of events that were pushed", single,
			func(r *rig) {
				r.pushes().p.Take = 1
				r.s.Push([]byte(a), 1)
				r.all()
				if r.s.Push([]byte(b), 1) {
					r.t.Error("Push = true behind the last event")
				}
			},
			want{state: Ended, reason: Complete, wire: a + nothing, events: 1}},
		{"take of lines without types", plain,
			func(r *rig) { r.pushes().p.Take = 1; r.s.Push([]byte(la), 1); r.all() },
			want{state: Ended, reason: Complete, wire: la, events: 1}},
		{"a source that completes at the last event that is taken", single,
			func(r *rig) {
				r.pushes().p.Take = 1
				r.s.Push([]byte(a), 1)
				r.s.Leave(&r.p, Complete, nil)
				r.all()
			},
			want{state: Ended, reason: Complete, wire: a + nothing, events: 1}},
	})
}

func TestLeaving(t *testing.T) {
	// left returns a rig whose end is decided, and whose last words are not sent.
	left := func(reason Reason) func(*testing.T, Words) *rig {
		return func(t *testing.T, w Words) *rig {
			r := newRig(t, w)
			r.s.Leave(&r.p, reason, problem)
			return r
		}
	}
	run(t, left(MaxAge), []row{
		{"the last words", stream,
			func(r *rig) { r.once(byeAge); r.once("") },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"Took asks for more behind the last words, so that the session ends", stream,
			func(r *rig) {
				if !r.once(byeAge) {
					r.t.Error("Took = false")
				}
			},
			want{state: Leaving, reason: MaxAge, wire: byeAge, due: timeout}},
		{"half of the last words are finished", stream,
			func(r *rig) { r.some(5); r.once(byeAge[5:]); r.once("") },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"half sent and last words queued: both go out", stream,
			func(r *rig) {
				*r = *newRig(r.t, stream)
				r.news("1")
				r.some(4)
				r.s.Leave(&r.p, MaxAge, nil)
				r.some(1)
				r.all()
			},
			want{state: Ended, reason: MaxAge, wire: a + byeAge, events: 1}},
		{"a client that takes a part never gets more than the timeout", stream,
			func(r *rig) { r.later(60); r.some(5) },
			want{state: Leaving, reason: MaxAge, wire: byeAge[:5], due: timeout}},
		{"a client that takes nothing never gets more than the timeout", stream,
			func(r *rig) { r.later(60); r.some(0) },
			want{state: Leaving, reason: MaxAge, due: timeout}},
		{"a client that takes one byte at a time is given up in the end", stream,
			func(r *rig) {
				for r.s.State() == Leaving {
					r.some(1)
					r.later(30)
					r.s.Tick(&r.p)
				}
			},
			want{state: Ended, reason: MaxAge, abort: true, wire: byeAge[:4]}},
		{"a client that takes nothing is given up, and the reason stands", stream,
			func(r *rig) { r.some(0); r.later(timeout); r.s.Tick(&r.p) },
			want{state: Ended, reason: MaxAge, abort: true}},
		{"a client that was not asked is given up, and the reason stands", stream,
			func(r *rig) { r.later(timeout); r.s.Tick(&r.p) },
			want{state: Ended, reason: MaxAge, abort: true}},
		{"nothing is due before the end of patience", stream,
			func(r *rig) { r.later(timeout - 1); r.s.Tick(&r.p) },
			want{state: Leaving, reason: MaxAge, due: timeout}},
		{"no heartbeat", stream,
			func(r *rig) { r.beat(3) },
			want{state: Leaving, reason: MaxAge, due: timeout}},
		{"nothing that is pending", stream,
			func(r *rig) { r.news("1"); r.all() },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"nothing is pushed", single,
			func(r *rig) {
				r.p.Pushes, r.p.Source = true, nil
				if r.s.Push([]byte(a), 1) {
					r.t.Error("Push = true")
				}
				r.all()
			},
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"nothing more is said", stream,
			func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.all() },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"the end is decided once", stream,
			func(r *rig) { r.s.Leave(&r.p, Error, problem); r.all() },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"drain makes patience the farewell, and the words stay", stream,
			func(r *rig) { r.s.Drain(&r.p); r.check(want{state: Leaving, reason: MaxAge, due: farewell}); r.all() },
			want{state: Ended, reason: MaxAge, wire: byeAge}},
		{"drain gives no more time than there was", stream,
			func(r *rig) { r.later(timeout - 3); r.s.Drain(&r.p) },
			want{state: Leaving, reason: MaxAge, due: timeout}},
		{"drain twice gives no more time", stream,
			func(r *rig) { r.s.Drain(&r.p); r.later(5); r.s.Drain(&r.p) },
			want{state: Leaving, reason: MaxAge, due: farewell}},
		{"drain while the last words are half sent", stream,
			func(r *rig) {
				r.some(5)
				r.s.Drain(&r.p)
				r.later(5)
				r.some(1)
			},
			want{state: Leaving, reason: MaxAge, wire: byeAge[:6], due: farewell}},
		{"drain: a client that is full counts as drained when it is given up", stream,
			func(r *rig) { r.some(5); r.s.Drain(&r.p); r.later(farewell); r.s.Tick(&r.p) },
			want{state: Ended, reason: Shutdown, abort: true, wire: byeAge[:5]}},
		{"a connection that is gone", stream,
			func(r *rig) { r.some(5); r.s.Gone(false); r.once("") },
			want{state: Ended, reason: Left, wire: byeAge[:5]}},
		{"a connection that timed out keeps the reason", stream,
			func(r *rig) { r.some(5); r.s.Gone(true) },
			want{state: Ended, reason: MaxAge, abort: true, wire: byeAge[:5]}},
		{"lines without types", plain,
			func(r *rig) { r.once("") },
			want{state: Ended, reason: MaxAge, abort: true}},
		{"lines without types are aborted behind half a line, which is finished", plain,
			func(r *rig) {
				*r = *newRig(r.t, plain)
				r.pushes().s.Push([]byte(la), 1)
				r.some(3)
				r.s.Leave(&r.p, MaxAge, nil)
				r.once(la[3:])
				r.once("")
			},
			want{state: Ended, reason: MaxAge, abort: true, wire: la, events: 1}},
		{"lines without types that are gone are not aborted", plain,
			func(r *rig) { r.s.Gone(false) },
			want{state: Ended, reason: Left}},
	})
	for reason, given := range map[Reason]Reason{
		Complete: Stalled, Error: Stalled, MaxAge: MaxAge, Shutdown: Shutdown, Grant: Grant, Slow: Slow,
	} {
		patience := int64(timeout)
		if reason == Shutdown {
			patience = farewell
		}
		run(t, left(reason), []row{
			{reason.String() + " in time", stream,
				func(r *rig) { r.all(); r.forget() },
				want{state: Ended, reason: reason}},
			{reason.String() + " to a client that takes no bytes", stream,
				func(r *rig) { r.some(0); r.later(patience); r.s.Tick(&r.p) },
				want{state: Ended, reason: given, abort: true}},
			{reason.String() + " has its patience", stream,
				func(r *rig) {},
				want{state: Leaving, reason: reason, due: patience}},
			{reason.String() + " of lines without types", plain,
				func(r *rig) { r.once("") },
				want{state: Ended, reason: reason, abort: reason != Complete}},
			{reason.String() + " of an array", silent,
				func(r *rig) { r.once("") },
				want{state: Ended, reason: reason}},
		})
	}
}

func TestEnded(t *testing.T) {
	ended := func(t *testing.T, w Words) *rig {
		r := newRig(t, w)
		r.s.expires = 1050
		r.news("1")
		r.s.Leave(&r.p, Slow, nil)
		r.all()
		r.forget()
		return r
	}
	same := want{state: Ended, reason: Slow}
	run(t, ended, []row{
		{"Next says nothing", stream, func(r *rig) { r.news("2"); r.once("") }, same},
		{"Took changes nothing", stream, func(r *rig) {
			if r.s.Took(&r.p, 0) {
				r.t.Error("Took = true")
			}
		}, same},
		{"Took behind a batch changes nothing", plain, func(r *rig) {
			*r = *newRig(r.t, plain)
			r.news("1")
			r.all()
			r.s.Leave(&r.p, Slow, nil)
			r.once("")
			r.forget()
			if r.s.Took(&r.p, 0) {
				r.t.Error("Took = true")
			}
		}, want{state: Ended, reason: Slow, abort: true}},
		{"Beat says nothing", stream, func(r *rig) { r.beat(3) }, same},
		{"Tick changes nothing", stream, func(r *rig) { r.later(1e6); r.s.Tick(&r.p) }, same},
		{"Drain changes nothing", stream, func(r *rig) { r.s.Drain(&r.p); r.once("") }, same},
		{"Leave changes nothing", stream, func(r *rig) { r.s.Leave(&r.p, Error, problem); r.once("") }, same},
		{"Gone changes nothing", stream, func(r *rig) { r.s.Gone(false) }, same},
		{"Gone by a timeout changes nothing", stream, func(r *rig) { r.s.Gone(true) }, same},
		{"Say says nothing", stream, func(r *rig) { r.s.Say(&r.p, []byte("x")); r.once("") }, same},
		{"Push is refused", stream, func(r *rig) {
			if r.s.Push([]byte(a), 1) {
				r.t.Error("Push = true")
			}
			r.once("")
		}, same},
	})
}

// Many tells the round that events come faster than they are sent.
func TestMany(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig)
		want bool
	}{
		{"one event", func(r *rig) { r.news("1"); r.all() }, false},
		{"two events one by one", func(r *rig) { r.news("1"); r.all(); r.news("2"); r.all() }, false},
		{"two events at a time", func(r *rig) { r.news("1", "2"); r.all() }, true},
		{"two events, of which one is taken", func(r *rig) { r.news("1", "2"); r.some(len(a)) }, false},
		{"two events of a rest", func(r *rig) { r.news("1", "2"); r.some(1); r.all() }, true},
		{"what is not an event", func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.all(); r.beat(9) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, stream)
			if tt.do(r); r.p.Many != tt.want {
				t.Errorf("Many = %t; want %t", r.p.Many, tt.want)
			}
		})
	}
}
