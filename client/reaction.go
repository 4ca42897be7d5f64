package client

import "fmt"

// A Reaction says what a stream does about an error that does not have to end it: an
// event that cannot be yielded ([DecodeErrors]), one whose name is not among the cases
// ([UnknownEvents]), or a gap ([Gaps]).
type Reaction int

const (
	// ReactionEnd ends the stream with the error.
	ReactionEnd Reaction = iota
	// ReactionSurface yields the error in its place between the events, and the stream
	// continues. [Subscribe] passes it to onError. [Observe] treats it like
	// ReactionSkip: an Observable can have no error but the last.
	ReactionSurface
	// ReactionSkip logs the error and continues.
	ReactionSkip
)

// String returns "end", "surface" or "skip".
func (r Reaction) String() string {
	switch r {
	case ReactionEnd:
		return "end"
	case ReactionSurface:
		return "surface"
	case ReactionSkip:
		return "skip"
	}
	return fmt.Sprintf("Reaction(%d)", int(r))
}

func (r Reaction) bad() bool { return r < ReactionEnd || r > ReactionSkip }

// reaction returns what to do about err.
func (c *config) reaction(err error) Reaction {
	switch err.(type) {
	case *UnknownEventError:
		return c.unknownEvents
	case *GapError:
		return c.gaps
	}
	return c.decodeErrors
}
