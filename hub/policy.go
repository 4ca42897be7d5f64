package hub

// A Policy says what happens to a cursor whose position is no longer kept, because its
// reader was too slow or was away for too long.
type Policy int

const (
	// PolicyToOldest continues with the oldest event kept: as little as possible is lost.
	PolicyToOldest Policy = iota
	// PolicyToLatest continues with the newest event: for readers that want the present
	// state, and not its history.
	PolicyToLatest
	// PolicyCut ends the cursor with [ErrCut]. The subscriber resumes with its last id,
	// which a log that keeps more than the window may still have: then nothing is lost.
	// A cursor whose position the log has dropped too is not cut, which would not help,
	// but continues as with PolicyToOldest.
	PolicyCut
)

// String returns the policy's name in lower case.
func (p Policy) String() string {
	switch p {
	case PolicyToOldest:
		return "oldest"
	case PolicyToLatest:
		return "latest"
	case PolicyCut:
		return "cut"
	}
	return "unknown"
}
