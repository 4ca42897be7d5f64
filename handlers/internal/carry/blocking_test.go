package carry

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A rig is one stream of the blocking driver, in virtual time, and its client.
type rig struct {
	*Blocking
	t      *testing.T
	c      *client
	st     *Stream
	start  time.Time
	ctx    context.Context // the source's: the driver ends it
	reason session.Reason  // with which the stream ended
}

const (
	opening    = "retry: 2000\n\n: r\n\n"
	byeDrained = "event: stream.bye\nretry: 1000\ndata: {\"reason\":\"shutdown\",\"retry\":1000}\n\n"
	byeAge     = "event: stream.bye\nretry: 2000\ndata: {\"reason\":\"max-age\",\"retry\":2000}\n\n"
	completed  = "id: end\nevent: stream.complete\ndata: {}\n\n"
)

// driven runs test in virtual time on a stream whose source pushes; change may change its
// settings. Its opening words have been sent, unless it has a grace.
func driven(t *testing.T, change func(*Config, *session.Session), test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, c: newClient(everything), start: time.Now()}
		r.st = &Stream{Route: &Route{Name: "r"}, Opened: r.start, Closed: func(_ *Stream, reason session.Reason, _ error) { r.reason = reason }}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		r.ctx = ctx
		s := session.New(reading.Spot{}, session.Never, false)
		cfg := Config{
			Stream: r.st,
			Plan: &session.Plan{
				Words: session.Words{
					Typed:          true,
					Retry:          func() time.Duration { return 2 * time.Second },
					RetryElsewhere: func() time.Duration { return time.Second },
				},
				Timeout: int64(10 * time.Second), Farewell: int64(time.Second),
			},
			Pushes: true, Peer: r.c, Base: r.start, MaxEvent: 16 << 20,
			Problem: func(err error) []byte { return []byte(`{"title":"broken"}`) },
			Stop:    cancel,
		}
		if change != nil {
			change(&cfg, &s)
		}
		r.Blocking = NewBlocking(cfg, s)
		r.Start()
		test(r)
		r.Close()
	})
}

func aged(d time.Duration) func(*Config, *session.Session) {
	return func(cfg *Config, s *session.Session) { *s = session.New(reading.Spot{}, int64(d), false) }
}

// text returns the encode function of an event with data.
func text(data string) func([]byte) ([]byte, error) {
	return func(dst []byte) ([]byte, error) { return append(dst, "data: "+data+"\n\n"...), nil }
}

// push pushes from another goroutine, and returns the channel of the result.
func (r *rig) push(data string) <-chan error {
	err := make(chan error, 1)
	go func() { err <- r.Push(r.ctx, text(data)) }()
	synctest.Wait()
	return err
}

// stuck pushes an event of which the client takes n bytes and then stops reading.
func (r *rig) stuck(n int) <-chan error {
	r.c.limit(n)
	pushed := r.push(strings.Repeat("s", 100))
	if !r.c.stuck() {
		r.t.Fatal("no write is stuck")
	}
	return pushed
}

// heard checks what the client has got after the opening words.
func (r *rig) heard(want string) {
	r.t.Helper()
	synctest.Wait()
	if got, ok := strings.CutPrefix(r.c.wire(), opening); !ok || got != want {
		r.t.Errorf("the client got %q, want %q", got, want)
	}
}

// at checks the time.
func (r *rig) at(want time.Duration) {
	r.t.Helper()
	if got := time.Since(r.start); got != want {
		r.t.Errorf("it is %v after the start, want %v", got, want)
	}
}

// ended ends the stream because its source has returned, and checks why it ended.
func (r *rig) ended(want session.Reason, aborted bool) {
	r.t.Helper()
	r.Finish(session.Complete, nil, false)
	r.Close()
	if reason, abort := r.Session().End(); reason != want || abort != aborted {
		r.t.Errorf("ended by %v, abort %t; want %v, %t", reason, abort, want, aborted)
	}
}

var event = "data: " + strings.Repeat("s", 100) + "\n\n"

