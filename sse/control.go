package sse

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ReservedPrefix begins the name of every control event. Servers refuse it in the
// events that users publish.
const ReservedPrefix = "stream."

// The names of the control events: what a server says about the stream itself.
const (
	// ControlOpen is reserved for the first event of a topic's stream. Servers do not
	// send it yet.
	ControlOpen = ReservedPrefix + "open"
	// ControlSynced is reserved for telling a client that it has caught up with the
	// topic. Servers do not send it yet.
	ControlSynced = ReservedPrefix + "synced"
	// ControlPlace is reserved for moving the client's position to its id. Servers do
	// not send it yet.
	ControlPlace = ReservedPrefix + "place"
	// ControlGap says that events are missing here. Its data is a [Gap].
	ControlGap = ReservedPrefix + "gap"
	// ControlEnd is reserved for the end of a part of a topic. Servers do not send it
	// yet.
	ControlEnd = ReservedPrefix + "end"
	// ControlError says that the stream ends because its source failed. Its data is
	// a [Problem].
	ControlError = ReservedPrefix + "error"
	// ControlComplete says that the stream ends because its source has completed.
	ControlComplete = ReservedPrefix + "complete"
	// ControlBye says that the server closes this connection, and when the client
	// should connect again. Its data is a [Bye].
	ControlBye = ReservedPrefix + "bye"
)

// EndID is the id of a [ControlComplete] event after which nothing is left for
// the client: a request that resumes at EndID is answered with status 204.
const EndID = "end"

// IsControl reports whether name is reserved for control events, whether or not
// such an event is known.
func IsControl(name string) bool { return strings.HasPrefix(name, ReservedPrefix) }

// A GapReason says why events are missing.
type GapReason string

// The reasons of a [Gap].
const (
	// GapRetention: the log no longer keeps the position where the client left off.
	GapRetention GapReason = "retention"
	// GapSlow: the client read too slowly and fell out of the window.
	GapSlow GapReason = "slow"
	// GapRestart: the position belongs to an earlier incarnation of the log, which
	// numbered its events independently.
	GapRestart GapReason = "restart"
	// GapMalformed: the id is not a position of this stream.
	GapMalformed GapReason = "malformed"
	// GapFuture: the position is ahead of all events.
	GapFuture GapReason = "future"
)

// A Gap says that events are missing between the event before it and the one
// after it. Its JSON is the data of a [ControlGap] event.
type Gap struct {
	Reason GapReason `json:"reason"`
	// From is the id of the last event before the gap, or empty if that is not
	// known.
	From string `json:"from"`
	// To is the id of the last event that is missing, or empty if that is not known.
	To string `json:"to"`
	// Missed is the number of missing events, or nil if that is not known. Events
	// that a filter would have left out are counted too.
	Missed *uint64 `json:"missed"`
	// ID is the id that is sent with the gap: the position where the stream
	// continues. A client that resumes there is not told of the gap again.
	ID string `json:"-"`
}

// String says how many events are missing, where, and why.
func (g Gap) String() string {
	missed := "an unknown number of events is"
	switch {
	case g.Missed == nil:
	case *g.Missed == 1:
		missed = "1 event is"
	default:
		missed = strconv.FormatUint(*g.Missed, 10) + " events are"
	}
	return fmt.Sprintf("%s missing between %q and %q: %s", missed, g.From, g.To, cmp.Or(g.Reason, "no reason given"))
}

// Control returns the event that carries g.
func (g Gap) Control() Control { return Control{Name: ControlGap, ID: g.ID, Data: g} }

// ParseGap reads the data of a [ControlGap] event. It never fails: members that
// are absent or have another type keep their zero value, because the gap itself
// is what matters. The caller sets ID, which is not part of the data.
func ParseGap(data []byte) Gap {
	var g Gap
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return g
	}
	g.Reason = GapReason(memberText(members["reason"]))
	g.From, g.To = memberText(members["from"]), memberText(members["to"])
	if json.Unmarshal(members["missed"], &g.Missed) != nil {
		g.Missed = nil
	}
	return g
}

// A Bye says that the server closes the connection. Its JSON is the data of a
// [ControlBye] event.
type Bye struct {
	// Reason is why, in the server's word.
	Reason string `json:"reason"`
	// Retry is how long the client should wait before it connects again, in
	// milliseconds. A client takes 0 for "no time named".
	Retry int64 `json:"retry"`
}

// Wait returns b.Retry as a duration, at most some 292 years.
func (b Bye) Wait() time.Duration { return time.Duration(min(b.Retry, maxMillis)) * time.Millisecond }

// Control returns the event that carries b. Its retry field says the same as its
// data, for clients that know only the standard.
func (b Bye) Control() Control {
	return Control{Name: ControlBye, Retry: max(0, b.Wait()), Data: b}
}

// ParseBye reads the data of a [ControlBye] event. It never fails: members that
// are absent or have another type keep their zero value, and so has a negative
// retry. Data that is not a JSON object is the Reason.
func ParseBye(data []byte) Bye {
	var b Bye
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		b.Reason = strings.ToValidUTF8(string(bytes.TrimSpace(data)), "\uFFFD")
		return b
	}
	b.Reason = memberText(members["reason"])
	var ms float64
	if json.Unmarshal(members["retry"], &ms) == nil && ms > 0 {
		b.Retry = maxMillis
		if ms < float64(maxMillis) {
			b.Retry = max(1, int64(ms))
		}
	}
	return b
}

// memberText returns a JSON string, or the text of another value. null is empty.
func memberText(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// A Control is a control event to be written. Its name begins with [ReservedPrefix],
// which servers refuse in the events of users.
type Control struct {
	Name string
	// ID is the event's id; "" writes none.
	ID string
	// Retry sets the client's reconnection time; 0 leaves it.
	Retry time.Duration
	// Data is written as encoding/json does; nil is written as {}.
	Data any
}

// Append appends the wire block of c to dst. If c cannot be encoded, it returns a
// [*FieldError], and dst unchanged.
func (c Control) Append(dst []byte) ([]byte, error) {
	data, err := c.JSON()
	if err != nil {
		return dst, err
	}
	return Append(dst, ServerSentEvent[[]byte]{ID: c.ID, Event: c.Name, Retry: c.Retry, Data: data})
}

// JSON returns only the data of c, for streams in another format.
func (c Control) JSON() ([]byte, error) {
	if c.Data == nil {
		return []byte("{}"), nil
	}
	data, err := json.Marshal(c.Data)
	if err != nil {
		return nil, &FieldError{Field: "data", Offset: -1, Err: err}
	}
	return data, nil
}
