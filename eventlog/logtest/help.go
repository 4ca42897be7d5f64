package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

var errCause = errors.New("logtest: the cause")

func open(t testing.TB, e Engine, l Limits) eventlog.Log {
	t.Helper()
	log := e.Open(t, l)
	if log == nil {
		t.Fatal("Open = nil")
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return log
}

// block returns the block of the nth event of a writer, of size bytes or a few more.
func block(writer, n, size int) []byte {
	b := fmt.Appendf(nil, "event: w%d\ndata: %d ", writer, n)
	b = append(b, bytes.Repeat([]byte{byte('a' + n%26)}, max(0, size-len(b)-2))...)
	return append(b, "\n\n"...)
}

// whose returns writer and n of a block, if it is whole.
func whose(b []byte) (writer, n int, ok bool) {
	if _, err := fmt.Sscanf(string(b), "event: w%d\ndata: %d ", &writer, &n); err != nil {
		return 0, 0, false
	}
	return writer, n, bytes.Equal(b, block(writer, n, len(b)))
}

// fill appends the events from to to-1 of writer 0: in a log that was empty and has no
// other, the block of event seq is that of n = seq-1.
func fill(t testing.TB, log eventlog.Log, from, to, size int) (last eventlog.Pos) {
	t.Helper()
	for n := from; n < to; n++ {
		pos, dup, err := log.Append(t.Context(), eventlog.Record{Block: block(0, n, size)})
		if err != nil || dup || pos.Seq != uint64(n)+1 {
			t.Fatalf("Append = %v, %t, %v; want number %d, false, nil", pos, dup, err, n+1)
		}
		last = pos
	}
	return last
}

// expect checks that ev is event seq of a log that fill has filled.
func expect(t testing.TB, ev eventlog.Event, seq uint64) {
	t.Helper()
	if ev.Seq != seq {
		t.Fatalf("event %d came where %d was due", ev.Seq, seq)
	}
	if writer, n, ok := whose(ev.Block); !ok || writer != 0 || uint64(n)+1 != seq {
		t.Fatalf("event %d has the block %q", seq, ev.Block)
	}
	if ev.Stamp == 0 {
		t.Fatalf("event %d has no stamp", seq)
	}
}

func bounds(t testing.TB, log eventlog.Log) eventlog.Bounds {
	t.Helper()
	b, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatalf("Bounds = %v", err)
	}
	return b
}

// readAll reads pages up to the end.
func readAll(t testing.TB, log eventlog.Log, after eventlog.Pos, page int) (events []eventlog.Event) {
	t.Helper()
	for {
		got, err := log.Read(t.Context(), after, page)
		if err != nil {
			t.Fatalf("Read(%v, %d) = %v", after, page, err)
		}
		if len(got) > page {
			t.Fatalf("Read(%v, %d) returned %d events", after, page, len(got))
		}
		if len(got) == 0 {
			return events
		}
		for _, ev := range got {
			if after.Seq > 0 && ev.Seq != after.Seq+1 {
				t.Fatalf("Read has event %d after event %d", ev.Seq, after.Seq)
			}
			events, after = append(events, ev), ev.Pos
		}
	}
}

// collect ranges over a tail until it has n events or ends.
func collect(ctx context.Context, log eventlog.Log, after eventlog.Pos, n int) (events []eventlog.Event, err error) {
	for ev, err := range log.Tail(ctx, after) {
		if err != nil {
			return events, err
		}
		if events = append(events, ev); len(events) == n {
			break
		}
	}
	return events, nil
}

// eventually waits for cond, which a log of real time fulfils at some time and one of
// virtual time at latest when within has passed.
func (e Engine) eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	step := within
	if e.RealTime {
		step = 10 * time.Millisecond
		within = time.Minute
	}
	for waited := time.Duration(0); !cond(); waited += step {
		if waited >= within {
			t.Fatalf("not %s after %v", what, within)
		}
		time.Sleep(step)
	}
}

// purged checks a PurgedError: asked and how many are missed, by a log whose oldest
// event is at least first.
func purged(t testing.TB, err error, asked eventlog.Pos, first uint64) {
	t.Helper()
	e, ok := errors.AsType[*eventlog.PurgedError](err)
	if !ok || !errors.Is(err, eventlog.ErrPurged) {
		t.Fatalf("the error is %v; want a *PurgedError", err)
	}
	if e.Asked != asked || e.Bounds.First.Seq < first || e.Missed() != e.Bounds.First.Seq-asked.Seq-1 || e.Bounds.Last.Seq+1 < e.Bounds.First.Seq {
		t.Fatalf("the error is %+v, %d missed; want one for %v with the oldest event at %d or more", e, e.Missed(), asked, first)
	}
}

// together runs n functions that begin at the same time, and waits for them.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// tailsAtEnd starts n tails of a log whose last event is number 5, and returns once all of
// them have yielded it. wait waits until they have ended, each with one error, for which
// wanted must return true.
func tailsAtEnd(t testing.TB, ctx context.Context, log eventlog.Log, n int, of string, wanted func(error) bool) (wait func()) {
	var wg, atEnd sync.WaitGroup
	atEnd.Add(n)
	for range n {
		wg.Go(func() {
			arrived := sync.OnceFunc(atEnd.Done)
			defer arrived()
			seq, errs := uint64(0), 0
			for ev, err := range log.Tail(ctx, eventlog.Pos{}) {
				if err != nil {
					if errs++; errs > 1 || !wanted(err) {
						t.Errorf("the tail of %s ended with %v; want its error, once", of, err)
					}
					continue
				}
				if seq++; ev.Seq != seq {
					t.Errorf("event %d came where %d was due", ev.Seq, seq)
				}
				if seq == 5 {
					arrived()
				}
			}
			if errs != 1 {
				t.Errorf("the tail of %s yielded %d errors, want one", of, errs)
			}
		})
	}
	atEnd.Wait()
	return wg.Wait
}
