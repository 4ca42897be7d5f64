package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/show"
)

// A PositionStore stores the position of a stream, so that another process can resume
// there: see [Resume]. [PositionFile] stores it in a file. A consumer that stores the id
// together with its results can be its own PositionStore.
//
// A stream calls the methods of its PositionStore one at a time. A PositionStore must
// not be used by more than one stream at a time.
type PositionStore interface {
	// Load returns the id that was saved last, or "" if no id has been saved.
	Load(ctx context.Context) (id string, err error)
	// Save replaces the stored id. Once it has returned nil, Load returns id,
	// whatever happens to the process. An id may be any text; it is "" if the server
	// has reset it.
	Save(ctx context.Context, id string) error
}

// A PositionError says that a [PositionStore] failed. It ends the stream, without a retry.
type PositionError struct {
	Op  string // "open", "load", "save" or "close"
	ID  string // the id that could not be saved
	Err error  // the error of the PositionStore
}

func (e *PositionError) Error() string {
	if e.Op == "save" {
		return fmt.Sprintf("client: position: save %.100q: %v", e.ID, e.Err)
	}
	return fmt.Sprintf("client: position: %s: %v", e.Op, e.Err)
}

func (e *PositionError) Unwrap() error { return e.Err }

// Resume makes a stream ([Follow], [Values], [Subscribe], [Observe]) continue where the
// last stream with this store stopped, also in another process. Delivery is at least
// once: no event is skipped, but the last events may come again.
//
// The position is loaded once, before the first request. The id that the store returns
// replaces that of [LastEventID], which counts only if the store has no id.
//
// The stream saves the position up to which events have been handled. An event is
// handled when the loop asks for the next one; with Subscribe, when next has returned;
// with Observe, when the operators have taken the event. If the loop is left at an
// event, by break, return or panic, that event does not count as handled and comes
// again. (To mark the last event as handled before leaving the loop, save its ID after
// the loop.) An event that does not decode and a gap that end the stream because of
// [ReactionEnd] are not handled either, nor is a [Sentinel]: the next start meets them
// again.
//
// An id without an event is saved like the id of an event, in its order, when the
// client next waits for the server or has handled the event after it. Such ids are the
// first id of a server, the id in a heartbeat of a filtered topic, the id of a gap
// (once [OnGap] has returned and, if the gap surfaces, the loop has asked for the next
// event), and the id of stream.complete. An id that the server resets is saved as "".
// A position that has not changed is not saved again.
//
// [SaveEvery] sets when the position is saved. It is also saved before the client
// reconnects, and when the stream ends or the loop is left. If the process is killed in
// between, events handled since the last save come again; none is lost.
//
// A failed Load or Save ends the stream with a [*PositionError]; after a failed Load
// nothing is sent. If the loop has been left already, a failed Save is logged at level
// Error instead. Save gets a context that ends with ctx. Only the last Save, when the
// stream is over, has a context of its own with a timeout of 5 s, so that the position
// is saved also when ctx ends the stream. The stream waits for Save.
//
// [Once] and [Exchange] ignore the store.
func Resume(store PositionStore) Option {
	return func(c *config) { set(c, &c.store, store, store == nil, "Resume") }
}

// SaveEvery sets how often the position of [Resume] is saved: once it has moved events
// times, about once for each event, or once it has been unsaved for d, whichever comes
// first. This bounds how many events come again after a crash, and costs one Save each
// time. SaveEvery(1, d) saves after each event, before the next is yielded. With 0
// events, only d counts. d must be more than 0. Defaults to SaveEvery(0, time.Second):
// a stream of at most one event a second is saved after each event.
func SaveEvery(events int, d time.Duration) Option {
	return func(c *config) {
		if events < 0 || d <= 0 {
			c.fail("option SaveEvery: %d events, %v: the number must be 0 or more, the time more than 0", events, d)
			return
		}
		c.saveEvents, c.saveTime = events, d
	}
}

