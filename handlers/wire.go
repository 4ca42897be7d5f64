package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// farewell is how long the last write of a draining server may take: a client
// that does not read must not hold up the process.
const farewell = 250 * time.Millisecond

// errTaken ends a stream that has sent the values its client asked for.
var errTaken = errors.New("handlers: taken")

// An encodeError is a value that could not be put on the wire.
type encodeError struct{ err error }

func (e *encodeError) Error() string { return "handlers: event does not encode: " + e.err.Error() }
func (e *encodeError) Unwrap() error { return e.err }

// A wire is the one writer of a stream whose handler stays: the source writes
// through it, and so does its timer, which sends the head when the grace is
// over and a heartbeat when nothing else has been sent for a while.
//
// Whoever holds the lock may write. There is one once the timer or the source may:
// before that, and after close, the handler writes alone. It is a channel rather than a mutex so that
// waiting for it can be given up, and so that virtual time goes on meanwhile.
type wire struct {
	st      *stream
	w       http.ResponseWriter
	control *http.ResponseController // of the writer to flush
	http1   bool
	typed   bool // values are events, so that control events have a place
	take    uint64
	lines   liner

	lane    *shard    // may take the stream over, if not nil
	settled hub.Place // where it does

	position eventlog.Pos // of a topic's reader; zero for other sources
	told     eventlog.Pos // the last position that the client knows

	heartbeat time.Duration // 0 is none

	lock    chan struct{}
	buf     []byte
	started bool
	closed  bool
	err     error     // the first failure: nothing is written after it
	last    time.Time // end of the last write
	hurried atomic.Bool

	// writing is when the write of the source's that is under way began, in
	// nanoseconds after one before the stream was opened, and 0 if there is none.
	writing atomic.Int64

	timing  sync.WaitGroup // the timer, from arming until its function has returned
	timerMu sync.Mutex     // never held while anything is written
	timer   *time.Timer
	stopped bool
}

func (w *wire) acquire(ctx context.Context) error {
	if ctx.Err() != nil { // select would choose at random
		return context.Cause(ctx)
	}
	select {
	case w.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *wire) release() { <-w.lock }

// write sends one event: what encode appends to its argument. It returns when
// the event is with the kernel, or why it will never be. It may be called from
// any goroutine; events of one goroutine keep their order.
func (w *wire) write(ctx context.Context, encode func(dst []byte) ([]byte, error)) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	defer w.release()
	if err := w.usable(ctx); err != nil {
		return err
	}
	dst := w.preamble(w.buf[:0])
	before := len(dst)
	dst, err := guarded(encode, dst)
	w.keep(dst)
	if err == nil && len(dst)-before > w.st.srv.cfg.MaxEvent {
		err = fmt.Errorf("%d bytes are more than the limit of %d", len(dst)-before, w.st.srv.cfg.MaxEvent)
	}
	if err != nil {
		w.err = &encodeError{err}
		w.st.stop(w.err)
		return w.err
	}
	if err := w.send(dst); err != nil {
		return err
	}
	w.counted(1)
	return nil
}

// usable says why nothing can be written any more. The caller holds the lock.
func (w *wire) usable(ctx context.Context) error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return cmp.Or(context.Cause(ctx), ErrEnded)
	}
	return nil
}

// counted counts n events that were written, and ends the stream after the last
// that its client wants. The caller holds the lock.
func (w *wire) counted(n uint64) {
	w.st.route.events.Add(n)
	if w.st.events.Add(n) == w.take {
		w.err = errTaken
		w.st.stop(w.err)
	}
}

// at implements [sink].
func (w *wire) at(ctx context.Context, pos eventlog.Pos) error {
	if w.position == pos {
		return nil // only the source, which calls this, changes it
	}
	if err := w.acquire(ctx); err != nil {
		return err
	}
	defer w.release()
	w.position = pos
	return w.err
}

// guarded is encode(dst), with a panic of the value's own marshaling made an
// error.
func guarded(encode func([]byte) ([]byte, error), dst []byte) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = dst, &streams.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return encode(dst)
}

// tell sends a control event, where the format has a place for one.
func (w *wire) tell(ctx context.Context, ev control) error {
	if err := w.acquire(ctx); err != nil {
		return err
	}
	defer w.release()
	if err := w.usable(ctx); err != nil {
		return err
	}
	if pos, err := eventlog.ParsePos(ev.id); err == nil {
		w.position, w.told = pos, pos
	}
	return w.send(ev.append(w.preamble(w.buf[:0]), w.st.format))
}

// keep has b, which was appended to w.buf, serve as the buffer of the next
// write. The caller holds the lock.
func (w *wire) keep(b []byte) {
	if cap(b) <= 64<<10 { // one large event is no reason to hold so much for the stream's life
		w.buf = b[:0]
	}
}

// send is put for the source, whose writes the timer watches: to set a deadline for
// each costs a good part of what a small write does.
func (w *wire) send(b []byte) error {
	began := time.Now()
	w.writing.Store(1 + int64(began.Sub(w.st.opened)))
	err := w.flush(b, began, w.st.srv.cfg.WriteTimeout)
	w.writing.Store(0)
	return err
}

// put writes and flushes b, and the head before it if it is the first. It does
// not keep b. The caller holds the lock.
func (w *wire) put(b []byte, timeout time.Duration) error {
	w.deadline(timeout)
	err := w.flush(b, time.Now(), timeout)
	if err == nil {
		// It is not for the next write; and HTTP/2 resets a stream at its deadline
		// even when nothing is being written.
		w.deadline(0)
	}
	return err
}

