package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// A Cursor keeps how far a stream has got, for a process that starts anew: see
// [Resume]. [FileCursor] is one; a consumer that keeps the id together with its
// results can be one itself.
//
// A stream calls its Cursor's methods one at a time; one Cursor serves one stream at
// a time.
type Cursor interface {
	// Load returns the id that was saved last, "" when none has been.
	Load(ctx context.Context) (id string, err error)
	// Save keeps id in place of the one before. Once it has returned nil, Load
	// returns id, whatever happens to the process. An id may be any text, and
	// is "" when the server has reset it.
	Save(ctx context.Context, id string) error
}

// A CursorError says that a [Cursor] failed. It ends the stream; nothing is retried.
type CursorError struct {
	Op  string // open, load, save or close
	ID  string // what was to be saved
	Err error  // the Cursor's
}

func (e *CursorError) Error() string {
	if e.Op == "save" {
		return fmt.Sprintf("client: cursor: save %.100q: %v", e.ID, e.Err)
	}
	return fmt.Sprintf("client: cursor: %s: %v", e.Op, e.Err)
}

func (e *CursorError) Unwrap() error { return e.Err }

// Resume makes a stream ([Follow], [Values], [Subscribe], [Observe]) go on where the
// last one with this cursor stopped, also in another process. It is a promise of at
// least once: no event is skipped, but those at the end may come again.
//
// The cursor is loaded once, before the first request; its id takes the place of
// [LastEventID], which counts only when the cursor has none.
//
// What is saved is how far the events have been handled. An event is handled when the
// loop comes back for the next one; for Subscribe, when next has returned; for
// Observe, when the operators have taken it. The event at which the loop is left, by
// break, return or panic, is not: it comes again, as it must if it could not be
// handled. (Who leaves a loop in content saves the last event's ID, once the loop is
// over.) Nor is what ends the stream by the policy [End], an event that does not decode
// or a gap, nor a [Sentinel]: the next start meets it again.
//
// An id that comes without an event is saved like that of an event, in its turn,
// when the client next waits for the server or has handled the event after it: the
// first id a server sends, the one in a heartbeat of a filtered topic, that of a
// [Gap] (once [OnGap] has returned, and the loop has come back if it surfaces), that of stream.complete. An id that is reset to
// empty is saved as "". A position that has not moved is not saved again.
//
// When it is saved, [SaveEvery] says; and in any case before the client reconnects,
// and when the stream ends or is left. A process that is killed in between meets again what
// it had handled since; nothing is lost.
//
// A Load or Save that fails ends the stream with a [*CursorError], a failed Load before
// anything is sent; a failed Save that leaves no place for an error, since the loop
// has been left, is logged at level Error. Save gets a context that ends with ctx;
// only the last one, when the stream is over, has 5 s of its own, so that a stream
// that ends by its context is saved too. The stream waits for Save.
//
// [Once] and [Exchange] have no use for a cursor.
func Resume(c Cursor) Option {
	return func(cfg *config) { set(cfg, &cfg.cursor, c, c == nil, "Resume") }
}

// SaveEvery sets how often the cursor of [Resume] is saved: when the position has
// moved so many times since, about once for each event, or has not been saved for d
// although it has moved, whichever comes first. It bounds what comes again after a
// crash, against what a Save costs. SaveEvery(1, d) saves each event before the next
// is handed out; 0 counts none, and only d matters, which must be more than 0.
// Defaults to SaveEvery(0, time.Second): a stream of at most an event per second is
// saved with each.
func SaveEvery(events int, d time.Duration) Option {
	return func(c *config) {
		if events < 0 || d <= 0 {
			c.fail("option SaveEvery: %d events, %v: the number must be 0 or more, the time more than 0", events, d)
			return
		}
		c.saveEvents, c.saveTime = events, d
	}
}

// lastSave is how long the Save may take that comes after the stream's end.
const lastSave = 5 * time.Second

// A position is how far a stream has been handled, and saved.
type position struct {
	cursor Cursor
	events int
	time   time.Duration

	at    string // everything up to here has been handled
	saved string // what the cursor has
	moves int    // since it was saved
	last  time.Time
}

// load starts the stream where its cursor says.
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

// handled notes that the consumer is done with all that the decoder has given, and
// saves it if it is time to.
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

// save saves the position if it has moved. Its error is that of the cursor, or the
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

// settle saves the position of a stream that is over, and adds what goes wrong to the
// error that ended it.
func (s *stream) settle(ctx context.Context, err *error) {
	if _, failed := errors.AsType[*CursorError](*err); failed {
		return // once is enough
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
			slog.String("url", place(s.url)), slog.Any("error", failed))
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

// saving returns r as a reader that saves what is due before and while it waits:
// whenever the decoder reads on, all it has given is handled. bite ends a read during
// which a Save has failed.
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
