// Package hub is the hot half of the flow: a [Topic] takes typed events, numbers and
// encodes each of them once and keeps them in a bounded log. Any number of
// subscribers read them, each at its own pace.
//
// Start with [New]. [Topic.Append] adds one event, [Topic.Publish] runs a pipeline into
// the topic and keeps it running. [Topic.Feed] is the topic as readers see it, without
// type parameters: [Feed.Subscribe] returns a [Cursor], and [Cursor.Next] returns
// everything that is pending as one slice of whole frames, ready to be written to any
// transport.
//
//	Append, Publish ──► encode once ──► eventlog.Log ──► window ──► cursors
//
// A cursor is a position. History, resumed and live events are read in the same way. The
// topic never waits for a subscriber, and no subscriber can slow down another.
//
// What is easy to miss: nothing is lost in silence. A cursor whose position was dropped
// returns an [sse.Gap], once, before it continues. The gap says how many events are
// missing, if that can be known.
package hub
