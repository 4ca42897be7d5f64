package session

// A Round says when a pass over sessions is due: of all connections of a group, or of
// a single one. It paces them, so that several events leave in one write, and it is the
// clock of their heartbeats.
//
// The first event after a pause is sent at once. Passes that sent something begin at
// least Pace apart; one that found several events at a time is followed by a rest of
// Pace, because more will be there soon.
type Round struct {
	Pace int64
	Beat int64 // how long a stream may be silent; 0 means no limit

	running bool
	news    bool // since the pass under way began, events have come for every session
	more    bool // a session has more to send than its turn
	wide    bool // the pass under way is for every session
	beats   bool // the pass under way sends heartbeats
	began   int64
	rests   int64 // no pass for news begins before this
	allSent int64 // when a pass last sent something to every session
}

// Reset starts the clock of the heartbeats at now.
func (r *Round) Reset(now int64) { r.allSent = now }

// News notes that there may be something new for every session.
func (r *Round) News() { r.news = true }

// More notes that a session wants another turn.
func (r *Round) More() { r.more = true }

// Running reports whether a pass is under way.
func (r *Round) Running() bool { return r.running }

// Due returns when the next pass is to begin, or [Never].
func (r *Round) Due() int64 {
	due := r.BeatDue()
	if r.news || r.more {
		due = min(due, r.rests)
	}
	return due
}

// BeatDue returns when the next heartbeat is due, or [Never].
func (r *Round) BeatDue() int64 {
	if r.Beat <= 0 {
		return Never
	}
	return Later(r.allSent, r.Beat)
}

// Wanted reports whether there is news, or a session that wants another turn.
func (r *Round) Wanted() bool { return r.news || r.more }

// Rests returns when the next pass for news may begin.
func (r *Round) Rests() int64 { return r.rests }

// Start begins a pass. It returns true if sessions that are sent nothing else get a
// heartbeat in it.
func (r *Round) Start(now int64) (beats bool) {
	r.running, r.began = true, now
	r.wide, r.news, r.more = r.news, false, false
	r.beats = now >= r.BeatDue()
	return r.beats
}

// Beats reports whether the pass under way sends heartbeats.
func (r *Round) Beats() bool { return r.beats }

// Done ends a pass. sent reports whether something was written in it, and many whether
// a client took more than one event at a time.
func (r *Round) Done(now int64, sent, many bool) {
	switch {
	case many:
		r.rests = Later(now, r.Pace)
	case sent:
		r.rests = Later(r.began, r.Pace)
	}
	// A pass that only resumed one session does not reset the others' heartbeat.
	if r.beats || sent && r.wide {
		r.allSent = now
	}
	r.running, r.beats = false, false
}
