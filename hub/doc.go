// Package hub is the hot half of the flow: a [Topic] takes typed events, numbers and
// encodes each of them once, keeps them in a bounded log, and any number of
// subscribers read them, each at its own pace.
//
// Start with [New]. [Topic.Append] adds one event, [Topic.Publish] runs a pipeline into
// the topic and keeps it running. [Topic.Feed] is the side of the readers, without
// type parameters: [Feed.Subscribe] returns a [Cursor], and [Cursor.Next] everything
// that is pending as one slice of whole frames, ready to be written to any transport.
//
//	Append, Publish ──► encode once ──► eventlog.Log ──► window ──► cursors
//
// A cursor is a number. Subscribing is a load and leaving is forgetting it; history,
// resume and live events are one read; nobody waits for a subscriber, and none can
// hurt another.
//
// What is easy to miss: nothing is lost in silence. A cursor whose place is gone says
// so with a [Gap], once, before it goes on, and says how much is missing if anybody
// can know that.
package hub
