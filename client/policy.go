package client

import "fmt"

// A Policy says what to do with an error that does not have to end the stream: an
// event that cannot be yielded ([DecodeErrors]), one whose name is not among the
// cases ([UnknownEvents]), or a gap ([Gaps]).
type Policy int

const (
	// PolicyEnd ends the stream with the error.
	PolicyEnd Policy = iota
	// PolicySurface yields the error in its place between the events, and the stream
	// continues. [Subscribe] passes it to onError. [Observe] treats it like
	// PolicySkip: an Observable can have no error but the last.
	PolicySurface
	// PolicySkip logs the error and continues.
	PolicySkip
)

// String returns "end", "surface" or "skip".
func (p Policy) String() string {
	switch p {
	case PolicyEnd:
		return "end"
	case PolicySurface:
		return "surface"
	case PolicySkip:
		return "skip"
	}
	return fmt.Sprintf("Policy(%d)", int(p))
}

func (p Policy) bad() bool { return p < PolicyEnd || p > PolicySkip }

// policy returns what to do with err.
func (c *config) policy(err error) Policy {
	switch err.(type) {
	case *UnknownEventError:
		return c.unknownEvents
	case *GapError:
		return c.gaps
	}
	return c.decodeErrors
}
