package hub

// A Policy says what becomes of a cursor whose place is no longer kept, because its
// reader was too slow or has been away too long.
type Policy int

const (
	// ToOldest goes on with the oldest event kept: as little as possible is lost.
	ToOldest Policy = iota
	// ToLatest goes on with the newest event: for readers who want to know how things
	// stand, and not how they came about.
	ToLatest
	// Cut ends the cursor with [ErrCut]. The subscriber comes back with its last id,
	// which a log that keeps more than the window may still have: nothing is lost
	// then. A cursor that begins at a place that is gone is not cut, which would
	// never end, but begins as with ToOldest.
	Cut
)

// String returns the policy's name in lower case.
func (p Policy) String() string {
	switch p {
	case ToOldest:
		return "oldest"
	case ToLatest:
		return "latest"
	case Cut:
		return "cut"
	}
	return "unknown"
}
