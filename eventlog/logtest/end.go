package logtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

func checkCancelled(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 1, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	if _, _, err := log.Append(ctx, eventlog.Record{Block: block(0, 1, 10)}); err != errCause {
		t.Errorf("Append with a cancelled context = %v; want its cause", err)
	}
	if _, err := log.Read(ctx, eventlog.Pos{}, 1); err != errCause {
		t.Errorf("Read with a cancelled context = %v; want its cause", err)
	}
	if _, err := log.Bounds(ctx); err != errCause {
		t.Errorf("Bounds with a cancelled context = %v; want its cause", err)
	}
	if err := ending(t, ctx, log, eventlog.Pos{}); err != errCause {
		t.Errorf("Tail with a cancelled context ended with %v; want its cause", err)
	}
	if b := bounds(t, log); b.Last.Seq != 1 {
		t.Errorf("an Append with a cancelled context has stored: %+v", b)
	}
}

func checkClose(t testing.TB, e Engine) {
	log := open(t, e, Limits{})
	fill(t, log, 0, 5, 10)
	wait := tailsAtEnd(t, t.Context(), log, 64, "a closed log", func(err error) bool { return errors.Is(err, eventlog.ErrClosed) })
	together(4, func(int) {
		if err := log.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	wait()
	if err := log.Close(); err != nil {
		t.Errorf("a second Close = %v", err)
	}
	if _, _, err := log.Append(t.Context(), eventlog.Record{Block: block(0, 5, 10)}); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Append to a closed log = %v; want ErrClosed", err)
	}
	if _, err := log.Read(t.Context(), eventlog.Pos{}, 1); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Read of a closed log = %v; want ErrClosed", err)
	}
	if _, err := log.Bounds(t.Context()); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Bounds of a closed log = %v; want ErrClosed", err)
	}
	if err := ending(t, t.Context(), log, eventlog.Pos{}); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Tail of a closed log ended with %v; want ErrClosed", err)
	}
}

// checkEverythingAtOnce looks for what must hold whatever the interleaving: no hole, no
// double, no torn block, no bound that goes back or is exceeded, no error but the ones
// that are due, and everybody ends.
func checkEverythingAtOnce(t testing.TB, e Engine) {
	const limit, writers, each = 64, 4, 500
	log := open(t, e, Limits{Events: limit})
	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				if _, _, err := log.Append(t.Context(), eventlog.Record{Block: block(w, n, 40+n%400)}); err != nil {
					t.Errorf("Append = %v", err)
				}
				if n%50 == 0 {
					time.Sleep(time.Microsecond)
				}
			}
		})
	}

	// follow is a reader that continues at the oldest event when it was overtaken. read
	// calls see for each event and returns why it ended.
	follow := func(read func(after eventlog.Pos, see func(eventlog.Event)) error) {
		var next [writers]int
		var after eventlog.Pos
		var jumped bool
		for {
			err := read(after, func(ev eventlog.Event) {
				w, n, ok := whose(ev.Block)
				if !ok {
					t.Errorf("event %d is torn: %q", ev.Seq, ev.Block)
					return
				}
				if !jumped && after.Seq > 0 && ev.Seq != after.Seq+1 {
					t.Errorf("event %d came after %d", ev.Seq, after.Seq)
				}
				if n < next[w] || ev.Seq <= after.Seq {
					t.Errorf("event %d, number %d of writer %d, came after %d, %d", ev.Seq, n, w, after.Seq, next[w]-1)
				}
				next[w], after, jumped = n+1, ev.Pos, false
			})
			if gone, ok := errors.AsType[*eventlog.PurgedError](err); ok {
				if gone.Asked != after || gone.Bounds.First.Seq <= after.Seq+1 || gone.Bounds.Len() > limit {
					t.Errorf("after event %v the error is %+v", after, gone)
				}
				after, jumped = eventlog.Pos{Seq: gone.Bounds.First.Seq - 1}, true
				continue
			}
			if err != nil {
				if !errors.Is(err, eventlog.ErrClosed) {
					t.Errorf("a reader ended with %v", err)
				}
				return
			}
		}
	}
	for range 3 {
		reading.Go(func() {
			follow(func(after eventlog.Pos, see func(eventlog.Event)) error {
				for ev, err := range log.Tail(t.Context(), after) {
					if err != nil {
						return err
					}
					see(ev)
				}
				return nil
			})
		})
	}
	for range 2 {
		reading.Go(func() {
			follow(func(after eventlog.Pos, see func(eventlog.Event)) error {
				events, err := log.Read(t.Context(), after, 17)
				for _, ev := range events {
					see(ev)
				}
				if len(events) == 0 {
					time.Sleep(10 * time.Microsecond)
				}
				return err
			})
		})
	}
	reading.Go(func() {
		var last eventlog.Bounds
		for {
			select {
			case <-done:
				return
			default:
			}
			b, err := log.Bounds(t.Context())
			if err != nil || b.First.Seq < last.First.Seq || b.Last.Seq < last.Last.Seq || b.Len() > limit {
				t.Errorf("Bounds = %+v, %v; before they were %+v", b, err, last)
				return
			}
			last = b
			time.Sleep(10 * time.Microsecond)
		}
	})
	writing.Wait()
	if b := bounds(t, log); b.First.Seq != writers*each-limit+1 || b.Last.Seq != writers*each {
		t.Errorf("in the end the bounds are %+v", b)
	}
	close(done)
	if err := log.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	reading.Wait()
}
