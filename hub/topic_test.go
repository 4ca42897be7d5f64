package hub

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// picky is data that may not encode.
type picky struct{ what string }

func (p picky) MarshalJSON() ([]byte, error) {
	switch p.what {
	case "fail":
		return nil, errPicky
	case "panic":
		panic(errPicky)
	}
	return []byte(`"` + p.what + `"`), nil
}

var errPicky = errors.New("picky")

func TestAppendRefuses(t *testing.T) {
	topic, err := New[picky](Config{Name: "prices", MaxEvent: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	type event = sse.ServerSentEvent[picky]
	for _, tt := range []struct {
		name  string
		event event
		want  error
	}{
		{"a reserved name", event{Event: "stream.gap"}, ErrReservedName},
		{"any name with the prefix", event{Event: "stream."}, ErrReservedName},
		{"a line break in the name", event{Event: "a\nb"}, sse.ErrLineBreak},
		{"text that is not UTF-8", event{Data: picky{"\xff"}}, nil},
		{"data that fails to encode", event{Data: picky{"fail"}}, errPicky},
		{"data that panics", event{Data: picky{"panic"}}, errPicky},
		{"more than MaxEvent", event{Data: picky{strings.Repeat("x", 1000)}}, eventlog.ErrTooLarge},
		{"an ID", event{ID: "7"}, ErrHasID},
		{"a negative retry", event{Retry: -1}, sse.ErrNegativeRetry},
	} {
		pos, err := topic.Append(t.Context(), tt.event)
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || tt.want != nil && !errors.Is(err, tt.want) || pos != (eventlog.Pos{}) {
			t.Errorf("%s: Append = %v, %v; want %v", tt.name, pos, err, tt.want)
			continue
		}
		if refused.Topic != "prices" || refused.Event != tt.event.Event || !strings.HasPrefix(err.Error(), `hub: topic "prices": event `) {
			t.Errorf("%s: the error is %+v", tt.name, refused)
		}
		if e, ok := errors.AsType[*streams.PanicError](err); ok != (tt.event.Data.what == "panic") || ok && len(e.Stack) == 0 {
			t.Errorf("%s: PanicError is %t", tt.name, ok)
		}
	}
	for id, want := range map[string]error{"a\nb": eventlog.ErrBadRecord, strings.Repeat("k", 2000): eventlog.ErrTooLarge} {
		_, err := topic.Append(t.Context(), event{}, MessageID(id))
		if _, ok := errors.AsType[*RefusedError](err); !ok || !errors.Is(err, want) {
			t.Errorf("Append with the message id %.10q = %v; want %v", id, err, want)
		}
	}
	// The topic still takes events.
	for i, name := range []string{"streams", "stream", "", "Stream.x"} {
		pos, err := topic.Append(t.Context(), event{Event: name, Data: picky{"fine"}})
		if err != nil || pos.Seq != uint64(i+1) {
			t.Errorf("Append(%q) = %v, %v", name, pos, err)
		}
	}
	if s := topic.Stats(); s.Refused != 11 || s.Appended != 4 {
		t.Errorf("Stats: %d refused, %d appended; want 11, 4", s.Refused, s.Appended)
	}
}

func TestZeroTopic(t *testing.T) {
	for name, call := range map[string]func(*Topic[string]){
		"Append":   func(tp *Topic[string]) { _, _ = tp.Append(t.Context(), textEvent{}) },
		"Publish":  func(tp *Topic[string]) { _ = tp.Publish(t.Context(), streams.Of[textEvent]()) },
		"Complete": func(tp *Topic[string]) { tp.Complete() },
		"Fail":     func(tp *Topic[string]) { tp.Fail(io.EOF) },
		"Close":    func(tp *Topic[string]) { _ = tp.Close() },
		"Feed":     func(tp *Topic[string]) { tp.Feed() },
		"Name":     func(tp *Topic[string]) { _ = tp.Name() },
		"Stats":    func(tp *Topic[string]) { tp.Stats() },
		"Codec":    func(tp *Topic[string]) { tp.Codec() },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "make one with New") {
					t.Errorf("%s of a zero Topic panics with %q; want it to name New", name, text)
				}
			}()
			call(new(Topic[string]))
		}()
	}
	if name := open(t, Config{Name: "prices"}).Name(); name != "prices" {
		t.Errorf("Name() = %q, want prices", name)
	}
}

