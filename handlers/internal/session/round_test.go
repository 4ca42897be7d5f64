package session

import "testing"

// A tick is one step of a round: what happens at a time.
type tick struct {
	now int64
	do  func(r *Round)
	due int64 // afterwards
}

func TestRound(t *testing.T) {
	news := func(r *Round) { r.News() }
	more := func(r *Round) { r.More() }
	// pass is a pass that begins at now and ends d later.
	pass := func(now, d int64, sent, many bool) func(*Round) {
		return func(r *Round) {
			r.Start(now)
			r.Done(now+d, sent, many)
		}
	}
	const pace, silence = 10, 1000
	tests := []struct {
		name string
		do   []tick
	}{
		{"nothing is due but the heartbeat", []tick{
			{0, func(*Round) {}, silence},
		}},
		{"the first event after a pause is sent at once", []tick{
			{500, news, 0},
			{500, pass(500, 1, true, false), 501 + silence},
			{900, news, 510},
		}},
		{"passes that sent something begin at least the pace apart", []tick{
			{500, news, 0},
			{500, pass(500, 4, true, false), 504 + silence},
			{505, news, 510},
		}},
		{"a pass that found many at a time is followed by a rest", []tick{
			{500, news, 0},
			{500, pass(500, 4, true, true), 504 + silence},
			{505, news, 514},
		}},
		{"a pass that sent nothing is followed by no rest", []tick{
			{500, news, 0},
			{500, pass(500, 4, false, false), silence},
			{505, news, 0},
		}},
		{"news of the pass under way are for the next one", []tick{
			{500, news, 0},
			{500, func(r *Round) { r.Start(500); r.News(); r.Done(504, true, false) }, 510},
		}},
		{"news before the pass are for it", []tick{
			{500, func(r *Round) { r.News(); r.News(); r.Start(500); r.Done(501, true, false) }, 501 + silence},
		}},
		{"a session that wants another turn gets one, in the pace", []tick{
			{500, func(r *Round) { r.News(); r.Start(500); r.More(); r.Done(504, true, false) }, 510},
		}},
		{"another turn after a pause is at once", []tick{
			{500, more, 0},
			{500, pass(500, 1, true, false), silence},
		}},
		{"an event for everybody restarts the clock of heartbeats", []tick{
			{500, func(r *Round) { r.News(); r.Start(500); r.Done(501, true, false) }, 501 + silence},
		}},
		{"an event that nobody got does not", []tick{
			{500, func(r *Round) { r.News(); r.Start(500); r.Done(501, false, false) }, silence},
		}},
		{"a session that is resumed alone does not", []tick{
			{500, func(r *Round) { r.More(); r.Start(500); r.Done(501, true, false) }, silence},
		}},
		{"a session that is resumed alone after a pass for everybody does not", []tick{
			{500, func(r *Round) { r.News(); r.Start(500); r.Done(501, true, false) }, 501 + silence},
			{600, func(r *Round) { r.More(); r.Start(600); r.Done(601, true, false) }, 501 + silence},
		}},
		{"a heartbeat restarts the clock, though nobody may have got it", []tick{
			{1000, pass(1000, 1, false, false), 1001 + silence},
		}},
		{"the pass before the heartbeat does not restart it", []tick{
			{999, pass(999, 0, false, false), silence},
		}},
		{"Reset restarts the clock", []tick{
			{300, func(r *Round) { r.Reset(300) }, 300 + silence},
		}},
		{"a heartbeat does not wait for the rest", []tick{
			{995, func(r *Round) { r.More(); r.Start(995); r.Done(996, true, true) }, silence},
		}},
		{"news do not delay the heartbeat", []tick{
			{995, func(r *Round) { r.More(); r.Start(995); r.Done(996, true, true); r.News() }, silence},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Round{Pace: pace, Beat: silence}
			for i, step := range tt.do {
				step.do(&r)
				if due := r.Due(); due != step.due {
					t.Errorf("step %d, at %d: due %d; want %d", i, step.now, due, step.due)
				}
			}
		})
	}
}

func TestRoundState(t *testing.T) {
	r := Round{Pace: 10, Beat: 1000}
	if r.Running() || r.Wanted() || r.Beats() {
		t.Error("a new round has something under way")
	}
	if r.More(); !r.Wanted() {
		t.Error("nothing is wanted, though a session wants another turn")
	}
	r.Start(1)
	if r.Done(2, false, false); r.Wanted() {
		t.Error("a turn that was given is still wanted")
	}
	if r.News(); !r.Wanted() {
		t.Error("nothing is wanted, though there is news")
	}
	if r.Start(999) || r.Beats() {
		t.Error("a heartbeat before it is due")
	}
	if !r.Running() || r.Wanted() {
		t.Error("a pass has begun: it is to be under way, and nothing else wanted")
	}
	if r.Done(999, false, false); r.Running() {
		t.Error("a pass is under way behind its end")
	}
	if !r.Start(1000) || !r.Beats() {
		t.Error("no heartbeat when it is due")
	}
	if r.Done(1000, false, false); r.Beats() {
		t.Error("a heartbeat is under way behind the end of its pass")
	}
	if due := r.BeatDue(); due != 2000 {
		t.Errorf("the next heartbeat is due at %d; want 2000", due)
	}
	r.Start(1500)
	if r.Done(1500, true, false); r.Rests() != 1510 {
		t.Errorf("the round rests until %d; want 1510", r.Rests())
	}
}

func TestRoundWithoutHeartbeats(t *testing.T) {
	r := Round{Pace: 10}
	if due := r.Due(); due != Never {
		t.Errorf("due %d; want Never", due)
	}
	if r.Start(1 << 60) {
		t.Error("Start = true: want no heartbeat")
	}
	r.Done(1<<60, true, false)
	if due := r.BeatDue(); due != Never {
		t.Errorf("a heartbeat is due at %d; want Never", due)
	}
	if r.News(); r.Due() != 1<<60+10 {
		t.Errorf("due %d; want %d", r.Due(), int64(1<<60+10))
	}
}

func TestLater(t *testing.T) {
	for _, tt := range []struct{ t, d, want int64 }{
		{1, 2, 3},
		{Never, 0, Never},
		{Never, 1, Never},
		{1, Never, Never},
		{1, Never - 1, Never},
		{1, Never - 2, Never - 1},
		{5, -2, 3},
	} {
		if got := Later(tt.t, tt.d); got != tt.want {
			t.Errorf("Later(%d, %d) = %d; want %d", tt.t, tt.d, got, tt.want)
		}
	}
}