func TestDrainWhileAWriteIsStuck(t *testing.T) {
	t.Run("the client takes the rest within the farewell", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			pushed := r.stuck(10)
			time.Sleep(5 * time.Second)
			r.st.Drain()
			r.st.Drain() // the second call changes nothing
			time.Sleep(time.Second - 1)
			r.c.grow(everything)
			if err := <-pushed; err != nil {
				t.Errorf("Push of an event that was written = %v", err)
			}
			if err := r.Push(r.t.Context(), text("x")); !errors.Is(err, ended[session.Shutdown]) {
				t.Errorf("the next Push = %v, want that the server is shutting down", err)
			}
			r.heard(event + byeDrained)
			r.ended(session.Shutdown, false)
			r.at(6*time.Second - 1)
		})
	})
	t.Run("the client takes nothing", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			pushed := r.stuck(10)
			time.Sleep(5 * time.Second)
			r.st.Drain()
			<-pushed
			r.at(6 * time.Second)
			r.heard(event[:10])
			r.ended(session.Shutdown, true)
			if cause := context.Cause(r.ctx); !errors.Is(cause, ended[session.Shutdown]) || !errors.Is(cause, os.ErrDeadlineExceeded) {
				t.Errorf("the source ended by %v", cause)
			}
		})
	})
	t.Run("the client stops in the last words", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.c.limit(10)
			r.st.Drain()
			synctest.Wait()
			r.ended(session.Shutdown, true)
			r.at(time.Second)
			r.heard(byeDrained[:10])
		})
	})
	t.Run("the client has stopped in the last words of an age", func(t *testing.T) {
		driven(t, aged(5*time.Second), func(r *rig) {
			r.c.limit(10)
			time.Sleep(6 * time.Second)
			r.st.Drain()
			r.ended(session.Shutdown, true)
			r.at(7 * time.Second)
			r.heard(byeAge[:10])
		})
	})
	t.Run("the peer takes no notice of the deadline", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.c.deaf = true
			r.c.limit(0)
			pushed := r.push(strings.Repeat("x", 3*slice))
			r.st.Drain()
			for range 2 {
				time.Sleep(3 * time.Second)
				r.c.grow(slice)
				synctest.Wait()
			}
			select {
			case <-pushed:
			default:
				t.Error("the second slice was written after the farewell")
			}
			r.c.grow(everything)
			r.ended(session.Shutdown, true)
		})
	})
	t.Run("between two slices", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.c.limit(slice - 1)
			pushed := r.push(strings.Repeat("x", 3*slice))
			r.st.Drain()
			r.c.grow(10)
			time.Sleep(time.Second)
			<-pushed
			r.ended(session.Shutdown, true)
			r.at(time.Second)
		})
	})
}

func TestAgeWhileAWriteIsStuck(t *testing.T) {
	t.Run("the client takes the rest", func(t *testing.T) {
		driven(t, aged(5*time.Second), func(r *rig) {
			pushed := r.stuck(10)
			time.Sleep(9 * time.Second)
			r.c.grow(everything)
			<-pushed
			r.heard(event + byeAge)
			r.ended(session.MaxAge, false)
		})
	})
	t.Run("the client takes nothing", func(t *testing.T) {
		driven(t, aged(5*time.Second), func(r *rig) {
			<-r.stuck(10)
			r.at(10 * time.Second)
			r.ended(session.MaxAge, true)
		})
	})
	t.Run("before the server drains", func(t *testing.T) {
		driven(t, aged(5*time.Second), func(r *rig) {
			pushed := r.stuck(10)
			time.Sleep(6 * time.Second)
			r.st.Drain()
			time.Sleep(time.Second / 2)
			r.c.grow(everything)
			<-pushed
			r.heard(event + byeAge)
			r.ended(session.MaxAge, false)
		})
	})
	t.Run("between two slices", func(t *testing.T) {
		driven(t, aged(5*time.Second), func(r *rig) {
			r.c.limit(slice - 1)
			pushed := r.push(strings.Repeat("x", 30*slice))
			var reading sync.WaitGroup
			defer reading.Wait()
			reading.Go(func() {
				for range 20 { // two seconds a slice: each is in time, all together are too late
					time.Sleep(2 * time.Second)
					r.c.grow(slice)
				}
			})
			<-pushed
			r.at(16 * time.Second) // the rest has the timeout, which counts from the slice after which the age was noticed
			r.ended(session.MaxAge, true)
		})
	})
}

