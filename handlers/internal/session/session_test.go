package session

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// A row is one sentence of what a session promises.
type row struct {
	name   string
	format Words
	do     func(r *rig)
	want   want
}

func run(t *testing.T, rig func(*testing.T, Words) *rig, rows []row) {
	t.Helper()
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			r := rig(t, tt.format)
			tt.do(r)
			r.check(tt.want)
		})
	}
}

const (
	a, b, c    = "data: 1\n\n", "data: 2\n\n", "data: 3\n\n"
	la, lb, lc = `{"data":1}` + "\n", `{"data":2}` + "\n", `{"data":3}` + "\n"
)

func TestOpening(t *testing.T) {
	run(t, openingRig, []row{
		{"nothing is said before the grace is over", stream,
			func(r *rig) { r.once("") },
			want{state: Opening}},
		{"opening words leave when the grace is over", stream,
			func(r *rig) { r.p.Open = true; r.all() },
			want{state: Live, wire: opening}},
		{"opening words name the position", stream,
			func(r *rig) { r.s.spot, r.src.stamp, r.p.Open = reading.Spot{At: 1, Stamp: 36}, 36, true; r.all() },
			want{state: Live, wire: opening + "id: 0.10\n\n"}},
		{"the first event leaves with the opening words", stream,
			func(r *rig) { r.news("1"); r.once(opening + a) },
			want{state: Live, wire: opening + a, events: 1}},
		{"all pending events leave with the opening words", stream,
			func(r *rig) { r.news("1", "2"); r.once(opening + a + b) },
			want{state: Live, wire: opening + a + b, events: 2}},
		{"an event that was pushed leaves with the opening words", single,
			func(r *rig) { r.pushes(); r.s.Push([]byte(a), 1); r.once(opening + a) },
			want{state: Live, wire: opening + a, events: 1}},
		{"a large batch leaves behind the opening words", stream,
			func(r *rig) { r.news(strings.Repeat("x", joinUpTo)); r.once(opening); r.all() },
			want{state: Live, wire: opening + frame(strings.Repeat("x", joinUpTo)), events: 1}},
		{"a large event that was pushed leaves behind the opening words", single,
			func(r *rig) {
				r.pushes()
				r.s.Push([]byte(frame(strings.Repeat("x", joinUpTo))), 1)
				r.once(opening)
				r.all()
			},
			want{state: Live, wire: opening + frame(strings.Repeat("x", joinUpTo)), events: 1}},
		{"a batch of the largest size that is copied leaves with the opening words", stream,
			func(r *rig) {
				x := strings.Repeat("x", joinUpTo-len(frame("")))
				r.news(x)
				r.once(opening + frame(x))
				r.forget()
			},
			want{state: Live}},
		{"lines have no opening words", typed,
			func(r *rig) { r.p.Open = true; r.all() },
			want{state: Live}},
		{"the first line leaves alone", typed,
			func(r *rig) { r.news("1"); r.once(la) },
			want{state: Live, wire: la, events: 1}},
		{"the first line without a type leaves alone", plain,
			func(r *rig) { r.pushes(); r.s.Push([]byte(la), 1); r.once(la) },
			want{state: Live, wire: la, events: 1}},
		{"the first value of an array leaves alone", silent,
			func(r *rig) { r.pushes(); r.s.Push([]byte(la), 1); r.once(la) },
			want{state: Live, wire: la, events: 1}},
		{"a gap opens the stream, and is told behind the opening words", stream,
			func(r *rig) {
				r.news("1", "2", "3")
				r.src.oldest = 3
				r.all()
				if r.gaps != 1 {
					r.t.Errorf("%d gaps were reported; want 1", r.gaps)
				}
			},
			want{state: Live, events: 1, wire: opening +
				"id: 2\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"\",\"to\":\"\",\"missed\":2}\n\n" + c}},
		{"a gap that opens the stream names the position alone", stream,
			func(r *rig) {
				r.src.stamp = 36
				r.news("1", "2", "3")
				r.s.Move(r.src.spot(2))
				r.src.oldest = 3
				r.all()
			},
			want{state: Live, events: 1, wire: opening +
				"id: 2.10\nevent: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"\",\"to\":\"\",\"missed\":1}\n\n" + c}},
		{"a gap opens typed lines", typed,
			func(r *rig) { r.news("1", "2", "3"); r.src.oldest = 3; r.all() },
			want{state: Live, events: 1, wire: `{"id":"2","event":"stream.gap","data":{"reason":"slow","from":"","to":"","missed":2}}` + "\n" + lc}},
		{"a position of an earlier incarnation is a gap", stream,
			func(r *rig) { r.news("1"); r.src.life, r.src.stamp = 7, 36; r.all() },
			want{state: Live, events: 1, wire: opening +
				"id: 0.10\nevent: stream.gap\ndata: {\"reason\":\"restart\",\"from\":\"\",\"to\":\"\",\"missed\":null}\n\n" + a}},
		{"a client that takes nothing of the opening is full", stream,
			func(r *rig) { r.news("1"); r.some(0) },
			want{state: Live, due: timeout}},
		{"half an opening is finished, and counts the event at its end", stream,
			func(r *rig) {
				r.news("1", "2")
				r.some(4)
				r.once((opening + a + b)[4:])
			},
			want{state: Live, wire: opening + a + b, events: 2}},
		{"half an opening counts the events that are whole", stream,
			func(r *rig) { r.news("1", "2"); r.some(len(opening + a + "data")) },
			want{state: Live, wire: opening + a + "data", events: 1, due: timeout}},
		{"a source that failed before anything was said ends the session without a word", stream,
			func(r *rig) { r.ends(errBroken); r.once("") },
			want{state: Ended, reason: Error}},
		{"a source that failed before the grace was over ends the session at the end of the grace", stream,
			func(r *rig) { r.ends(errBroken); r.p.Open = true; r.once("") },
			want{state: Ended, reason: Error}},
		{"a source that failed behind an event is told of behind it", stream,
			func(r *rig) { r.news("1"); r.ends(errBroken); r.all() },
			want{state: Ended, reason: Error, events: 1, wire: opening + a + failure}},
		{"a source that was complete from the start opens and completes", stream,
			func(r *rig) { r.ends(nil); r.all() },
			want{state: Ended, reason: Complete, wire: opening + complete}},
		{"Error ends it without a word", stream,
			func(r *rig) { r.s.Leave(&r.p, Error, problem); r.once("") },
			want{state: Ended, reason: Error}},
		{"Error behind an event that was pushed is told behind it", single,
			func(r *rig) {
				r.pushes()
				r.s.Push([]byte(a), 1)
				r.s.Leave(&r.p, Error, problem)
				r.once(opening + a)
				r.once(failure)
				r.once("")
			},
			want{state: Ended, reason: Error, events: 1, wire: opening + a + failure}},
		{"an event that was pushed goes out before the end", single,
			func(r *rig) { r.pushes(); r.s.Push([]byte(a), 1); r.s.Leave(&r.p, Complete, nil); r.all() },
			want{state: Ended, reason: Complete, events: 1, wire: opening + a + nothing}},
		{"Complete opens and completes", single,
			func(r *rig) { r.pushes().s.Leave(&r.p, Complete, nil); r.once(opening); r.once(nothing); r.once("") },
			want{state: Ended, reason: Complete, wire: opening + nothing}},
		{"Drain opens and says goodbye", stream,
			func(r *rig) { r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, wire: opening + byeDrained}},
		{"Drain does not wait for the client longer than the farewell", stream,
			func(r *rig) { r.s.Drain(&r.p) },
			want{state: Leaving, reason: Shutdown, due: farewell}},
		{"Drain has no word for lines without types", plain,
			func(r *rig) { r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, abort: true}},
		{"Drain sends no line that is pending", plain,
			func(r *rig) { r.news("1"); r.s.Drain(&r.p); r.all() },
			want{state: Ended, reason: Shutdown, abort: true}},
		{"the age", stream,
			func(r *rig) { r.s.expires = 1050; r.later(50); r.s.Tick(&r.p); r.all() },
			want{state: Ended, reason: MaxAge, wire: opening + byeAge}},
		{"an expired grant sends nothing that is pending", stream,
			func(r *rig) {
				r.s.expires, r.s.grant = 1050, true
				r.news("1")
				r.later(50)
				r.s.Tick(&r.p)
				r.all()
			},
			want{state: Ended, reason: Grant, wire: opening + byeGrant}},
		{"nothing is due before the age", stream,
			func(r *rig) { r.s.expires = 1050; r.later(49); r.s.Tick(&r.p) },
			want{state: Opening, due: 50}},
		{"a connection that is gone", stream,
			func(r *rig) { r.s.Gone(false); r.once("") },
			want{state: Ended, reason: Left}},
		{"a connection that timed out", stream,
			func(r *rig) { r.s.Gone(true); r.once("") },
			want{state: Ended, reason: Stalled, abort: true}},
		{"no heartbeat", stream,
			func(r *rig) { r.beat(3) },
			want{state: Opening}},
		{"what the server says leaves behind the opening words", stream,
			func(r *rig) { r.s.Say(&r.p, []byte("id: 9\n\n")); r.once(opening + "id: 9\n\n") },
			want{state: Live, wire: opening + "id: 9\n\n"}},
		{"what the server says leaves before the first event, in one write", stream,
			func(r *rig) { r.news("1"); r.s.Say(&r.p, []byte("id: 9\n\n")); r.once(opening + "id: 9\n\n" + a) },
			want{state: Live, wire: opening + "id: 9\n\n" + a, events: 1}},
		{"what the server says leaves before an event that was pushed", single,
			func(r *rig) { r.pushes().s.Push([]byte(a), 1); r.s.Say(&r.p, []byte("id: 9\n\n")); r.all() },
			want{state: Live, wire: opening + "id: 9\n\n" + a, events: 1}},
		{"what the server says twice leaves once, in order", typed,
			func(r *rig) {
				r.news("1")
				r.s.Say(&r.p, []byte("x\n"))
				r.s.Say(&r.p, []byte("y\n"))
				r.all()
			},
			want{state: Live, wire: "x\ny\n" + la, events: 1}},
		{"a line that is half said counts no event", typed,
			func(r *rig) { r.news("1"); r.s.Say(&r.p, []byte("x\n")); r.some(1) },
			want{state: Live, wire: "x", due: timeout}},
		{"what the server says of a source that has failed is not said", stream,
			func(r *rig) { r.ends(errBroken); r.s.Say(&r.p, []byte("id: 9\n\n")); r.once("") },
			want{state: Ended, reason: Error}},
		{"a client that takes nothing of the opening is told more behind it", stream,
			func(r *rig) { r.news("1"); r.some(0); r.s.Say(&r.p, []byte("id: 9\n\n")); r.all() },
			want{state: Live, wire: opening + a + "id: 9\n\n", events: 1}},
		{"a filter may pass over events before the opening", stream,
			func(r *rig) {
				r.src.keeps = func(f string) bool { return f != a }
				r.news("1")
				r.once("")
				if at := r.s.Spot().At; at != 2 {
					r.t.Errorf("the session is at %d; want 2", at)
				}
			},
			want{state: Opening}},
		{"a filter may pass over pages before the first event", stream,
			func(r *rig) {
				r.src.keeps, r.src.page = func(f string) bool { return f == c }, 1
				r.news("1", "2", "3")
				r.all()
			},
			want{state: Live, wire: opening + c, events: 1}},
		{"take counts an event that leaves with the opening words", stream,
			func(r *rig) { r.p.Take, r.p.Own = 1, true; r.news("1", "2"); r.once(opening + a); r.all() },
			want{state: Ended, reason: Complete, wire: opening + a + nothing, events: 1}},
	})
}

func TestSize(t *testing.T) {
	if got := unsafe.Sizeof(Session{}); got > 72 {
		t.Errorf("a session takes %d bytes; want at most 72", got)
	}
}