func (w *wire) flush(b []byte, began time.Time, timeout time.Duration) error {
	if !w.started {
		w.head()
	}
	n, err := w.w.Write(b)
	w.st.bytes.Add(uint64(n))
	w.st.route.bytesCount.Add(uint64(n))
	if err == nil {
		err = w.control.Flush()
	}
	now := time.Now()
	if now.Sub(began) >= timeout && !errors.Is(err, os.ErrDeadlineExceeded) {
		// Where a whole HTTP/2 connection is stuck, net/http takes no notice of the
		// deadline, and calls the write a success or the client gone in the end.
		err = errors.Join(os.ErrDeadlineExceeded, err)
	}
	if err != nil {
		w.err = fmt.Errorf("handlers: write: %w", err)
		w.st.stop(w.err)
		return w.err
	}
	w.last = now
	return nil
}

// deadline sets how long writes may take from now, 0 being for ever. A writer
// without deadlines, such as a test's recorder, has none.
func (w *wire) deadline(d time.Duration) {
	if d <= 0 {
		w.control.SetWriteDeadline(time.Time{})
	} else {
		w.control.SetWriteDeadline(time.Now().Add(d))
	}
	if (d <= 0 || d > farewell) && w.hurried.Load() { // looked at after the deadline is set, see hurry
		w.control.SetWriteDeadline(time.Now().Add(farewell))
	}
}

// hurry gives a write that is stuck a little more time, not the whole of its
// own: the server is draining. It may be called while another goroutine writes.
func (w *wire) hurry() {
	w.hurried.Store(true)
	w.control.SetWriteDeadline(time.Now().Add(farewell))
}

// head sends the status and the headers. The caller holds the lock.
func (w *wire) head() {
	w.started = true
	answer.StreamHeaders(w.w.Header(), w.st.format, w.heartbeat)
	if w.http1 {
		// The connection ends with the stream: net/http promises nowhere that a
		// deadline set here is not kept for the connection's next request.
		w.w.Header().Set("Connection", "close")
	}
	if w.http1 && w.st.format == answer.EventStream {
		// The answer ends with the connection (RFC 9112, section 6.3): a lane knows
		// nothing of chunks, and a chunk for each event costs something without it. An
		// event stream needs none: its own last words tell an end from a cut.
		w.w.Header().Set("Transfer-Encoding", "identity")
	}
	w.w.WriteHeader(http.StatusOK)
}

// preamble appends what comes before the first event. The caller holds the lock.
func (w *wire) preamble(dst []byte) []byte {
	if w.started || w.st.format != answer.EventStream {
		return dst
	}
	dst = mustAppend(sse.AppendRetry(dst, w.st.srv.retry()))
	dst = mustAppend(sse.AppendComment(dst, w.st.route.name))
	return w.prime(dst)
}

// prime appends a block that sets the client's last event id and dispatches
// nothing, if the source has a position that the client does not know. The
// caller holds the lock.
func (w *wire) prime(dst []byte) []byte {
	if w.position == w.told {
		return dst
	}
	w.told = w.position
	return mustAppend(sse.AppendID(dst, w.position.String()))
}

// start has the head sent after grace, or at once if that is not positive, and
// the timer watch from then on.
func (w *wire) start(grace time.Duration) {
	if grace > 0 {
		w.arm(grace)
		return
	}
	w.timing.Add(1)
	w.idle()
}

// arm arms the timer to fire after d, which must be positive.
func (w *wire) arm(d time.Duration) {
	w.timerMu.Lock()
	defer w.timerMu.Unlock()
	if w.stopped {
		return
	}
	w.timing.Add(1)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.idle)
	} else {
		w.timer.Reset(d)
	}
}

// idle is the timer's function.
func (w *wire) idle() {
	defer w.timing.Done()
	select {
	case w.lock <- struct{}{}:
	default:
		w.watch()
		return
	}
	defer w.release()
	if w.closed || w.err != nil {
		return
	}
	if !w.started {
		if w.put(w.preamble(w.buf[:0]), w.st.srv.cfg.WriteTimeout) == nil {
			w.again(w.heartbeat)
		}
		return
	}
	if rest := w.heartbeat - time.Since(w.last); rest > 0 || w.heartbeat <= 0 {
		w.again(rest)
		return
	}
	dst := w.buf[:0]
	if w.st.format == answer.EventStream {
		if dst = w.prime(dst); len(dst) == 0 {
			dst = mustAppend(sse.AppendComment(dst, ""))
		}
	} else {
		dst = append(dst, '\n')
	}
	if w.put(dst, w.st.srv.cfg.WriteTimeout) == nil {
		w.st.route.heartbeats.Add(1)
		w.again(w.heartbeat)
	}
}

// watch ends the write that is under way if it has taken too long.
func (w *wire) watch() {
	timeout := w.st.srv.cfg.WriteTimeout
	began := w.writing.Load()
	if began == 0 {
		w.again(w.heartbeat) // the lock is held for something else
		return
	}
	if rest := timeout - (time.Since(w.st.opened) - time.Duration(began-1)); rest > 0 {
		w.arm(rest)
		return
	}
	w.control.SetWriteDeadline(time.Unix(1, 0))
}

// again arms the timer for the next heartbeat, after d, or to see before that
// whether a write is stuck: none that begins meanwhile is overdue then.
func (w *wire) again(d time.Duration) {
	timeout := w.st.srv.cfg.WriteTimeout
	if w.heartbeat <= 0 || d > timeout {
		d = timeout
	}
	w.arm(d)
}

// close ends all writing but the caller's: once it has returned, neither the
// timer nor the source writes any more. It may be called again.
func (w *wire) close() {
	w.lock <- struct{}{}
	w.closed = true
	w.release()

	w.timerMu.Lock()
	w.stopped = true
	if w.timer != nil && w.timer.Stop() {
		w.timing.Done()
	}
	w.timerMu.Unlock()
	w.timing.Wait()
}
