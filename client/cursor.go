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

// A Cursor stores the position of a stream, so that another process can resume there:
// see [Resume]. [FileCursor] stores it in a file. A consumer that stores the id
// together with its results can be its own Cursor.
//
// A stream calls the methods of its Cursor one at a time. A Cursor must not be used by
// more than one stream at a time.
type Cursor interface {
	// Load returns the id that was saved last, or "" if no id has been saved.
	Load(ctx context.Context) (id string, err error)
	// Save replaces the stored id. Once it has returned nil, Load returns id,
	// whatever happens to the process. An id may be any text; it is "" if the server
	// has reset it.
	Save(ctx context.Context, id string) error
}

// A CursorError says that a [Cursor] failed. It ends the stream, without a retry.
type CursorError struct {
	Op  string // "open", "load", "save" or "close"
	ID  string // the id that could not be saved
	Err error  // the error of the Cursor
}

func (e *CursorError) Error() string {
	if e.Op == "save" {
		return fmt.Sprintf("client: cursor: save %.100q: %v", e.ID, e.Err)
	}
	return fmt.Sprintf("client: cursor: %s: %v", e.Op, e.Err)
}

func (e *CursorError) Unwrap() error { return e.Err }

// Resume makes a stream ([Follow], [Values], [Subscribe], [Observe]) continue where the
// last stream with this cursor stopped, also in another process. Delivery is at least
// once: no event is skipped, but the last events may come again.
//
// The cursor is loaded once, before the first request. Its id replaces that of
// [LastEventID], which counts only if the cursor has no id.
//
// The stream saves the position up to which events have been handled. An event is
// handled when the loop asks for the next one; with Subscribe, when next has returned;
// with Observe, when the operators have taken the event. If the loop is left at an
// event, by break, return or panic, that event does not count as handled and comes
// again. (To mark the last event as handled before leaving the loop, save its ID after
// the loop.) An event that does not decode and a gap that end the stream because of
// [PolicyEnd] are not handled either, nor is a [Sentinel]: the next start meets them
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
// A failed Load or Save ends the stream with a [*CursorError]; after a failed Load
// nothing is sent. If the loop has been left already, a failed Save is logged at level
// Error instead. Save gets a context that ends with ctx. Only the last Save, when the
// stream is over, has a context of its own with a timeout of 5 s, so that the position
// is saved also when ctx ends the stream. The stream waits for Save.
//
// [Once] and [Exchange] ignore the cursor.
func Resume(c Cursor) Option {
	return func(cfg *config) { set(cfg, &cfg.cursor, c, c == nil, "Resume") }
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

// A position is how far a stream has been handled and saved.
type position struct {
	cursor Cursor
	events int
	time   time.Duration

	at    string // everything up to here has been handled
	saved string // the id that the cursor has
	moves int    // how often at has changed since it was saved
	last  time.Time
}

// load sets the stream's start from its cursor.
func (s *stream) load(ctx context.Context) error {
	s.dec.SetLastEventID(s.lastEventID)
	if s.cursor == nil {
		return nil
	}
	id, err := s.cursor.Load(ctx)
	if err != nil {
		return cancelled(ctx, cursorError("load", "", err))
	}
	id = cmp.Or(id, s.lastEventID)
	s.dec.SetLastEventID(id)
	s.pos = &position{cursor: s.cursor, events: s.saveEvents, time: cmp.Or(s.saveTime, time.Second), at: id, saved: id}
	return nil
}

// handled records that the consumer has handled everything the decoder has returned,
// and saves the position if that is due.
func (s *stream) handled(ctx context.Context) error {
	p := s.pos
	if p == nil {
		return nil
	}
	if id := s.dec.LastEventID(); id != p.at {
		p.at = id
		p.moves++
	}
	if p.events > 0 && p.moves >= p.events || time.Since(p.last) >= p.time {
		return p.save(ctx)
	}
	return nil
}

// save saves the position if it has moved. It returns the cursor's error, or the
// cause of ctx.
func (p *position) save(ctx context.Context) error {
	if p == nil || p.at == p.saved {
		return nil
	}
	if err := p.cursor.Save(ctx, p.at); err != nil {
		return cancelled(ctx, cursorError("save", p.at, err))
	}
	p.saved, p.moves, p.last = p.at, 0, time.Now()
	return nil
}

// saveLast saves the position of a stream that is over. If that fails, it adds the
// error to the one that ended the stream.
func (s *stream) saveLast(ctx context.Context, err *error) {
	if _, failed := errors.AsType[*CursorError](*err); failed {
		return // the cursor has failed already
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	failed := s.pos.save(ctx)
	switch {
	case failed == nil:
	case *err == nil:
		*err = cursorError("save", s.pos.at, failed)
	case *err == errLeft:
		s.logger.LogAttrs(ctx, slog.LevelError, "position of the event stream not saved",
			slog.String("url", show.URL(s.url)), slog.Any("error", failed))
	default:
		*err = errors.Join(*err, cursorError("save", s.pos.at, failed))
	}
}

func cursorError(op, id string, err error) error {
	if e, ok := errors.AsType[*CursorError](err); ok {
		return e
	}
	return &CursorError{op, id, err}
}

// saving wraps r in a reader that saves the position when it is due, before and during
// a read: when the decoder reads, everything it has returned is handled. If a Save
// fails during a read, bite ends the read.
func (s *stream) saving(ctx context.Context, r io.Reader, bite context.CancelCauseFunc) io.Reader {
	if s.pos == nil {
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
	p := r.pos
	if p.at == p.saved {
		return r.r.Read(b)
	}
	var failed error
	done := make(chan struct{})
	due := time.AfterFunc(p.time-time.Since(p.last), func() {
		defer close(done)
		if failed = p.save(r.ctx); failed != nil {
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