// The largest event is MaxEvent bytes without its id.
func TestMaxEvent(t *testing.T) {
	topic := open(t, Config{MaxEvent: 100, Bytes: 1000})
	fits := strings.Repeat("x", 100-len("data: \n\n"))
	if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: fits}); err != nil {
		t.Error(err)
	}
	_, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: fits + "x"})
	e, ok := errors.AsType[*eventlog.TooLargeError](err)
	if !ok || e.Size != 101 || e.Max != 100 {
		t.Errorf("Append = %v", err)
	}
}

// TestMessageID checks that an event with a known message id is not stored again, and
// that the message id never goes out.
func TestMessageID(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		var first eventlog.Pos
		for i := range 3 {
			pos, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: "paid", Event: "e", Retry: time.Second, Comment: "c"}, MessageID("order 7 is paid"))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = pos
			} else if pos != first {
				t.Errorf("the same message id got %v, the first time it was %v", pos, first)
			}
		}
		put(t, topic, "other", "other")
		waitIdle()
		c := topic.Feed().Subscribe(Latest(3), PolicyToOldest, Filter{})
		b, err := next(t, c)
		if err != nil {
			t.Fatal(err)
		}
		want := "id: " + first.String() + "\nevent: e\nretry: 1000\n: c\ndata: paid\n\nid: "
		if !strings.HasPrefix(string(b.Frames), want) {
			t.Errorf("on the wire: %q, want %q", b.Frames, want)
		}
		if s := topic.Stats(); s.Appended != 3 || s.Duplicates != 2 {
			t.Errorf("Stats: %d appended, %d duplicates; want 3, 2", s.Appended, s.Duplicates)
		}
	})
}

func TestEndings(t *testing.T) {
	failure := errors.New("the exchange is closed")
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		for _, tt := range []struct {
			name string
			end  func(*Topic[string])
			want error
		}{
			{"complete", func(t *Topic[string]) { t.Complete() }, io.EOF},
			{"fail", func(t *Topic[string]) { t.Fail(failure) }, failure},
			{"fail with nil", func(t *Topic[string]) { t.Fail(nil) }, errNoCause},
			{"the first end counts", func(t *Topic[string]) { t.Fail(failure); t.Complete(); t.Fail(io.EOF) }, failure},
			{"completion is not undone by a failure", func(t *Topic[string]) { t.Complete(); t.Fail(failure) }, io.EOF},
		} {
			topic := open(Config{})
			waiting := topic.Feed().Subscribe(Live(), PolicyCut, Filter{})
			got := make(chan string, 1)
			go func() { got <- read(t, waiting) }()
			waitIdle()
			put(t, topic, "1", "2", "3")
			tt.end(topic) // at once: pending events are delivered first
			check(t, tt.name, <-got, "1, 2, 3, "+tt.want.Error())
			for range 2 {
				late := topic.Feed().Subscribe(After("1"), PolicyToOldest, Filter{})
				check(t, tt.name+", later", read(t, late), "2, 3, "+tt.want.Error())
				check(t, tt.name+", live", read(t, topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})), tt.want.Error())
				_, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: "4"})
				if err != ErrEnded {
					t.Errorf("%s: Append = %v, want ErrEnded", tt.name, err)
				}
				err = topic.Publish(t.Context(), streams.Of(sse.ServerSentEvent[string]{Data: "4"}))
				if err != ErrEnded {
					t.Errorf("%s: Publish = %v, want ErrEnded", tt.name, err)
				}
				if err, ended := topic.Feed().Ended(); !ended || err != tt.want && (err != nil || tt.want != io.EOF) {
					t.Errorf("%s: Ended = %v, %t", tt.name, err, ended)
				}
				// Once more after Close, which does not change how the topic has ended.
				if err := topic.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestClose(t *testing.T) {
	engines(t, func(t *testing.T, open func(Config) *Topic[string]) {
		topic := open(Config{})
		waitIdle()
		var all []chan string
		for range 20 {
			c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
			got := make(chan string)
			all = append(all, got)
			go func() { got <- read(t, c) }()
		}
		published := make(chan error)
		go func() { published <- topic.Publish(t.Context(), streams.Never[sse.ServerSentEvent[string]]()) }()
		put(t, topic, "1")
		waitIdle()
		start := time.Now()
		if err := topic.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if err := <-published; err != ErrEnded {
			t.Errorf("Publish = %v, want ErrEnded", err)
		}
		for _, got := range all {
			check(t, "a subscriber", <-got, "1, "+ErrClosed.Error())
		}
		check(t, "a late one", read(t, topic.Feed().Subscribe(Latest(1), PolicyToOldest, Filter{})), "1, "+ErrClosed.Error())
		if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{}); err != ErrEnded {
			t.Errorf("Append = %v, want ErrEnded", err)
		}
	})
}

