package logtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// A recorder is a testing.TB that remembers failures instead of failing the test.
type recorder struct {
	testing.TB
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

// check runs one check against e, and returns how it failed.
func check(t *testing.T, e Engine, c func(testing.TB, Engine)) (failures []string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recorder{TB: t, ctx: ctx}
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(r, e, c)
		}()
		<-done
		cancel()
		for _, f := range slices.Backward(r.cleanups) {
			f()
		}
		failures = r.failures
	})
	return failures
}

// broken is a log with one promise broken: the functions that are set stand in for
// the methods.
type broken struct {
	eventlog.Log
	append func(context.Context, eventlog.Record) (eventlog.Pos, bool, error)
	read   func(context.Context, eventlog.Pos, int) ([]eventlog.Event, error)
	tail   func(context.Context, eventlog.Pos) iter.Seq2[eventlog.Event, error]
	bounds func(context.Context) (eventlog.Bounds, error)
	close  func() error
}

func (b *broken) Append(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
	if b.append != nil {
		return b.append(ctx, r)
	}
	return b.Log.Append(ctx, r)
}

func (b *broken) Read(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
	if b.read != nil {
		return b.read(ctx, after, max)
	}
	return b.Log.Read(ctx, after, max)
}

func (b *broken) Tail(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
	if b.tail != nil {
		return b.tail(ctx, after)
	}
	return b.Log.Tail(ctx, after)
}

func (b *broken) Bounds(ctx context.Context) (eventlog.Bounds, error) {
	if b.bounds != nil {
		return b.bounds(ctx)
	}
	return b.Log.Bounds(ctx)
}

func (b *broken) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Log.Close()
}

