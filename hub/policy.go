package hub

// A Policy says what becomes of a cursor whose place is no longer kept, because its
// reader was too slow or has been away too long.
type Policy int

const (
	// PolicyToOldest goes on with the oldest event kept: as little as possible is lost.
	PolicyToOldest Policy = iota
	// PolicyToLatest goes on with the newest event: for readers who want to know how things
	// stand, and not how they came about.
	PolicyToLatest
	// PolicyCut ends the cursor with [ErrCut]. The subscriber comes back with its last id,
	// which a log that keeps more than the window may still have: nothing is lost
	// then. A cursor whose place the log has dropped too is not cut, which would not
	// help, but goes on as with PolicyToOldest.
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