// A completion that waits for events that are being stored is replaced by ErrClosed if
// the topic is closed meanwhile.
func TestCloseBeforeCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(100, 1)
		log.delay = time.Minute
		topic := open(t, Config{Log: log})
		time.Sleep(2 * time.Minute)
		c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
		put(t, topic, "1", "2", "3")
		topic.Complete()
		if _, ended := topic.Feed().Ended(); ended {
			t.Fatal("complete before the events are there")
		}
		topic.Close()
		if got := read(t, c); !strings.HasSuffix(got, ErrClosed.Error()) {
			t.Errorf("the subscriber saw %s", got)
		}
	})
}

// When the owner of a log closes it before the topic, the cursors end.
func TestLogClosed(t *testing.T) {
	for _, hide := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, err := eventlog.NewMemory(eventlog.MemoryConfig{})
			if err != nil {
				t.Fatal(err)
			}
			var log eventlog.Log = m
			if hide {
				log = hidden{m}
			}
			topic := open(t, Config{Log: log})
			waitIdle()
			c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
			put(t, topic, "1")
			waitIdle()
			m.Close()
			waitIdle()
			if got := read(t, c); !strings.HasPrefix(got, "1, hub: ") || !strings.HasSuffix(got, eventlog.ErrClosed.Error()) {
				t.Errorf("the subscriber saw %s", got)
			}
			_, err = topic.Append(t.Context(), sse.ServerSentEvent[string]{})
			if !errors.Is(err, eventlog.ErrClosed) && err != ErrEnded {
				t.Errorf("Append = %v", err)
			}
			err = topic.Publish(t.Context(), streams.Of(sse.ServerSentEvent[string]{}))
			if !errors.Is(err, eventlog.ErrClosed) && err != ErrEnded {
				t.Errorf("Publish = %v", err)
			}
			if err, ended := topic.Feed().Ended(); !ended || !errors.Is(err, eventlog.ErrClosed) {
				t.Errorf("Ended = %v, %t", err, ended)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	_, err := New[int](Config{Events: -1, Age: -1, MaxEvent: 2000, Bytes: 1000, Backoff: Backoff{Min: time.Minute, Max: time.Second, MaxRestarts: -1}})
	for _, want := range []string{"Events is negative", "Age is negative", "MaxRestarts is negative", "MaxEvent (2000 bytes)", "longer than Backoff.Max"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v; want %q in it", err, want)
		}
	}
	for _, cfg := range []Config{{}, {Bytes: 500}, {Backoff: Backoff{Min: time.Hour}}, {Backoff: Backoff{Max: time.Millisecond}}, {Events: 1}} {
		topic, err := New[int](cfg)
		if err != nil {
			t.Errorf("New(%+v): %v", cfg, err)
			continue
		}
		if _, err := topic.Append(t.Context(), sse.ServerSentEvent[int]{Data: 7}); err != nil {
			t.Error(err)
		}
		topic.Close()
	}
}