// A client is given up when it makes no progress, however long an event takes in all.
func TestSlowClientThatMakesProgress(t *testing.T) {
	const size, part, each, patience = 10 << 20, 128 << 10, 15 * time.Millisecond, 400 * time.Millisecond
	reads := func(c *client) {
		for range size/part + 1 {
			time.Sleep(each)
			c.grow(part)
		}
		synctest.Wait()
	}
	t.Run("blocking", func(t *testing.T) {
		driven(t, func(cfg *Config, s *session.Session) { cfg.Plan.Timeout = int64(patience) }, func(r *rig) {
			r.c.limit(0)
			pushed := r.push(strings.Repeat("x", size))
			reads(r.c)
			if err := <-pushed; err != nil {
				t.Errorf("Push = %v", err)
			}
			r.c.grow(everything)
			r.ended(session.Complete, false)
			if events, _ := r.Session().Counts(); events != 1 {
				t.Errorf("%d events were taken, want 1", events)
			}
		})
	})
	t.Run("shard", func(t *testing.T) {
		sharded(t, hub.Config{Bytes: 16 << 20, MaxEvent: 11 << 20}, func(r *schedule) {
			r.timeout = patience
			s := r.carried()
			s.c.limit(0)
			r.publish(strings.Repeat("x", size))
			reads(s.c)
			if s.over() || len(s.c.wire()) < size {
				t.Errorf("ended %t by %v, with %d bytes; want all of the event", s.over(), s.reason, len(s.c.wire()))
			}
			s.c.grow(everything)
		})
	})
}

func TestStalledClient(t *testing.T) {
	t.Run("in an event", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			time.Sleep(time.Second)
			if err := <-r.stuck(10); err == nil {
				t.Error("Push = nil, want an error")
			}
			r.at(11 * time.Second)
			r.ended(session.Stalled, true)
		})
	})
	t.Run("in a slice, of which it takes less than all", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.c.limit(slice)
			pushed := r.push(strings.Repeat("x", 3*slice))
			for range 9 {
				time.Sleep(time.Second)
				r.c.grow(slice / 10)
			}
			<-pushed
			r.at(10 * time.Second)
			r.ended(session.Stalled, true)
		})
	})
	// Over HTTP/2 net/http may ignore the deadline, and report success.
	t.Run("the peer ignores the deadline", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.c.deaf = true
			pushed := r.stuck(10)
			time.Sleep(30 * time.Second)
			r.c.grow(1000)
			<-pushed
			r.ended(session.Stalled, true)
			r.heard(event)
		})
	})
	t.Run("in a heartbeat", func(t *testing.T) {
		driven(t, func(cfg *Config, s *session.Session) { cfg.Heartbeat = 15 * time.Second }, func(r *rig) {
			r.c.limit(1)
			time.Sleep(25 * time.Second)
			synctest.Wait()
			r.at(25 * time.Second)
			r.ended(session.Stalled, true)
			if n := r.st.Route.Beats.Load(); n != 1 {
				t.Errorf("%d heartbeats counted, want the one that was begun", n)
			}
		})
	})
	// The handler writes last words after Close has stopped the timer.
	t.Run("in the last words of a driver that is closed", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.Close()
			r.c.limit(10)
			r.Finish(session.Complete, nil, false)
			r.at(10 * time.Second)
			r.ended(session.Stalled, true)
		})
	})
}

func TestClientLeaves(t *testing.T) {
	driven(t, nil, func(r *rig) {
		pushed := r.stuck(10)
		r.c.leave()
		if err := <-pushed; !errors.Is(err, ended[session.Left]) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Push = %v, want that the client has left", err)
		}
		if err := r.Push(r.t.Context(), text("x")); err == nil {
			t.Error("Push after the client left = nil, want an error")
		}
		r.ended(session.Left, false)
	})
}

func TestHeartbeats(t *testing.T) {
	driven(t, func(cfg *Config, s *session.Session) { cfg.Heartbeat = 15 * time.Second }, func(r *rig) {
		time.Sleep(10 * time.Second)
		<-r.push("x")
		time.Sleep(31 * time.Second)
		r.heard("data: x\n\n:\n\n:\n\n")
		r.ended(session.Complete, false)
		time.Sleep(time.Hour)
		if n := r.st.Route.Beats.Load(); n != 2 {
			t.Errorf("%d heartbeats, want 2", n)
		}
	})
}

