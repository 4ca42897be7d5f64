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

// slice is how many bytes are written at a time. net/http reports only whole writes, so a
// client must take this much within the write timeout to make progress.
const slice = 64 << 10

// An EncodeError is the error of an event that could not be encoded.
type EncodeError struct{ Err error }

// Error says why the event was refused.
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
	Heartbeat time.Duration // 0 means no heartbeats
	Pacer     *Pacer        // of the topic
	MaxEvent  int
	// Problem encodes an error as clients see it.
	Problem func(error) []byte
	// Stop ends the source.
	Stop context.CancelCauseFunc
}

// A Blocking driver carries one stream to a [Peer] whose writes block. The source writes
// through it, and so does its timer: the timer sends the head when the grace is over, a
// heartbeat when nothing else has been sent for a while, and the last words when the
// stream must end before its source has.
//
// The holder of the lock may use the session. The lock is a channel rather than a mutex
// so that a context can end the wait for it, and so that virtual time passes meanwhile.
type Blocking struct {
	cfg Config
	st  *Stream

	lock   chan struct{}
	s      session.Session
	p      session.Pass
	r      session.Round
	page   page  // the source of a topic's stream
	err    error // the failure of the stream
	buf    []byte
	opens  int64 // the latest time to send the head
	closed bool

	// The timer reads these while a write holds the lock.
	writing atomic.Int64 // when the write under way began, plus one; 0 if there is no write
	limit   atomic.Int64 // when writes fail, even if the client takes bytes
	drained atomic.Int64 // when the server began to drain, plus one; 0 before
	revoked atomic.Int64 // when the grant was withdrawn, plus one; 0 before

	timing  sync.WaitGroup // the timer, from arming until its function has returned
	timerMu sync.Mutex     // never held while anything is written
	timer   *time.Timer
	rings   atomic.Int64 // when the timer fires
	stopped bool
}

// NewBlocking returns a driver of s. [Blocking.Start] starts its timer.
func NewBlocking(cfg Config, s session.Session) *Blocking {
	d := &Blocking{cfg: cfg, st: cfg.Stream, s: s, lock: make(chan struct{}, 1)}
	d.p = session.Pass{Plan: cfg.Plan, Name: cfg.Stream.Route.Name, Gap: cfg.Stream.Route.Gap, Take: cfg.Take, Pushes: cfg.Pushes, Own: true}
	if !cfg.Pushes {
		d.p.Source = &d.page
	}
	d.r = session.Round{Beat: int64(cfg.Heartbeat)}
	d.limit.Store(session.Never)
	d.rings.Store(session.Never)
	return d
}

// Start sends the head, or starts the timer that does when the grace is over. From then
// on the timer watches. [Blocking.Close] must follow.
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

// Push sends one event: what encode appends to its argument. It returns nil when the
// event has been written to the kernel, or the reason why it never will be. It may be called from any goroutine;
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
	if cap(frame) <= slice { // do not keep the buffer of one large event while the stream is open
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

// usable returns why nothing can be sent any more, or nil.
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

// guarded returns encode(dst). It turns a panic of encode into an error.
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

// turn does everything that is due and writes what the session returns. The caller holds
// the lock.
func (d *Blocking) turn() {
	d.p.Now = d.now()
	d.catchUp()
	d.s.Tick(&d.p)
	d.r.News()
	beats := d.r.Start(d.p.Now)
	sent := d.drive()
	if beats && !sent {
		if b := d.s.Beat(&d.p); len(b) > 0 {
			sent = true
			if d.offer(b) { // the end was decided meanwhile
				d.drive()
			}
		}
	}
	d.r.Done(d.p.Now, sent, false)
	if _, array := d.cfg.Peer.(*Array); array {
		d.p.Bytes = 0 // the client has none of them yet
	}
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

// drive writes until the session has nothing to write, or has ended.
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
	d.catchUp() // a drain may have come while the write was stuck, or the end of the age
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

// write writes b in slices. It returns early, without an error, when the stream has
// reached its age, was drained or was revoked meanwhile: the session must be told.
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
			// When a whole HTTP/2 connection is stuck, net/http ignores the deadline, and in
			// the end reports success or that the client is gone.
			err = errors.Join(os.ErrDeadlineExceeded, err)
		}
		if err != nil || n == len(b) || d.drained.Load() != 0 || d.revoked.Load() != 0 || now >= d.s.Due() {
			return n, err
		}
		began = now
	}
}

// catchUp tells the session of a drain or a revocation while a write held the lock.
func (d *Blocking) catchUp() {
	if d.revoked.Load() == 0 && d.drained.Load() == 0 {
		return // nearly always, at each write
	}
	now := d.p.Now
	defer func() { d.p.Now = now }()
	if revoked := d.revoked.Swap(0); revoked != 0 {
		d.p.Now = revoked - 1 // the timeout of the last words counts from then
		d.s.Tick(&d.p)        // an age that was reached before is the reason
		d.s.Leave(&d.p, session.Grant, nil)
	}
	if drained := d.drained.Swap(0); drained != 0 {
		d.p.Now = drained - 1 // the farewell counts from then
		d.s.Tick(&d.p)
		d.s.Drain(&d.p)
	}
}

// drain implements driver.
func (d *Blocking) drain(*Stream) {
	now := d.now()
	if d.drained.CompareAndSwap(0, now+1) {
		d.lookNow()
	}
}

// revoke implements driver.
func (d *Blocking) revoke(*Stream) {
	if d.revoked.CompareAndSwap(0, d.now()+1) {
		d.lookNow()
	}
}

// lookNow calls the timer's function at once, in a goroutine.
func (d *Blocking) lookNow() {
	d.timerMu.Lock()
	defer d.timerMu.Unlock()
	if !d.stopped {
		d.timing.Go(d.look)
	}
}

func (d *Blocking) fast() bool { return false }

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

// watch makes the write that is under way fail if it is overdue.
func (d *Blocking) watch(now int64) {
	timeout := d.cfg.Plan.Timeout
	began := d.writing.Load()
	if began == 0 { // the lock is held for something else
		d.arm(now, session.Later(now, int64(time.Millisecond)))
		return
	}
	overdue := min(session.Later(began-1, timeout), d.limit.Load())
	if drained := d.drained.Load(); drained != 0 {
		overdue = min(overdue, session.Later(drained-1, d.cfg.Plan.Farewell))
	}
	if overdue > now {
		d.arm(now, overdue)
		return
	}
	d.cfg.Peer.deadline(time.Unix(1, 0))
}

// arm sets the timer to fire at t at the latest, and within the timeout, so that it sees a
// write that begins meanwhile in time.
func (d *Blocking) arm(now, t int64) {
	t = min(t, session.Later(now, d.cfg.Plan.Timeout))
	if d.rings.Load() <= t {
		return // ring arms it again
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
// left to write. gone reports that the client has left.
func (d *Blocking) Finish(reason session.Reason, err error, gone bool) {
	d.lock <- struct{}{}
	defer d.release()
	d.p.Now = d.now()
	if d.closed { // the timer does not watch any more
		d.cfg.Peer.deadline(time.Now().Add(time.Duration(d.cfg.Plan.Timeout)))
	}
	d.catchUp()
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

// Open writes the opening words at once, without a timer, and with their own deadline. It
// returns false if the client did not take them all.
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

// Err returns the failure of the stream or of its connection. The driver must not be
// running.
func (d *Blocking) Err() error { return cmp.Or(d.err, d.p.Failure) }
