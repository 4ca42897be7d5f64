// Package client reads typed event streams, and other answers, over HTTP.
//
// Start with [Follow]: it ranges over the events of a stream, each decoded to a type
// that the caller chooses, and reconnects with the id of the last event when the
// connection is lost. [Values] yields only the data. [Subscribe] runs a stream in a
// goroutine and calls functions; [Observe] makes it an Observable for the operators of
// package streams. [Once] is for answers that end, with any method and body, and
// [Exchange] returns the raw response.
//
//	for ev, err := range client.Follow[Tick](ctx, "https://example.com/ticks") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(ev.ID, ev.Data)
//	}
//
// The package reads any server of text/event-stream. From a server built with package
// handlers it also understands the stream.* events, which distinguish an end from a
// lost connection and report every gap.
//
// Everything else is an [Option]. [Types] reads a stream of several kinds of events,
// [Sentinel] one that ends with a word such as "[DONE]". [Retry] sets when to
// reconnect; [ConnectTimeout], [HeadTimeout] and [IdleLimit] set when a connection
// counts as lost. With [Resume] and a [PositionStore] a new process resumes where the last one
// stopped.
//
// One promise is easy to miss: a yielded error is final, and the only one, unless an
// option asks for that kind of error to surface. A lost connection is not an error; the
// hooks and the log report it.
package client