func TestGrace(t *testing.T) {
	grace := func(cfg *Config, s *session.Session) { cfg.Grace = time.Second }
	t.Run("opening words when it is over", func(t *testing.T) {
		driven(t, grace, func(r *rig) {
			time.Sleep(time.Second - 1)
			synctest.Wait()
			if r.c.look().headed {
				t.Error("the head was sent within the grace")
			}
			time.Sleep(time.Nanosecond)
			r.heard("")
			r.ended(session.Complete, false)
		})
	})
	t.Run("a failure within it leaves the status to the handler", func(t *testing.T) {
		driven(t, grace, func(r *rig) {
			r.Finish(session.Error, io.ErrUnexpectedEOF, false)
			r.Close()
			if reason, abort := r.Session().End(); reason != session.Error || abort || r.c.look().headed {
				t.Errorf("ended by %v, abort %t, head sent %t; want error, false, false", reason, abort, r.c.look().headed)
			}
			if r.Err() != io.ErrUnexpectedEOF {
				t.Errorf("Err = %v", r.Err())
			}
		})
	})
	t.Run("an event ends it", func(t *testing.T) {
		driven(t, grace, func(r *rig) {
			<-r.push("x")
			r.heard("data: x\n\n")
			r.at(0)
			if n := r.c.look().writes; n != 1 {
				t.Errorf("%d writes, want the event in one with the opening words", n)
			}
		})
	})
}

func TestPush(t *testing.T) {
	t.Run("waits no longer than its context", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			first := r.stuck(10)
			errEnough := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(r.t.Context(), time.Second, errEnough)
			defer cancel()
			if err := r.Push(ctx, text("x")); err != errEnough {
				t.Errorf("Push while another one is stuck = %v, want the cause of its context", err)
			}
			r.at(time.Second)
			r.c.grow(everything)
			if err := <-first; err != nil {
				t.Errorf("the other Push = %v", err)
			}
			for range 100 {
				if err := r.Push(ctx, text("x")); err != errEnough {
					t.Fatalf("Push by a context that has ended = %v, want its cause", err)
				}
			}
			r.heard(event)
		})
	})
	t.Run("returns a panic of the encoder", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			err := r.Push(r.t.Context(), func([]byte) ([]byte, error) { panic("no JSON") })
			var encode *EncodeError
			var panicked *streams.PanicError
			if !errors.As(err, &encode) || !errors.As(err, &panicked) || panicked.Value != "no JSON" {
				t.Errorf("Push = %v, want an EncodeError by a PanicError", err)
			}
			r.heard("event: stream.error\ndata: {\"title\":\"broken\"}\n\n")
			if again := r.Push(r.t.Context(), text("x")); again != err {
				t.Errorf("the next Push = %v, want the same error", again)
			}
			r.ended(session.Error, false)
		})
	})
	t.Run("refuses an event over the bound", func(t *testing.T) {
		driven(t, func(cfg *Config, s *session.Session) { cfg.MaxEvent = len(event) }, func(r *rig) {
			if err := <-r.push(strings.Repeat("s", 100)); err != nil {
				t.Errorf("Push of as much as is allowed = %v", err)
			}
			var encode *EncodeError
			if err := <-r.push(strings.Repeat("s", 101)); !errors.As(err, &encode) {
				t.Errorf("Push of more = %v, want an EncodeError", err)
			}
			r.ended(session.Error, false)
		})
	})
	t.Run("keeps no large buffer", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			<-r.push(strings.Repeat("s", 10*slice))
			<-r.push("x")
			if n := cap(r.buf); n > slice {
				t.Errorf("%d bytes are kept for the next event, want %d at most", n, slice)
			}
		})
	})
	t.Run("ends with the last event that the client wants", func(t *testing.T) {
		driven(t, func(cfg *Config, s *session.Session) { cfg.Take = 2 }, func(r *rig) {
			for _, data := range []string{"a", "b"} {
				if err := <-r.push(data); err != nil {
					t.Errorf("Push(%s) = %v", data, err)
				}
			}
			if err := r.Push(r.t.Context(), text("c")); !errors.Is(err, ended[session.Complete]) {
				t.Errorf("Push of one more = %v, want that the client has all it asked for", err)
			}
			r.heard("data: a\n\ndata: b\n\n" + completed)
			r.ended(session.Complete, false)
		})
	})
	t.Run("fails after Close", func(t *testing.T) {
		driven(t, nil, func(r *rig) {
			r.Close()
			if err := r.Push(r.t.Context(), text("x")); !errors.Is(err, ErrEnded) {
				t.Errorf("Push after Close = %v, want ErrEnded", err)
			}
			if err := r.Tell(r.t.Context(), &sse.Gap{Reason: sse.GapSlow}); !errors.Is(err, ErrEnded) {
				t.Errorf("Tell after Close = %v, want ErrEnded", err)
			}
			r.heard("")
		})
	})
	t.Run("fails after the end", func(t *testing.T) {
		driven(t, aged(time.Second), func(r *rig) {
			time.Sleep(time.Second)
			synctest.Wait()
			if err := r.Push(r.t.Context(), text("x")); !errors.Is(err, ended[session.MaxAge]) {
				t.Errorf("Push = %v, want that the stream has reached its age", err)
			}
			r.heard(byeAge)
		})
	})
}

