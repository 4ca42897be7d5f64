package carry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// slice is how much is written at a time. net/http tells of whole writes only, so that
// a client has to take so much within the write timeout to make progress.
const slice = 64 << 10

// An EncodeError is a value that could not be put on the wire.
type EncodeError struct{ Err error }

// Error says what the value was refused for.
func (e *EncodeError) Error() string { return "handlers: event does not encode: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *EncodeError) Unwrap() error { return e.Err }

// Config is what a [Blocking] driver needs.
type Config struct {
	Stream *Stream
	Plan   *session.Plan
	Take   uint64 // how many events the client wants; 0 is all
	Pushes bool   // the source pushes events; else it is a topic

	Peer      Peer
	Base      time.Time // of the session's times
	Grace     time.Duration
	Heartbeat time.Duration // 0 is none
	Pace      time.Duration
	MaxEvent  int
	// Problem encodes an error as clients are told it.
	Problem func(error) []byte
	// Stop ends the source.
	Stop context.CancelCauseFunc
}

// A Blocking driver carries one stream to a [Peer] whose writes block. The source writes
// through it, and so does its timer, which sends the head when the grace is over, a
// heartbeat when nothing else has been sent for a while, and the last words when the
// stream is to end though its source has not.
//
// Whoever holds the lock may use the session. It is a channel rather than a mutex so
// that waiting for it can be given up, and so that virtual time passes meanwhile.
type Blocking struct {
	cfg Config
	st  *Stream

	lock   chan struct{}
	s      session.Session
	p      session.Pass
	r      session.Round
	page   page  // of a topic
	err    error // what the stream failed with
	buf    []byte
	opens  int64 // when the head is sent at the latest
	closed bool

	// What the timer sees while a write holds the lock.
	writing atomic.Int64 // when the write under way began, plus one; 0 is none
	limit   atomic.Int64 // when writes fail, whatever the client takes
	hurry   atomic.Int64 // when the server began to drain, plus one; 0 is not yet
	revoked atomic.Int64 // when the grant was withdrawn, plus one; 0 is not yet

	timing  sync.WaitGroup // the timer, from arming until its function has returned
	timerMu sync.Mutex     // never held while anything is written
	timer   *time.Timer
	rings   atomic.Int64 // when the timer does
	stopped bool
}

// NewBlocking returns a driver of s. [Blocking.Start] starts its timer.
func NewBlocking(cfg Config, s session.Session) *Blocking {
	d := &Blocking{cfg: cfg, st: cfg.Stream, s: s, lock: make(chan struct{}, 1)}
	d.p = session.Pass{Plan: cfg.Plan, Name: cfg.Stream.Route.Name, Gap: cfg.Stream.Route.Gap, Take: cfg.Take, Pushes: cfg.Pushes, Own: true}
	if !cfg.Pushes {
		d.p.Source = &d.page
	}
	d.r = session.Round{Pace: int64(cfg.Pace), Beat: int64(cfg.Heartbeat)}
	d.limit.Store(session.Never)
	d.rings.Store(session.Never)
	return d
}

// Start has the head sent after the grace, or at once without one, and the timer watch
// from then on. [Blocking.Close] must follow.
func (d *Blocking) Start() {
	d.st.carriedBy(d)
	now := d.now()
	d.r.Reset(now)
	d.opens = session.Later(now, max(0, int64(d.cfg.Grace)))
	if d.cfg.Grace > 0 {
		d.arm(now, d.opens)
		return
	}
	d.lock <- struct{}{}
	defer d.release()
	d.p.Open = true
	d.turn()
}

func (d *Blocking) now() int64 { return int64(time.Since(d.cfg.Base)) }

func (d *Blocking) acquire(ctx context.Context) error {
	if ctx.Err() != nil { // select would choose at random
		return context.Cause(ctx)
	}
	select {
	case d.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Blocking) release() { <-d.lock }

// Push sends one event: what encode appends to its argument. It returns when the event
// is with the kernel, or why it will never be. It may be called from any goroutine;
// events of one goroutine keep their order.
func (d *Blocking) Push(ctx context.Context, encode func(dst []byte) ([]byte, error)) error {
	if err := d.acquire(ctx); err != nil {
		return err
	}
	defer d.release()
	if err := d.usable(ctx); err != nil {
		return err
	}
	frame, err := guarded(encode, d.buf[:0])
	if cap(frame) <= slice { // one large event is no reason to hold so much as long as the stream is open
		d.buf = frame[:0]
	}
	if err == nil && len(frame) > d.cfg.MaxEvent {
		err = fmt.Errorf("%d bytes are more than the limit of %d", len(frame), d.cfg.MaxEvent)
	}
	if err != nil {
		d.fail(&EncodeError{err})
		d.turn()
		return d.err
	}
	before, _ := d.s.Counts()
	d.s.Push(frame, 1)
	d.turn()
	after, _ := d.s.Counts()
	if reason, _ := d.s.End(); after == before || reason == session.Error {
		return d.usable(ctx)
	}
	return nil // also for the last event of a stream that has ended meanwhile
}

// Tell tells the client that events are missing.
func (d *Blocking) Tell(ctx context.Context, g *sse.Gap) error {
	if err := d.acquire(ctx); err != nil {
		return err
	}
	defer d.release()
	if err := d.usable(ctx); err != nil {
		return err
	}
	d.st.Route.Gap(g)
	d.s.Say(&d.p, d.p.Words.Gap(nil, g))
	d.turn()
	return d.usable(ctx)
}

// usable says why nothing can be sent any more.
func (d *Blocking) usable(ctx context.Context) error {
	switch reason, _ := d.s.End(); {
	case d.err != nil:
		return d.err
	case reason != session.Going:
		return cmp.Or(ended[reason], ErrEnded)
	case d.closed:
		return cmp.Or(context.Cause(ctx), ErrEnded)
	}
	return nil
}

// guarded is encode(dst), with a panic of the value's own marshaling made an error.
func guarded(encode func([]byte) ([]byte, error), dst []byte) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = dst, &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return encode(dst)
}

// fail ends the stream with err.
func (d *Blocking) fail(err error) {
	if d.s.State() < session.Leaving {
		d.err = err
		d.s.Leave(&d.p, session.Error, d.cfg.Problem(err))
	}
}

// turn does everything that is due: it writes what the session has to say. The caller
// holds the lock.
func (d *Blocking) turn() {
	d.p.Now, d.p.Many = d.now(), false
	d.letters()
	d.s.Tick(&d.p)
	d.r.News()
	beats := d.r.Start(d.p.Now)
	sent := d.drive()
	if beats && !sent {
		if b := d.s.Beat(&d.p); len(b) > 0 {
			d.offer(b)
			sent = true
		}
	}
	d.r.Done(d.p.Now, sent, d.p.Many)
	d.st.Route.settle(&d.p)
	switch d.s.State() {
	case session.Leaving, session.Ended:
		reason, _ := d.s.End()
		d.cfg.Stop(cmp.Or(d.err, ended[reason], ErrEnded))
	case session.Opening:
		d.arm(d.p.Now, min(d.s.Due(), d.opens))
	default:
		d.arm(d.p.Now, min(d.s.Due(), d.r.BeatDue()))
	}
}

// drive writes until the session has nothing to say, or has ended.
func (d *Blocking) drive() (sent bool) {
	for {
		b := d.s.Next(&d.p)
		if len(b) == 0 {
			break
		}
		sent = true
		if !d.offer(b) {
			break
		}
	}
	switch reason, abort := d.s.End(); {
	case d.s.State() == session.Opening, abort:
	case d.s.State() == session.Ended && (reason == session.Error || reason == session.Left):
	default: // a stream without opening words
		first, err := d.cfg.Peer.head()
		if err != nil {
			d.s.Gone(errors.Is(err, os.ErrDeadlineExceeded))
		}
		return sent || first
	}
	return sent
}

// offer writes b, which the session has just returned, and returns true if there is more.
func (d *Blocking) offer(b []byte) (more bool) {
	if d.s.State() == session.Leaving {
		d.limit.Store(d.s.Due())
		d.arm(d.p.Now, d.s.Due())
	}
	n, err := d.write(b)
	more = d.s.Took(&d.p, n)
	if !d.cfg.Pushes {
		d.st.position.Store(d.s.Spot().At - d.s.Unsent())
	}
	d.letters() // a drain may have come while the write was stuck, or the end of the age
	d.s.Tick(&d.p)
	if err == nil {
		return more || n < len(b) || d.s.State() == session.Leaving
	}
	if f, ok := errors.AsType[failure](err); ok {
		d.fail(f.error)
		return true
	}
	d.s.Gone(errors.Is(err, os.ErrDeadlineExceeded))
	reason, _ := d.s.End()
	d.err = cmp.Or(d.err, fmt.Errorf("%w: write: %w", ended[reason], err))
	return false
}

// write writes b in slices. It returns early, without an error, when the session is to
// hear of something that came meanwhile.
func (d *Blocking) write(b []byte) (n int, err error) {
	timeout := d.cfg.Plan.Timeout
	for began := d.p.Now; ; {
		part := b[n:min(len(b), n+slice)]
		d.writing.Store(1 + began)
		m, err := d.cfg.Peer.write(part)
		d.writing.Store(0)
		n += m
		now := d.now()
		d.p.Now = now
		if now-began >= timeout && !errors.Is(err, os.ErrDeadlineExceeded) {
			// Where a whole HTTP/2 connection is stuck, net/http takes no notice of the
			// deadline, and calls the write a success or the client gone in the end.
			err = errors.Join(os.ErrDeadlineExceeded, err)
		}
		if err != nil || n == len(b) || d.hurry.Load() != 0 || d.revoked.Load() != 0 || now >= d.s.Due() {
			return n, err
		}
		began = now
	}
}

// letters tells the session what came while a write held the lock.
func (d *Blocking) letters() {
	now := d.p.Now
	defer func() { d.p.Now = now }()
	if revoked := d.revoked.Swap(0); revoked != 0 {
		d.p.Now = revoked - 1 // the time for the last words counts from then
		d.s.Tick(&d.p)        // an age that was reached before is the reason
		d.s.Leave(&d.p, session.Grant, nil)
	}
	if hurry := d.hurry.Swap(0); hurry != 0 {
		d.p.Now = hurry - 1 // the farewell counts from then
		d.s.Tick(&d.p)
		d.s.Drain(&d.p)
	}
}

// drain implements driver.
func (d *Blocking) drain(*Stream) {
	now := d.now()
	if d.hurry.CompareAndSwap(0, now+1) {
		d.lookNow()
	}
}

// revoke implements driver.
func (d *Blocking) revoke(*Stream) {
	if d.revoked.CompareAndSwap(0, d.now()+1) {
		d.lookNow()
	}
}

// lookNow has the timer's function called at once.
func (d *Blocking) lookNow() {
	d.timerMu.Lock()
	defer d.timerMu.Unlock()
	if !d.stopped {
		d.timing.Go(d.look)
	}
}

// ring is the timer's function.
func (d *Blocking) ring() {
	defer d.timing.Done()
	d.look()
}

// look does what is due, or watches the write that is under way.
func (d *Blocking) look() {
	d.rings.Store(session.Never)
	now := d.now()
	select {
	case d.lock <- struct{}{}:
	default:
		d.watch(now)
		return
	}
	defer d.release()
	if d.closed {
		return
	}
	d.arm(now, session.Never) // to watch what is written here
	if now >= d.opens {
		d.p.Open = true
	}
	d.turn()
}

// watch makes the write that is under way fail if it has taken too long.
func (d *Blocking) watch(now int64) {
	timeout := d.cfg.Plan.Timeout
	began := d.writing.Load()
	if began == 0 { // the lock is held for something else
		d.arm(now, session.Later(now, int64(time.Millisecond)))
		return
	}
	overdue := min(session.Later(began-1, timeout), d.limit.Load())
	if hurry := d.hurry.Load(); hurry != 0 {
		overdue = min(overdue, session.Later(hurry-1, d.cfg.Plan.Farewell))
	}
	if overdue > now {
		d.arm(now, overdue)
		return
	}
	d.cfg.Peer.deadline(time.Unix(1, 0))
}

// arm has the timer ring at t, or before: a write that begins meanwhile is looked at in
// time.
func (d *Blocking) arm(now, t int64) {
	t = min(t, session.Later(now, d.cfg.Plan.Timeout))
	if d.rings.Load() <= t {
		return // it looks again then
	}
	d.timerMu.Lock()
	defer d.timerMu.Unlock()
	if d.stopped {
		return
	}
	d.rings.Store(t)
	wait := time.Duration(max(1, t-now))
	switch {
	case d.timer == nil:
		d.timing.Add(1)
		d.timer = time.AfterFunc(wait, d.ring)
	case !d.timer.Reset(wait):
		d.timing.Add(1)
	}
}

// Finish ends a stream whose source has returned, because of reason, and writes what is
// left to say. gone says that the client has left.
func (d *Blocking) Finish(reason session.Reason, err error, gone bool) {
	d.lock <- struct{}{}
	defer d.release()
	d.p.Now = d.now()
	if d.closed { // the timer watches no longer
		d.cfg.Peer.deadline(time.Now().Add(time.Duration(d.cfg.Plan.Timeout)))
	}
	d.letters()
	switch {
	case gone:
		d.s.Gone(false)
	case reason == session.Error:
		d.fail(err)
	default:
		d.s.Leave(&d.p, reason, nil)
	}
	d.turn()
}

// Open writes the opening words at once, without a timer, and with a deadline of their
// own. It returns false if the client could not be told.
func (d *Blocking) Open() bool {
	d.cfg.Peer.deadline(time.Now().Add(time.Duration(d.cfg.Plan.Timeout)))
	d.p.Now, d.p.Open = d.now(), true
	d.drive()
	d.st.Route.settle(&d.p)
	d.cfg.Peer.deadline(time.Time{})
	return d.s.Settled()
}

// Close ends all writing: once it has returned, neither the timer nor the source writes
// any more. It may be called again.
func (d *Blocking) Close() {
	d.st.carriedBy(nil)
	d.lock <- struct{}{}
	d.closed = true
	d.release()

	d.timerMu.Lock()
	d.stopped = true
	if d.timer != nil && d.timer.Stop() {
		d.timing.Done()
	}
	d.timerMu.Unlock()
	d.timing.Wait()
	d.st.events, d.st.bytes = d.s.Counts()
}

// Session returns the session. The driver must not be running: before
// [Blocking.Start], or after [Blocking.Close].
func (d *Blocking) Session() *session.Session { return &d.s }

// Err returns what the stream failed with, or how its connection did. The driver must
// not be running.
func (d *Blocking) Err() error { return cmp.Or(d.err, d.p.Failure) }