func memory(t testing.TB, l Limits) *eventlog.Memory {
	m, err := eventlog.NewMemory(eventlog.MemoryConfig{
		Events: l.Events, Bytes: l.Bytes, Age: l.Age, MaxEvent: l.MaxEvent, MessageIDWindow: l.MessageIDWindow,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEveryPromiseIsChecked breaks a log in one way after the other, and looks whether
// the check for it fails. Each check must find at least one of the breakages.
func TestEveryPromiseIsChecked(t *testing.T) {
	// wrap changes what comes out of a tail.
	wrap := func(log eventlog.Log, f func(n int, ev eventlog.Event, yield func(eventlog.Event, error) bool) bool) func(context.Context, eventlog.Pos) iter.Seq2[eventlog.Event, error] {
		return func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
			return func(yield func(eventlog.Event, error) bool) {
				n := 0
				for ev, err := range log.Tail(ctx, after) {
					n++
					if err != nil && !yield(ev, err) || err == nil && !f(n, ev, yield) {
						return
					}
				}
			}
		}
	}
	// silent is a tail that continues at the oldest event and reports no gap.
	silent := func(log eventlog.Log) func(context.Context, eventlog.Pos) iter.Seq2[eventlog.Event, error] {
		return func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
			return func(yield func(eventlog.Event, error) bool) {
				for {
					again := false
					for ev, err := range log.Tail(ctx, after) {
						if gone, ok := errors.AsType[*eventlog.PurgedError](err); ok {
							after, again = eventlog.Pos{Seq: gone.Bounds.First.Seq - 1}, true
							break
						}
						if !yield(ev, err) {
							return
						}
						after = ev.Pos
					}
					if !again {
						return
					}
				}
			}
		}
	}
	type breakage struct {
		name   string
		breaks func(m *eventlog.Memory, b *broken)
		limits func(l *Limits)
		found  []func(testing.TB, Engine)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	table := []breakage{
		{"bounds of an empty log are 0, 0", func(m *eventlog.Memory, b *broken) {
			b.bounds = func(ctx context.Context) (eventlog.Bounds, error) {
				got, err := m.Bounds(ctx)
				if got.Last.Seq == 0 {
					got.First.Seq = 0
				}
				return got, err
			}
		}, nil, []func(testing.TB, Engine){checkEmpty}},
		{"the end of an empty log has the stamp of another one", func(m *eventlog.Memory, b *broken) {
			b.bounds = func(ctx context.Context) (eventlog.Bounds, error) {
				got, err := m.Bounds(ctx)
				if got.Last.Seq == 0 {
					got.Last.Stamp ^= 1
				}
				return got, err
			}
		}, nil, []func(testing.TB, Engine){checkEmpty}},
		{"bounds have no stamps", func(m *eventlog.Memory, b *broken) {
			b.bounds = func(ctx context.Context) (eventlog.Bounds, error) {
				got, err := m.Bounds(ctx)
				got.First.Stamp, got.Last.Stamp = 0, 0
				return got, err
			}
		}, nil, []func(testing.TB, Engine){checkVisible, checkEvents}},
		{"blocks lose their last byte", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				for i := range events {
					events[i].Block = events[i].Block[:len(events[i].Block)-1]
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkAppend, checkPages, checkEvents, checkBytes}},
		{"an event is visible one append later", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				last, _ := m.Bounds(ctx)
				return slices.DeleteFunc(events, func(ev eventlog.Event) bool { return ev.Seq == last.Last.Seq }), err
			}
		}, nil, []func(testing.TB, Engine){checkVisible}},
		{"the block is kept, not copied", func(m *eventlog.Memory, b *broken) {
			blocks := map[uint64][]byte{}
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				pos, dup, err := m.Append(ctx, r)
				blocks[pos.Seq] = r.Block
				return pos, dup, err
			}
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				for i, ev := range events {
					events[i].Block = blocks[ev.Seq]
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkBlockIsCopied}},
		{"blocks are rewritten, as in a ring", func(m *eventlog.Memory, b *broken) {
			var ring [1024]byte
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				for i := range events {
					events[i].Block = ring[:copy(ring[:], events[i].Block)]
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkBlockStays}},
		{"records go unchecked", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				if r.Check(1<<20) != nil {
					r = eventlog.Record{Block: []byte("data: x\n\n")}
				}
				return m.Append(ctx, r)
			}
		}, nil, []func(testing.TB, Engine){checkBadRecords, checkTooLarge}},
		{"the limit of a block is one too small", nil, func(l *Limits) { l.MaxEvent = max(0, l.MaxEvent-1) },
			[]func(testing.TB, Engine){checkTooLarge}},
		{"pages begin with the position itself", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				if after.Seq > 1 {
					after.Seq--
				}
				return m.Read(ctx, after, max)
			}
		}, nil, []func(testing.TB, Engine){checkPages, checkVisible}},
		{"a max of 0 reads nothing", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				if max < 1 {
					return nil, nil
				}
				return m.Read(ctx, after, max)
			}
		}, nil, []func(testing.TB, Engine){checkMax}},
		{"a position ahead reads nothing", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				if errors.Is(err, eventlog.ErrAhead) {
					err = nil
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkAhead}},
		{"stamps go unchecked", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				return m.Read(ctx, eventlog.Pos{Seq: after.Seq}, max)
			}
			b.tail = func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
				return m.Tail(ctx, eventlog.Pos{Seq: after.Seq})
			}
		}, nil, []func(testing.TB, Engine){checkForeign, checkIncarnations, checkPurged, checkTailErrors}},
		{"all incarnations have one stamp", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				pos, dup, err := m.Append(ctx, r)
				pos.Stamp = 1
				return pos, dup, err
			}
		}, nil, []func(testing.TB, Engine){checkIncarnations}},
		{"one event too many is kept", nil, func(l *Limits) {
			if l.Events > 0 {
				l.Events++
			}
		}, []func(testing.TB, Engine){checkEvents, checkEverythingAtOnce}},
		{"bytes are not bounded", nil, func(l *Limits) { l.Bytes = 0 }, []func(testing.TB, Engine){checkBytes}},
		{"age is not bounded", nil, func(l *Limits) { l.Age = 0 }, []func(testing.TB, Engine){checkAge}},
		{"the numbers of a PurgedError are those of later", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				if gone, ok := errors.AsType[*eventlog.PurgedError](err); ok {
					gone.Asked = eventlog.Pos{Seq: gone.Bounds.First.Seq - 1}
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkPurged, checkAge}},
		{"reading what is purged continues at the oldest event", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				if errors.Is(err, eventlog.ErrPurged) {
					return m.Read(ctx, eventlog.Pos{}, max)
				}
				return events, err
			}
			b.tail = silent(m)
		}, nil, []func(testing.TB, Engine){checkPurged, checkTailErrors, checkTailOvertaken, checkEverythingAtOnce}},
		{"times run backwards", func(m *eventlog.Memory, b *broken) {
			b.read = func(ctx context.Context, after eventlog.Pos, max int) ([]eventlog.Event, error) {
				events, err := m.Read(ctx, after, max)
				for i := range events {
					events[i].Time = events[i].Time.Add(-time.Duration(i) * time.Minute)
				}
				return events, err
			}
		}, nil, []func(testing.TB, Engine){checkTimes}},
		{"message ids are not looked at", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				r.MessageID = ""
				return m.Append(ctx, r)
			}
		}, nil, []func(testing.TB, Engine){checkMessageID, checkMessageIDOutlives, checkMessageIDWindow, checkMessageIDRace, checkMessageIDBeforeExpect}},
		{"message ids are never forgotten", nil, func(l *Limits) { l.MessageIDWindow = time.Hour }, []func(testing.TB, Engine){checkMessageIDWindow}},
		{"Expect is not looked at", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				r.Expect = nil
				return m.Append(ctx, r)
			}
		}, nil, []func(testing.TB, Engine){checkExpect, checkExpectRace}},
		{"Expect is compared, and the event stored later", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				if last, err := m.Bounds(ctx); err == nil && r.Expect != nil && *r.Expect != last.Last.Seq {
					return eventlog.Pos{}, false, eventlog.ErrConflict
				}
				runtime.Gosched()
				time.Sleep(time.Nanosecond)
				r.Expect = nil
				return m.Append(ctx, r)
			}
		}, nil, []func(testing.TB, Engine){checkExpectRace}},
		{"Expect comes before the message id", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				if last, err := m.Bounds(ctx); err == nil && r.Expect != nil && *r.Expect != last.Last.Seq {
					return eventlog.Pos{}, false, eventlog.ErrConflict
				}
				return m.Append(ctx, r)
			}
		}, nil, []func(testing.TB, Engine){checkMessageIDBeforeExpect}},
		{"a tail has holes", func(m *eventlog.Memory, b *broken) {
			b.tail = wrap(m, func(n int, ev eventlog.Event, yield func(eventlog.Event, error) bool) bool {
				return n == 5 || yield(ev, nil)
			})
		}, nil, []func(testing.TB, Engine){checkTail, checkTailFromEverywhere, checkTailAgain, checkEverythingAtOnce}},
		{"a tail yields an event twice", func(m *eventlog.Memory, b *broken) {
			b.tail = wrap(m, func(n int, ev eventlog.Event, yield func(eventlog.Event, error) bool) bool {
				return yield(ev, nil) && (n != 3 || yield(ev, nil))
			})
		}, nil, []func(testing.TB, Engine){checkTail, checkTailFromEverywhere, checkTailAgain, checkTailsAndWriters, checkEverythingAtOnce}},
		{"a tail continues after it was left", func(m *eventlog.Memory, b *broken) {
			b.tail = func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
				return func(yield func(eventlog.Event, error) bool) {
					for ev, err := range m.Tail(ctx, after) {
						if !yield(ev, err) {
							yield(eventlog.Event{}, errCause)
							return
						}
					}
				}
			}
		}, nil, []func(testing.TB, Engine){checkTailLeft}},
		{"a tail can be ranged over once", func(m *eventlog.Memory, b *broken) {
			b.tail = func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
				used := false
				return func(yield func(eventlog.Event, error) bool) {
					if used {
						yield(eventlog.Event{}, eventlog.ErrClosed)
						return
					}
					used = true
					m.Tail(ctx, after)(yield)
				}
			}
		}, nil, []func(testing.TB, Engine){checkTailAgain}},
		{"a tail tells of its end twice", func(m *eventlog.Memory, b *broken) {
			b.tail = func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
				return func(yield func(eventlog.Event, error) bool) {
					for ev, err := range m.Tail(ctx, after) {
						if !yield(ev, err) || err != nil && !yield(ev, err) {
							return
						}
					}
				}
			}
		}, nil, []func(testing.TB, Engine){checkTailErrors, checkTailCancelled, checkCancelled, checkClose}},
		{"tails see different orders", func(m *eventlog.Memory, b *broken) {
			b.tail = wrap(m, func(n int, ev eventlog.Event, yield func(eventlog.Event, error) bool) bool {
				mu.Lock()
				if rng.IntN(20) == 0 {
					ev.Block = []byte("event: w0\ndata: 0 \n\n")
				}
				mu.Unlock()
				return yield(ev, nil)
			})
		}, nil, []func(testing.TB, Engine){checkTailsAndWriters}},
		{"a cancelled context gives its error, not the cause", func(m *eventlog.Memory, b *broken) {
			plain := func(ctx context.Context) context.Context {
				c, cancel := context.WithCancel(context.WithoutCancel(ctx))
				context.AfterFunc(ctx, cancel)
				if ctx.Err() != nil {
					cancel()
				}
				return c
			}
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				return m.Append(plain(ctx), r)
			}
			b.tail = func(ctx context.Context, after eventlog.Pos) iter.Seq2[eventlog.Event, error] {
				return m.Tail(plain(ctx), after)
			}
		}, nil, []func(testing.TB, Engine){checkCancelled, checkTailCancelled}},
		{"a cancelled append is stored", func(m *eventlog.Memory, b *broken) {
			b.append = func(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
				pos, dup, err := m.Append(context.WithoutCancel(ctx), r)
				if ctx.Err() != nil {
					return eventlog.Pos{}, false, context.Cause(ctx)
				}
				return pos, dup, err
			}
		}, nil, []func(testing.TB, Engine){checkCancelled}},
		{"a closed log still answers", func(m *eventlog.Memory, b *broken) {
			b.bounds = func(ctx context.Context) (eventlog.Bounds, error) {
				got, err := m.Bounds(ctx)
				if errors.Is(err, eventlog.ErrClosed) {
					err = nil
				}
				return got, err
			}
		}, nil, []func(testing.TB, Engine){checkClose}},
		{"a second Close fails", func(m *eventlog.Memory, b *broken) {
			closed := false
			b.close = func() error {
				mu.Lock()
				defer mu.Unlock()
				if closed {
					return eventlog.ErrClosed
				}
				closed = true
				return m.Close()
			}
		}, nil, []func(testing.TB, Engine){checkClose}},
	}
	names := map[string]bool{}
	for _, tt := range table {
		e := Engine{Open: func(t testing.TB, l Limits) eventlog.Log {
			if tt.limits != nil {
				tt.limits(&l)
			}
			m := memory(t, l)
			b := &broken{Log: m}
			if tt.breaks != nil {
				tt.breaks(m, b)
			}
			return b
		}}
		for _, c := range tt.found {
			name := strings.TrimPrefix(funcName(c), "check")
			names[name] = true
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				if failures := check(t, e, c); len(failures) == 0 {
					t.Errorf("the check finds nothing wrong with a log in which %s", tt.name)
				}
			})
		}
	}
	for _, p := range promises {
		if name := strings.TrimPrefix(funcName(p.check), "check"); !names[name] {
			t.Errorf("no broken log for the promise %q", p.name)
		}
	}
}

// The checks find nothing wrong with a log that is not broken, so what they find above was
// broken on purpose.
func TestIntactLogPasses(t *testing.T) {
	e := Engine{Open: func(t testing.TB, l Limits) eventlog.Log { return &broken{Log: memory(t, l)} }}
	for _, p := range promises {
		if failures := check(t, e, p.check); len(failures) > 0 {
			t.Errorf("%s: %q", p.name, failures)
		}
	}
}

// The suite runs in real time too, for engines that need it.
func TestRealTime(t *testing.T) {
	Run(t, Engine{RealTime: true, Open: func(t testing.TB, l Limits) eventlog.Log { return memory(t, l) }})
}

func funcName(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}
