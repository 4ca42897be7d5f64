package hub

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A Topic is a hot stream of events with data of type T that any number of
// subscribers read. Its methods may be called by any number of goroutines at once.
// Use [New]: the methods of a zero Topic panic.
type Topic[T any] struct {
	cfg      Config
	feed     *Feed
	own      *eventlog.Memory // the default log
	encoders sync.Pool        // of *encoder[T]
	draw     func() float64   // a random number in [0, 1), for the backoff
	close    func() error
}

type encoder[T any] struct {
	sse *sse.Encoder[T]
	buf []byte
}

// New makes a topic. It fails if cfg holds a value that is out of range; the error
// names all such fields. The caller closes the topic.
//
// A topic over a log other than [eventlog.Memory] follows the log from a goroutine of
// its own, which begins by reading the newest events into the window. New does not
// wait for that, cursors do; so a topic can be made while its store is away.
func New[T any](cfg Config) (*Topic[T], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Topic[T]{draw: randomDraw}
	if cfg.Log == nil {
		t.own, err = eventlog.NewMemory(eventlog.MemoryConfig{
			Events: cfg.Events, Bytes: cfg.Bytes, Age: cfg.Age, MaxEvent: cfg.MaxEvent,
		})
		if err != nil {
			return nil, err
		}
		cfg.Log = t.own
	}
	t.cfg = cfg
	t.encoders.New = func() any { return &encoder[T]{sse: sse.NewEncoder[T](cfg.Codec)} }
	t.feed = newFeed(cfg)
	t.close = sync.OnceValue(t.shut)
	return t, nil
}

// Append stores ev as the topic's next event and returns its position, whose text is
// the event's id on the wire. The event is encoded once, here. Append never waits for
// a subscriber.
//
// ev.ID must be empty: the log numbers the events. To be able to append an event again
// without storing it twice, give it a [MessageID].
//
// A [*RefusedError] says that the topic cannot carry the event, and why; the topic is
// not affected. [ErrEnded] says that the topic has ended. Other errors are the log's, or
// the cause of ctx: after [eventlog.ErrUncertain] append the event again with the same
// message id.
func (t *Topic[T]) Append(ctx context.Context, ev sse.ServerSentEvent[T], opts ...AppendOption) (eventlog.Pos, error) {
	var messageID string
	for _, o := range opts {
		messageID = o.messageID
	}
	return t.append(ctx, ev, messageID)
}

// An AppendOption is an option of [Topic.Append].
type AppendOption struct{ messageID string }

// MessageID makes [Topic.Append] idempotent: an event whose message id the log still
// remembers (two minutes and 10,000 ids in an [eventlog.Memory]) is not stored again, and
// the result is the position of the first one. The id never goes out. It names one
// message, and not what the message is about: two changes of one order have two ids.
// Empty is as without the option.
func MessageID(id string) AppendOption { return AppendOption{id} }

func (t *Topic[T]) append(ctx context.Context, ev sse.ServerSentEvent[T], messageID string) (eventlog.Pos, error) {
	feed := t.Feed()
	enc := t.encoders.Get().(*encoder[T])
	block, err := t.encode(enc, ev)
	if err == nil {
		var pos eventlog.Pos
		pos, err = t.store(ctx, feed, eventlog.Record{Block: block, MessageID: messageID})
		t.release(enc, block)
		if err == nil {
			return pos, nil
		}
		if !errors.Is(err, eventlog.ErrTooLarge) && !errors.Is(err, eventlog.ErrBadRecord) {
			return eventlog.Pos{}, err
		}
	}
	return eventlog.Pos{}, t.refuse(ev.Event, err)
}

// refuse counts an event that was refused and returns the error.
func (t *Topic[T]) refuse(event string, err error) *RefusedError {
	t.feed.counts.refused.Add(1)
	return &RefusedError{Topic: t.cfg.Name, Event: event, Err: err}
}

// release puts an encoder back into the pool once its block is not needed any more.
func (t *Topic[T]) release(enc *encoder[T], block []byte) {
	enc.buf = block
	if cap(block) > maxScratch {
		enc.buf = nil
	}
	t.encoders.Put(enc)
}

// encode returns the wire block of ev, in the encoder's buffer. An encoder that has
// panicked is not used again.
func (t *Topic[T]) encode(enc *encoder[T], ev sse.ServerSentEvent[T]) (block []byte, err error) {
	switch {
	case sse.IsControl(ev.Event):
		return nil, ErrReservedName
	case ev.ID != "":
		return nil, ErrHasID
	}
	defer func() {
		if v := recover(); v != nil {
			err = &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	block, err = enc.sse.Append(enc.buf[:0], ev)
	if err != nil {
		return nil, err
	}
	if len(block) > t.cfg.MaxEvent {
		return nil, &eventlog.TooLargeError{What: "block", Size: len(block), Max: t.cfg.MaxEvent}
	}
	return block, nil
}

// store appends r to the log.
func (t *Topic[T]) store(ctx context.Context, feed *Feed, r eventlog.Record) (pos eventlog.Pos, err error) {
	if !feed.beginAppend() {
		return eventlog.Pos{}, ErrEnded
	}
	defer func() { feed.endAppend(pos) }()
	pos, dup, err := t.cfg.Log.Append(ctx, r)
	switch {
	case err != nil:
		return eventlog.Pos{}, err
	case dup:
		feed.counts.duplicates.Add(1)
	default:
		feed.counts.appended.Add(1)
		feed.counts.bytes.Add(uint64(len(r.Block)))
	}
	return pos, nil
}

// Complete ends the topic: subscribers get what has been appended and then [io.EOF],
// those that come later too. An Append that is under way still counts: subscribers get
// its event before the end. Only the first of Complete, Fail and Close counts. Complete
// does not wait.
func (t *Topic[T]) Complete() { t.Feed().end(nil) }

// Fail ends the topic like Complete, but with err, which should not be nil.
func (t *Topic[T]) Fail(err error) {
	if err == nil {
		err = errNoCause
	}
	t.Feed().end(err)
}

// Close ends the topic, with [ErrClosed] if it has not ended, and waits for what the
// topic has started. Calls of Publish end with [ErrEnded], but Close does not wait
// for them. It closes the log if it is the default one. A second call does nothing.
func (t *Topic[T]) Close() error {
	t.Feed()
	return t.close()
}

func (t *Topic[T]) shut() error {
	t.feed.endNow(ErrClosed)
	t.feed.stopTail()
	t.feed.tail.Wait()
	if t.own != nil {
		return t.own.Close()
	}
	if e := t.feed.current.Load(); e != nil && !e.complete {
		e.frames.Close(nil) // joins what wakes its readers
	}
	return nil
}

// Name returns the topic's name.
func (t *Topic[T]) Name() string { return t.Feed().Name() }

// Codec returns the codec that encodes the data of the topic's events.
func (t *Topic[T]) Codec() sse.Codec {
	t.Feed() // panics if t is the zero Topic
	if t.cfg.Codec == nil {
		return sse.JSON
	}
	return t.cfg.Codec
}

// Stats returns the topic's counts.
func (t *Topic[T]) Stats() Stats { return t.Feed().Stats() }

// Feed returns the topic as its readers see it. It is the same each time.
func (t *Topic[T]) Feed() *Feed {
	if t.feed == nil {
		panic("hub: Topic: a zero Topic cannot be used: make one with New")
	}
	return t.feed
}
