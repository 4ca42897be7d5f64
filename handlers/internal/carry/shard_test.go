package carry

import (
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

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
	for _, test := range []struct {
		err  error
		want session.Reason
	}{
		{nil, session.Left},
		{syscall.ECONNRESET, session.Left},
		{syscall.ETIMEDOUT, session.Stalled},
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