// A waitingLog stores an event only when the test lets it.
type waitingLog struct {
	eventlog.Log
	store chan struct{}
}

func (w waitingLog) Append(ctx context.Context, r eventlog.Record) (eventlog.Pos, bool, error) {
	<-w.store
	return w.Log.Append(ctx, r)
}

// Subscribers get an event that is being stored when Complete or Fail is called, and then
// the end.
func TestEndDuringAppend(t *testing.T) {
	broken := errors.New("broken")
	for name, end := range map[string]func(*Topic[string]){
		"EOF":    (*Topic[string]).Complete,
		"broken": func(topic *Topic[string]) { topic.Fail(broken) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := eventlog.NewMemory(eventlog.MemoryConfig{})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				log := waitingLog{m, make(chan struct{})}
				topic := open(t, Config{Log: log})
				got := make(chan string, 1)
				c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
				go func() { got <- read(t, c) }()
				waitIdle()
				var work sync.WaitGroup
				for _, data := range []string{"a", "b"} {
					work.Go(func() { put(t, topic, data) }) // fails t if it is refused
					waitIdle()
				}
				end(topic)
				waitIdle()
				if _, err := topic.Append(t.Context(), textEvent{Data: "late"}); err != ErrEnded {
					t.Errorf("Append after the end = %v, want ErrEnded", err)
				}
				if err, ended := topic.Feed().Ended(); ended {
					t.Errorf("the topic ended with %v while two events were being stored", err)
				}
				log.store <- struct{}{} // one of the two
				waitIdle()
				if _, ended := topic.Feed().Ended(); ended {
					t.Error("the topic ended while one event was being stored")
				}
				log.store <- struct{}{}
				work.Wait()
				text := <-got
				if text != "a, b, "+name && text != "b, a, "+name {
					t.Errorf("a subscriber got %q; want both events before the end", text)
				}
			})
		})
	}
}

// A reader gets the last event before the end, wherever between its looks at the topic
// the event is stored and the topic ends.
func TestEndBetweenLooks(t *testing.T) {
	readers := map[string]func(*testing.T, *Topic[string]) func() (events int, ended bool){
		"cursor": func(t *testing.T, topic *Topic[string]) func() (int, bool) {
			c := topic.Feed().Subscribe(Live(), PolicyToOldest, Filter{})
			return func() (int, bool) {
				b, err := c.Poll()
				return b.Count, err != nil
			}
		},
		"reader": func(t *testing.T, topic *Topic[string]) func() (int, bool) {
			s, r := spotAtEnd(t, topic), newReader(topic, PolicyToOldest)
			return func() (int, bool) {
				got := r.Read(s)
				s = got.Next
				return got.Count, got.Ended
			}
		},
	}
	ends := map[string]func(*Topic[string]){
		"complete":      (*Topic[string]).Complete,
		"close the log": func(topic *Topic[string]) { topic.feed.log.Close() },
	}
	for who, begin := range readers {
		for how, end := range ends {
			for when := range 12 {
				synctest.Test(t, func(t *testing.T) {
					topic := open(t, Config{})
					poll := begin(t, topic)
					looks, stored := 0, false
					topic.feed.looked = func() {
						if looks++; looks == when+1 {
							put(t, topic, "last")
							stored = true
							end(topic)
						}
					}
					events := 0
					for range 10 {
						n, ended := poll()
						if events += n; ended {
							break
						}
					}
					if !stored || events != 1 {
						t.Errorf("%s, %s after look %d: %d events before the end, want 1", who, how, when+1, events)
					}
				})
			}
		}
	}
}
