package client

// A Policy says what becomes of what the loop did not ask for, an error of a kind
// that need not be the end: an event that cannot be handed out ([DecodeErrors]), one
// that is no case ([UnknownEvents]), a gap ([Gaps]).
type Policy int

const (
	// End ends the stream with the error.
	End Policy = iota
	// Surface yields the error in its place between the events and goes on: it is not
	// the last. [Subscribe] tells it to onError; [Observe], where an error has no place
	// but the last, takes it for Skip.
	Surface
	// Skip logs the error and goes on.
	Skip
)

func (p Policy) bad() bool { return p < End || p > Skip }

// policy is what is to become of err.
func (c *config) policy(err error) Policy {
	switch err.(type) {
	case *UnknownEventError:
		return c.unknownEvents
	case *Gap:
		return c.gaps
	}
	return c.decodeErrors
}
