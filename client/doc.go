// Package client reads typed event streams, and other answers, over HTTP.
//
// [Follow] is the function to start with: it ranges over the events of a stream,
// each decoded to a type of the caller's, and connects anew with the id of the
// last event when the connection is lost. [Values] is the same with the data
// alone. [Subscribe] runs a stream on its own and calls functions; [Observe] makes
// it an Observable for the operators of package streams. [Once] is for answers that
// end, with any method and body, and [Exchange] for those that want the raw
// response.
//
//	for ev, err := range client.Follow[Tick](ctx, "https://example.com/ticks") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(ev.ID, ev.Data)
//	}
//
// It stands at the other end of the flow from package handlers and speaks with
// any server of text/event-stream; with ours it also obeys the stream.* events,
// which tell an end from a cut and name every gap.
//
// Everything else is an [Option]. A stream of several kinds of event is read with
// [Types], one that ends with a word such as "[DONE]" with [Sentinel]. [Retry] says
// when a lost connection is made anew, [ConnectTimeout], [HeadTimeout] and [IdleLimit]
// when one counts as lost. A process that starts anew goes on where the last one
// stopped with [Resume] and a [Cursor].
//
// The promise that is easy to miss: an error that is yielded is final, and the
// only one, unless an option asked for it to surface. A lost connection is none; it
// is told to the hooks and the log.
package client