// An encoder is the user's code. While it blocks, only its own stream waits.
func TestEncoderThatBlocks(t *testing.T) {
	driven(t, aged(time.Minute), func(r *rig) {
		release := make(chan struct{})
		pushed := make(chan error, 1)
		go func() {
			pushed <- r.Push(r.ctx, func(dst []byte) ([]byte, error) {
				<-release
				return text("x")(dst)
			})
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		r.st.Drain() // returns
		r.at(time.Second)
		time.Sleep(time.Second / 2)
		close(release)
		if err := <-pushed; err != nil {
			t.Errorf("Push = %v", err)
		}
		r.heard("data: x\n\n" + byeDrained)
		r.ended(session.Shutdown, false)
	})
}

func TestTell(t *testing.T) {
	driven(t, nil, func(r *rig) {
		missed := uint64(3)
		if err := r.Tell(r.t.Context(), &sse.Gap{Reason: sse.GapSlow, From: "1", To: "4", Missed: &missed}); err != nil {
			t.Errorf("Tell = %v", err)
		}
		r.heard("event: stream.gap\ndata: {\"reason\":\"slow\",\"from\":\"1\",\"to\":\"4\",\"missed\":3}\n\n")
		if n := r.st.Route.Gaps()[sse.GapSlow]; n != 1 || r.st.Route.Missed.Load() != 3 {
			t.Errorf("%d gaps of %d events counted, want 1 of 3", n, r.st.Route.Missed.Load())
		}
		r.Close()
		if events, _ := r.Session().Counts(); events != 0 {
			t.Errorf("%d events counted, want 0", events)
		}
	})
}

func TestFinishAndCloseTwice(t *testing.T) {
	driven(t, nil, func(r *rig) {
		<-r.push("x")
		r.Finish(session.Complete, nil, false)
		r.Finish(session.Error, io.ErrUnexpectedEOF, false)
		r.Close()
		r.Close()
		r.Finish(session.Complete, nil, true)
		r.heard("data: x\n\n" + completed)
		r.ended(session.Complete, false)
		if r.Err() != nil {
			t.Errorf("Err = %v, want nil", r.Err())
		}
	})
}

// slowPeer is a client whose deadlines take a second to set.
type slowPeer struct {
	*client
	begun, done atomic.Bool
}

func (p *slowPeer) deadline(t time.Time) {
	p.begun.Store(true)
	p.client.deadline(t)
	time.Sleep(time.Second)
	p.done.Store(true)
}

func TestCloseWaitsForTheTimer(t *testing.T) {
	var peer *slowPeer
	driven(t, func(cfg *Config, s *session.Session) {
		peer = &slowPeer{client: cfg.Peer.(*client)}
		cfg.Peer = peer
	}, func(r *rig) {
		<-r.stuck(10) // the timer makes it fail
		if !peer.begun.Load() || peer.done.Load() {
			t.Fatal("the timer is not at work")
		}
		r.Close()
		if !peer.done.Load() {
			t.Error("Close returned while the timer's function ran")
		}
	})
	driven(t, func(cfg *Config, s *session.Session) { cfg.Heartbeat = time.Second }, func(r *rig) {
		time.Sleep(time.Second / 2)
		r.Close()
		time.Sleep(time.Hour)
		r.heard("")
	})
}

func TestOpenLeavesNoDeadline(t *testing.T) {
	driven(t, func(cfg *Config, s *session.Session) { cfg.Grace = time.Hour }, func(r *rig) {
		r.Close()
		if !r.Open() {
			t.Error("Open = false")
		}
		r.heard("")
		if at := r.c.look().expires; !at.IsZero() {
			t.Errorf("writes fail from %v on, want never", at)
		}
	})
	driven(t, func(cfg *Config, s *session.Session) { cfg.Grace = time.Hour }, func(r *rig) {
		r.Close()
		r.c.limit(3)
		if r.Open() {
			t.Error("Open = true for a client that stopped in the opening words")
		}
		r.at(10 * time.Second)
	})
}

func TestArrayIsBounded(t *testing.T) {
	errLarge := errors.New("too large")
	var array *Array
	driven(t, func(cfg *Config, s *session.Session) {
		array = &Array{Max: 10, TooLarge: func(max int) error { return errLarge }}
		cfg.Peer = array
		cfg.Plan.Words.Lines, cfg.Plan.Words.Silent = true, true
	}, func(r *rig) {
		push := func(line string) error {
			return r.Push(r.t.Context(), func(dst []byte) ([]byte, error) { return append(dst, line+"\n"...), nil })
		}
		if got := string(array.Bytes()); got != "[]\n" {
			t.Errorf("an array of nothing: %q", got)
		}
		if err := push("1234"); err != nil {
			t.Errorf("Push = %v", err)
		}
		if err := push("567"); err != nil {
			t.Errorf("Push of as much as is allowed = %v", err)
		}
		if err := push("8"); !errors.Is(err, errLarge) {
			t.Errorf("Push of more = %v, want that it is too large", err)
		}
		r.ended(session.Error, false)
	})
	driven(t, func(cfg *Config, s *session.Session) {
		array = &Array{Max: 10, TooLarge: func(max int) error { return errLarge }}
		cfg.Peer = array
		cfg.Plan.Words.Lines, cfg.Plan.Words.Silent = true, true
	}, func(r *rig) {
		<-r.push("x")
		r.ended(session.Complete, false)
	})
}

// A reader of a topic is not woken for each event: writes are paced.
func TestFollowIsPaced(t *testing.T) {
	sharded(t, hub.Config{}, func(r *schedule) {
		s := r.following(hub.Live())
		time.Sleep(time.Second)
		before := s.c.look().writes
		for range 32 {
			r.publish("x")
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(2 * testPace)
		if events := r.taken(s); events != 32 {
			t.Errorf("%d events were written, want 32", events)
		}
		if n := s.c.look().writes - before; n < 2 || n > 4 {
			t.Errorf("32 events in 3.2 ms took %d writes, want 2 to 4: they are %v apart", n, testPace)
		}
	})
}

func TestFollowCountsReplayedEvents(t *testing.T) {
	sharded(t, hub.Config{}, func(r *schedule) {
		for range 3 {
			r.publish("old")
		}
		// What comes between the request and the first write leaves in one batch with
		// what is replayed.
		s := r.open(0, hub.Earliest(), session.Never, false)
		r.topic.Append(r.t.Context(), sse.ServerSentEvent[string]{Data: "new"})
		r.topic.Append(r.t.Context(), sse.ServerSentEvent[string]{Data: "new"})
		synctest.Wait()
		if events := r.taken(s); events != 5 || s.st.Route.Replayed.Load() != 3 {
			t.Errorf("%d events, %d of them replayed; want 5, 3", events, s.st.Route.Replayed.Load())
		}
		if n := s.st.Lag(); n != 0 {
			t.Errorf("the stream is %d events behind, want 0", n)
		}
		s.c.limit(1)
		r.publish("stuck")
		r.publish("behind")
		if n := s.st.Lag(); n != 2 {
			t.Errorf("the stream is %d events behind, want 2", n)
		}
		s.c.grow(everything)
	})
}

func TestFollowEndsAtTheTake(t *testing.T) {
	sharded(t, hub.Config{}, func(r *schedule) {
		r.take = 2
		for _, data := range []string{"a", "b", "c"} {
			r.publish(data)
		}
		s := r.following(hub.Earliest())
		got := s.c.wire()
		if !s.over() || s.reason != session.Complete || strings.Count(got, "\ndata: ") != 3 || !strings.HasSuffix(got, completed) {
			t.Errorf("ended %t by %v, got %q; want two events and the last words", s.over(), s.reason, got)
		}
	})
}
