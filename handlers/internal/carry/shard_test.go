package carry

import (
	"context"
	"github.com/fluxwire-go/fluxwire/internal/socket"
	"github.com/fluxwire-go/fluxwire/sse"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// sharded runs test in virtual time on a topic, and ends its streams.
func sharded(t *testing.T, cfg hub.Config, test func(*schedule)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg.Logger = slog.New(slog.DiscardHandler)
		r := newSchedule(t, nil, make(tally))
		r.topic.Close()
		topic, err := hub.New[string](cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.topic, r.reader = topic, reading.Hub.Reader(topic.Feed(), int(r.policy))
		r.pacer = NewPacer(r.reader, r.base, testPace)
		test(r)
		r.topic.Close()
		r.serving.Wait()
		r.shard.Wait()
	})
}

// taken returns how many events the client of s has taken.
func (r *schedule) taken(s *side) uint64 {
	synctest.Wait()
	x := r.session(s)
	n, _ := x.Counts()
	return n
}

// carried opens a stream that the shard carries.
func (r *schedule) carried() *side {
	s := r.open(1, hub.Live(), session.Never, false)
	synctest.Wait()
	if !s.st.Fast() {
		r.t.Fatal("the stream is not the shard's")
	}
	return s
}

// following opens a stream that the blocking driver carries.
func (r *schedule) following(start hub.Start) *side {
	s := r.open(0, start, session.Never, false)
	synctest.Wait()
	return s
}

func TestShardCountsABrokenSocket(t *testing.T) {
	timedOut := session.Stalled
	if !socket.Supported { // then no error of a socket is known
		timedOut = session.Left
	}
	for _, test := range []struct {
		err  error
		want session.Reason
	}{
		{nil, session.Left},
		{syscall.ECONNRESET, session.Left},
		{syscall.ETIMEDOUT, timedOut},
	} {
		sharded(t, hub.Config{}, func(r *schedule) {
			s := r.carried()
			s.c.broken = test.err
			s.c.leave()
			synctest.Wait()
			if !s.over() || s.reason != test.want {
				t.Errorf("a socket is gone by %v: ended %t by %v, want %v", test.err, s.over(), s.reason, test.want)
			}
		})
	}
}

// The numbers of groups wrap around, and pass over those that are in use.
func TestGroupNumbersWrapAround(t *testing.T) {
	sharded(t, hub.Config{}, func(r *schedule) {
		join := func(handler int) uint32 {
			r.handler = handler
			return r.carried().group().id
		}
		r.shard.lastID = idMask - 1 // it has not been started
		ids := []uint32{join(0), join(1)}
		r.shard.ask(func() { r.shard.lastID = idMask - 1 }) // once around
		ids = append(ids, join(2), join(3))
		if want := []uint32{idMask, 0, 1, 2}; !slices.Equal(ids, want) {
			t.Errorf("groups have the numbers %d, want %d", ids, want)
		}
		r.publish("x")
		for i, s := range r.opened {
			if events := r.taken(s); events != 1 {
				t.Errorf("stream %d has got %d events, want 1", i, events)
			}
		}
	})
}

// A stream that is told to end while it is on its way to its group ends there.
func TestDrainOnTheWayToTheGroup(t *testing.T) {
	sharded(t, hub.Config{}, func(r *schedule) {
		s := &side{c: newClient(everything)}
		s.st = &Stream{Route: r.routes[1], Closed: func(_ *Stream, reason session.Reason, _ error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended, s.reason = true, reason
		}}
		cursor := r.topic.Feed().Subscribe(hub.Live(), r.policy, hub.Filter{})
		at, _ := reading.Hub.Spot(cursor)
		p := session.Pass{Plan: r.plan(), Open: true}
		in := session.New(at, session.Never, false)
		for b := in.Next(&p); len(b) > 0; b = in.Next(&p) {
			in.Took(&p, len(b))
		}
		if err := r.shard.Expect(); err != nil {
			t.Fatal(err)
		}
		r.shard.Join(r, func() Group {
			s.st.Drain() // the loop is about to take it in
			return Group{Plan: r.plan(), Reader: r.reader}
		}, s.st, in, r.sockets.connect(s.c))
		synctest.Wait()
		if !s.over() || s.reason != session.Shutdown {
			t.Errorf("ended %t by %v, want that it was drained", s.over(), s.reason)
		}
	})
}

// joinBehind hands a stream over whose client has room for room more bytes, after
// between, which happens when its driver has closed.
func (r *schedule) joinBehind(room int, between func()) *side {
	r.t.Helper()
	s := &side{c: newClient(everything)}
	s.st = &Stream{Route: r.routes[1], Remote: "mem", Opened: time.Now()}
	s.st.Closed = func(_ *Stream, reason session.Reason, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended, s.reason, s.err = true, reason, err
	}
	cursor := r.topic.Feed().Subscribe(hub.Live(), r.policy, hub.Filter{})
	spot := SpotOf(cursor.Position())
	s.st.Reads(r.reader.Newest, spot)
	_, cancel := context.WithCancelCause(r.t.Context())
	d := NewBlocking(Config{
		Stream: s.st, Plan: r.plan(), Peer: s.c, Base: r.base, Pacer: r.pacer, MaxEvent: 1 << 30,
		Problem: func(error) []byte { return []byte(`{}`) }, Stop: cancel,
	}, session.New(spot, session.Never, false))
	cursor.Poll()
	at, ok := reading.Hub.Spot(cursor)
	if !ok {
		r.t.Fatal("the cursor has no spot")
	}
	if err := r.shard.Expect(); err != nil {
		r.t.Fatal(err)
	}
	d.Open()
	in := *d.Session()
	in.Move(at)
	cursor.Close()
	r.reader.Join()
	s.c.limit(room)
	between()
	r.shard.Join(r, func() Group {
		return Group{Plan: r.plan(), Reader: reading.Hub.Reader(r.topic.Feed(), int(r.policy))}
	}, s.st, in, r.sockets.connect(s.c))
	return s
}

// A client that is full when its stream reaches the shard has the whole write timeout,
// however long the shard, or the group, has been idle.
func TestShard_joinWhileFull(t *testing.T) {
	large := sse.ServerSentEvent[string]{Data: strings.Repeat("x", 1000)}
	tests := []struct {
		name    string
		before  func(r *schedule)
		between func(r *schedule)
	}{
		{"an event in a new group", nil, func(r *schedule) { r.topic.Append(r.t.Context(), large) }},
		{"an event in an idle group", func(r *schedule) { r.joinBehind(everything, func() {}) },
			func(r *schedule) { r.topic.Append(r.t.Context(), large) }},
		{"the end of the topic", nil, func(r *schedule) { r.topic.Complete() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sharded(t, hub.Config{}, func(r *schedule) {
				r.beat = 0
				if tt.before != nil {
					tt.before(r)
				}
				time.Sleep(time.Hour)
				s := r.joinBehind(10, func() { tt.between(r) })
				time.Sleep(testTimeout / 2)
				synctest.Wait()
				if s.over() {
					t.Errorf("the client is given up as %v after half of the write timeout", s.reason)
				}
				time.Sleep(testTimeout)
				synctest.Wait()
				if !s.over() || s.reason != session.Stalled {
					t.Errorf("the stream is over %t, by %v; want it stalled", s.over(), s.reason)
				}
			})
		})
	}
}