// lastSave is the timeout of the Save after the stream's end.
const lastSave = 5 * time.Second

// A saver saves how far a stream has been handled.
type saver struct {
	store  PositionStore
	events int
	time   time.Duration

	handled string // the id up to which everything has been handled
	saved   string // the id that the store has
	moves   int    // how often handled has changed since it was saved
	last    time.Time
}

// load makes the stream begin at the stored position.
func (s *stream) load(ctx context.Context) error {
	s.dec.SetLastEventID(s.lastEventID)
	if s.store == nil {
		return nil
	}
	id, err := s.store.Load(ctx)
	if err != nil {
		return cancelled(ctx, positionError("load", "", err))
	}
	id = cmp.Or(id, s.lastEventID)
	s.dec.SetLastEventID(id)
	s.saver = &saver{store: s.store, events: s.saveEvents, time: cmp.Or(s.saveTime, time.Second), handled: id, saved: id}
	return nil
}

// handled records that the consumer has handled everything the decoder has returned,
// and saves the position if that is due.
func (s *stream) handled(ctx context.Context) error {
	v := s.saver
	if v == nil {
		return nil
	}
	if id := s.dec.LastEventID(); id != v.handled {
		v.handled = id
		v.moves++
	}
	if v.events > 0 && v.moves >= v.events || time.Since(v.last) >= v.time {
		return v.save(ctx)
	}
	return nil
}

// save saves the position if it has moved. It returns the store's error, or the
// cause of ctx.
func (v *saver) save(ctx context.Context) error {
	if v == nil || v.handled == v.saved {
		return nil
	}
	if err := v.store.Save(ctx, v.handled); err != nil {
		return cancelled(ctx, positionError("save", v.handled, err))
	}
	v.saved, v.moves, v.last = v.handled, 0, time.Now()
	return nil
}

// saveLast saves the position of a stream that is over. If that fails, it adds the
// error to the one that ended the stream.
func (s *stream) saveLast(ctx context.Context, err *error) {
	if _, failed := errors.AsType[*PositionError](*err); failed {
		return // the store has failed already
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	failed := s.saver.save(ctx)
	switch {
	case failed == nil:
	case *err == nil:
		*err = positionError("save", s.saver.handled, failed)
	case *err == errLeft:
		s.logger.LogAttrs(ctx, slog.LevelError, "position of the event stream not saved",
			slog.String("url", show.URL(s.url)), slog.Any("error", failed))
	default:
		*err = errors.Join(*err, positionError("save", s.saver.handled, failed))
	}
}

func positionError(op, id string, err error) error {
	if e, ok := errors.AsType[*PositionError](err); ok {
		return e
	}
	return &PositionError{op, id, err}
}

// saving wraps r in a reader that saves the position when it is due, before and during
// a read: when the decoder reads, everything it has returned is handled. If a Save
// fails during a read, bite ends the read.
func (s *stream) saving(ctx context.Context, r io.Reader, bite context.CancelCauseFunc) io.Reader {
	if s.saver == nil {
		return r
	}
	return &savingReader{s, ctx, r, bite}
}

type savingReader struct {
	*stream
	ctx  context.Context
	r    io.Reader
	bite context.CancelCauseFunc
}

func (r *savingReader) Read(b []byte) (int, error) {
	if err := r.handled(r.ctx); err != nil {
		return 0, err
	}
	v := r.saver
	if v.handled == v.saved {
		return r.r.Read(b)
	}
	var failed error
	done := make(chan struct{})
	due := time.AfterFunc(v.time-time.Since(v.last), func() {
		defer close(done)
		if failed = v.save(r.ctx); failed != nil {
			r.bite(failed)
		}
	})
	n, err := r.r.Read(b)
	if !due.Stop() {
		<-done
	}
	if failed != nil {
		return 0, failed
	}
	return n, err
}
