package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A diary is a PositionStore in memory. It also records in order what happened.
type diary struct {
	id    string
	lines []string
	start time.Time // if set, saves are recorded with their time

	load func(context.Context) error
	save func(ctx context.Context, id string) error
}

func (d *diary) Load(ctx context.Context) (string, error) {
	if d.load != nil {
		return "", d.load(ctx)
	}
	return d.id, nil
}

func (d *diary) Save(ctx context.Context, id string) error {
	line := "save " + id
	if !d.start.IsZero() {
		line += fmt.Sprint(" at ", time.Since(d.start))
	}
	d.lines = append(d.lines, line)
	if d.save != nil {
		if err := d.save(ctx, id); err != nil {
			return err
		}
	}
	d.id = id
	return nil
}

func (d *diary) note(line string) { d.lines = append(d.lines, line) }

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("it went %q, want %q", d.lines, lines)
	}
}

// each saves every position at once.
var each = SaveEvery(1, time.Hour)

func TestResumeSavesHandledEvents(t *testing.T) {
	body := open("id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: without an id\n\nid: 3\ndata: c\n\nevent: stream.complete\ndata\n\n")
	want := []string{"a", "save 1", "b", "save 2", "without an id", "c", "save 3"}
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, d *diary, opts ...Option)
	}{
		{"Follow", func(t *testing.T, d *diary, opts ...Option) {
			for ev, err := range Follow[string](t.Context(), host, opts...) {
				if err != nil {
					t.Error(err)
				}
				d.note(ev.Data)
			}
		}},
		{"Values", func(t *testing.T, d *diary, opts ...Option) {
			for v, err := range Values[string](t.Context(), host, opts...) {
				if err != nil {
					t.Error(err)
				}
				d.note(v)
			}
		}},
		{"Subscribe", func(t *testing.T, d *diary, opts ...Option) {
			next := func(ev sse.ServerSentEvent[string]) { d.note(ev.Data) }
			if err := Subscribe(t.Context(), host, next, nil, nil, opts...).Wait(); err != nil {
				t.Error(err)
			}
		}},
		{"Observe", func(t *testing.T, d *diary, opts ...Option) {
			for ev, err := range Observe[string](host, opts...).All(t.Context()) {
				if err != nil {
					t.Error(err)
				}
				d.note(ev.Data)
			}
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &diary{id: "0"}
			s := newScript(t, body)
			tt.run(t, d, HTTPClient(s.HTTP), Resume(d), each)
			if !slices.Equal(d.lines, want) {
				t.Errorf("%s: it went %q, want %q", tt.name, d.lines, want)
			}
			if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"0"}) {
				t.Errorf("%s: Last-Event-ID was %q, want the store's, 0", tt.name, got)
			}
		})
	}
}

// However the consumer leaves, the current event counts as not handled, and those before
// as handled.
func TestResumeRepeatsEventAtBreak(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(d *diary, opts ...Option)
	}{
		{"break", func(d *diary, opts ...Option) {
			for ev := range Follow[string](context.Background(), host, opts...) {
				if ev.Data == "b" {
					break
				}
			}
		}},
		{"panic", func(d *diary, opts ...Option) {
			defer func() { recover() }()
			for ev := range Follow[string](context.Background(), host, opts...) {
				if ev.Data == "b" {
					panic("no")
				}
			}
		}},
		{"Take", func(d *diary, opts ...Option) {
			for _, err := range Observe[string](host, opts...).Take(2).All(context.Background()) {
				if err != nil {
					d.note(err.Error())
				}
			}
		}},
		{"an event that does not decode", func(d *diary, opts ...Option) {
			for _, err := range Follow[int](context.Background(), host, append(opts, Codec(onlyA{}))...) {
				if err != nil && !strings.Contains(err.Error(), "client: decode: ") {
					d.note(err.Error())
				}
			}
		}},
		{"the context", func(d *diary, opts ...Option) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for ev, err := range Follow[string](ctx, host, opts...) {
				if err == nil && ev.Data == "a" {
					cancel()
				} else if err != context.Canceled {
					d.note(fmt.Sprint(ev.Data, err))
				}
			}
		}},
		{"Cancel", func(d *diary, opts ...Option) {
			var sub *Subscription
			ready := make(chan struct{})
			sub = Subscribe(context.Background(), host, func(ev sse.ServerSentEvent[string]) {
				<-ready
				if ev.Data != "a" {
					d.note("next after Cancel")
				}
				sub.Cancel()
			}, nil, nil, opts...)
			close(ready)
			if err := sub.Wait(); err != context.Canceled {
				d.note(fmt.Sprint(err))
			}
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &diary{}
			s := newScript(t, open("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n"))
			tt.leave(d, HTTPClient(s.HTTP), Resume(d), SaveEvery(0, time.Hour), LastEventID("0"))
			if want := []string{"save 1"}; !slices.Equal(d.lines, want) {
				t.Errorf("%s: it went %q, want %q", tt.name, d.lines, want)
			}
		})
	}
}

// What ends the stream comes again after the next start. What is skipped, or surfaces
// before the loop continues, has been handled.
func TestResumeRepeatsWhatEndedTheStream(t *testing.T) {
	const (
		gap     = "id: 9\nevent: stream.gap\ndata: {}\n\n"
		unknown = "id: 9\nevent: new\ndata: x\n\n"
		last    = "id: 9\ndata: [DONE]\n\n"
	)
	types := Types(Type[string](""))
	for _, tt := range []struct {
		name  string
		wire  string
		opts  []Option
		leave bool // leave the loop at the surfaced error
		want  string
	}{
		{"a gap that ends the stream", gap, []Option{Gaps(ReactionEnd)}, false, "1"},
		{"a gap at which the loop is left", gap, []Option{Gaps(ReactionSurface)}, true, "1"},
		{"a gap after which the loop continues", gap, []Option{Gaps(ReactionSurface)}, false, "9"},
		{"a gap that is skipped", gap, []Option{Gaps(ReactionSkip)}, false, "9"},
		{"an unknown event that ends the stream", unknown, []Option{types, UnknownEvents(ReactionEnd)}, false, "1"},
		{"an unknown event at which the loop is left", unknown, []Option{types, UnknownEvents(ReactionSurface)}, true, "1"},
		{"an unknown event that is skipped", unknown, []Option{types}, false, "9"},
		{"a sentinel", last, []Option{Sentinel("[DONE]")}, false, "1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &diary{}
			s := newScript(t, open("id: 1\ndata: 1\n\n"+tt.wire, time.Hour))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, err := range Follow[any](ctx, host, append(tt.opts, HTTPClient(s.HTTP), Resume(d), SaveEvery(0, time.Hour))...) {
				if err != nil && tt.leave {
					break
				}
			}
			if d.id != tt.want {
				t.Errorf("%s: the next start resumes at %q, want %q", tt.name, d.id, tt.want)
			}
		})
	}

	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		s := newScript(t, open("id: 1\ndata: a\n\n"+gap))
		ctx, cancel := context.WithCancel(t.Context())
		for ev, err := range Follow[string](ctx, host, HTTPClient(s.HTTP), Resume(d), Gaps(ReactionSurface), OnGap(func(sse.Gap) { cancel() })) {
			if ev.Data != "a" && err != context.Canceled {
				t.Errorf("event %+v, %v; want a and the cancellation", ev, err)
			}
		}
		if d.id != "1" {
			t.Errorf("OnGap has cancelled, so the loop did not see the gap: the next start resumes at %q, want 1", d.id)
		}
	})
}

// onlyA is a codec that decodes only "a".
type onlyA struct{ sse.Codec }

func (onlyA) DecodeData(data []byte, _ any) error {
	if string(data) != "a" {
		return errors.New("not a")
	}
	return nil
}

func TestResumeSavesSkippedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		s := newScript(t, open("id: 1\ndata: x\n\n", time.Second, "id: 2\ndata: "+strings.Repeat("9", 100)+"\n\n", time.Second, "event: stream.complete\ndata\n\n"))
		for ev, err := range Follow[int](t.Context(), host, HTTPClient(s.HTTP), Resume(d), each, MaxEvent(64), DecodeErrors(ReactionSkip)) {
			t.Errorf("event %+v, %v; want none", ev, err)
		}
		d.want(t, "save 1", "save 2")
	})
}

// Ids without events move the position, too. Each part arrives separately, so that the
// client waits in between.
func TestResumeSavesIDsWithoutEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{id: "old"}
		s := newScript(t,
			open("id: prime\n\n", time.Second,
				"id: 1\ndata: a\n\n", time.Second,
				"id: beat\n:\n\n", time.Second,
				"id: 7\nevent: stream.gap\ndata: {}\n\n", time.Second,
				"id\n\n", time.Second,
				"id: end\nevent: stream.complete\ndata\n\n"))
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Resume(d), each, OnGap(func(sse.Gap) { d.note("gap") })) {
			if err != nil {
				t.Fatal(err)
			}
			d.note(ev.Data)
		}
		d.want(t, "save prime", "a", "save 1", "save beat", "gap", "save 7", "save ", "save end")
	})
}

// If an id without an event arrives together with events, it is never saved before an
// earlier event has been handled.
func TestResumeSavesIDsWithoutEventInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		s := newScript(t, sends("id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: b\n\nid: 4\n\n"))
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Resume(d), each, NoReconnect()) {
			if err != nil {
				t.Fatal(err)
			}
			d.note(ev.Data)
		}
		d.want(t, "a", "save 1", "b", "save 3", "save 4")
	})
}

func TestResumeDoesNotSaveUnchangedPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{id: "7"}
		s := newScript(t, sends("id: 7\n\ndata: a\n\nid: 7\ndata: b\n\n"))
		if _, err := collect(t.Context(), s, Resume(d), each); err != nil {
			t.Error(err)
		}
		d.want(t)
	})
}

func TestResumeOverridesLastEventID(t *testing.T) {
	for _, tt := range []struct{ saved, option, want string }{
		{"7", "3", "7"},
		{"", "3", "3"},
		{"7", "", "7"},
		{"", "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, sends("data: x\n\n"))
			d := &diary{id: tt.saved}
			if _, err := collect(t.Context(), s, LastEventID(tt.option), Resume(d), NoReconnect()); err != nil {
				t.Error(err)
			}
			if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("saved %q, LastEventID(%q): Last-Event-ID was %q, want %q", tt.saved, tt.option, got, tt.want)
			}
			d.want(t) // the start is not saved: no event has been handled
		})
	}
}

func TestResumeEachRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), sends("id: 2\ndata: b\n\n"), sends("id: 3\ndata: c\n\n"))
		events := Follow[string](t.Context(), host, HTTPClient(s.HTTP), Resume(&diary{}), NoReconnect())
		for ev := range events {
			if ev.Data == "b" {
				break
			}
		}
		for range 2 {
			for range events {
			}
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "1", "2"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
	})
}

func TestSaveEvery(t *testing.T) {
	burst := func(from, to int) string {
		var b strings.Builder
		for n := from; n <= to; n++ {
			fmt.Fprintf(&b, "id: %d\ndata: x\n\n", n)
		}
		return b.String()
	}
	const done = "event: stream.complete\ndata\n\n"
	for _, tt := range []struct {
		name  string
		opts  []Option
		steps []step
		want  []string
	}{
		{"by default the first, then once a second, also without new events", nil,
			[]step{open(100*time.Millisecond, burst(1, 3), 100*time.Millisecond, burst(4, 5), 10*time.Second, burst(6, 6), 500*time.Millisecond, burst(7, 7), time.Minute, done)},
			[]string{"save 1 at 100ms", "save 5 at 1.1s", "save 6 at 10.2s", "save 7 at 11.2s"}},
		{"by default each event of a slow stream", nil,
			[]step{open(burst(1, 1), time.Second, burst(2, 2), time.Second, burst(3, 3), done)},
			[]string{"save 1 at 0s", "save 2 at 1s", "save 3 at 2s"}},
		{"after a number of events", []Option{SaveEvery(3, time.Minute)},
			[]step{open(burst(1, 9), 2*time.Minute, done)},
			[]string{"save 1 at 0s", "save 4 at 0s", "save 7 at 0s", "save 9 at 1m0s"}},
		{"before the client reconnects", nil,
			[]step{open(burst(1, 4), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), open(burst(5, 5), time.Minute, done)},
			[]string{"save 1 at 0s", "save 4 at 0s", "save 5 at 2s"}},
		{"when the server says goodbye", nil,
			[]step{sends(burst(1, 4) + "event: stream.bye\ndata: {\"retry\":5000}\n\n"), sends(done)},
			[]string{"save 1 at 0s", "save 4 at 0s"}},
		{"at the end", nil,
			[]step{sends(burst(1, 4) + done)},
			[]string{"save 1 at 0s", "save 4 at 0s"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &diary{start: time.Now()}
			if _, err := collect(t.Context(), newScript(t, tt.steps...), append(tt.opts, Resume(d))...); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if !slices.Equal(d.lines, tt.want) {
				t.Errorf("%s: it went %q, want %q", tt.name, d.lines, tt.want)
			}
		})
	}
}

// A slow Save delays the stream, and a second Save never runs at the same time.
func TestResumeWaitsForSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saving := false
		d := &diary{start: time.Now(), save: func(context.Context, string) error {
			if saving {
				t.Error("two Saves at a time")
			}
			saving = true
			time.Sleep(3 * time.Second)
			saving = false
			return nil
		}}
		s := newScript(t, open("id: 1\ndata: a\n\n", 5*time.Second, "id: 2\ndata: b\n\nid: 3\ndata: c\n\n", 5*time.Second, "id: 4\ndata: d\n\n", time.Minute, "event: stream.complete\ndata\n\n"))
		var at []time.Duration
		for range Follow[string](t.Context(), host, HTTPClient(s.HTTP), Resume(d)) {
			at = append(at, time.Since(d.start))
		}
		// b is saved from 5 s to 8 s, before c is yielded; c from 9 s to 12 s, while the
		// client waits for d, which comes at 10 s.
		if want := seconds(0, 5, 8, 12); !slices.Equal(at, want) {
			t.Errorf("events at %v, want %v", at, want)
		}
		d.want(t, "save 1 at 0s", "save 2 at 5s", "save 3 at 9s", "save 4 at 13s")
	})
}

// A Save that fails while the client waits ends the wait, and no other event is yielded,
// even if one has arrived in the meantime.
func TestResumeFailedSaveEndsRead(t *testing.T) {
	for _, next := range []time.Duration{1500 * time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			d := &diary{save: func(_ context.Context, id string) error {
				if id == "1" {
					return nil
				}
				time.Sleep(time.Second)
				return errFull
			}}
			s := newScript(t, open("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", next, "id: 3\ndata: c\n\n", time.Hour))
			data, err := collect(t.Context(), s, Resume(d))
			if !errors.Is(err, errFull) || !slices.Equal(data, []string{"a", "b"}) || time.Since(start) != 2*time.Second {
				t.Errorf("an event after %v: %q and %v after %v; want [a b] and disk full after 2s", next, data, err, time.Since(start))
			}
			d.want(t, "save 1", "save 2")
		})
	}
}

func TestResumeFailedLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		down := errors.New("database down")
		_, err := collect(t.Context(), s, Resume(&diary{load: func(context.Context) error { return down }}))
		if e, ok := errors.AsType[*PositionError](err); !ok || e.Op != "load" || !errors.Is(err, down) || err.Error() != "client: position: load: database down" {
			t.Errorf("error %v, want a *PositionError of load", err)
		}
		_, err = collect(t.Context(), s, Resume(&diary{id: "a\x01"}))
		if want := `client: resume: the last event id "a\x01" holds a control character, which no header can carry: use the option LastEventIDQuery`; errText(err) != want {
			t.Errorf("error %q, want %q", errText(err), want)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		_, err = collect(ctx, s, Resume(&diary{load: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}))
		if errText(err) != "enough" {
			t.Errorf("error %v, want the cause of the context", err)
		}
		if n := len(s.sofar()); n != 0 {
			t.Errorf("%d requests, want none", n)
		}
	})
}

func TestResumeFailedSave(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		opt   Option
		want  []string
	}{
		{"between two events", []step{open("id: 2\ndata: a\n\nid: 3\ndata: b\n\n")}, each, []string{"a"}},
		{"before a read", []step{open("id: 2\n\n")}, each, nil},
		{"during a read", []step{open("id: 1\ndata: a\n\n", time.Second, "id: 2\ndata: b\n\n", time.Minute, "data: c\n\n")}, SaveEvery(0, 2*time.Second), []string{"a", "b"}},
		{"at a gap", []step{open("id: 2\nevent: stream.gap\ndata: {}\n\ndata: a\n\n")}, each, nil},
		{"before the client reconnects", []step{sends("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), sends("data: c\n\n")}, seldom, []string{"a", "b"}},
		{"at the end", []step{sends("id: 1\ndata: a\n\nid: 2\ndata: b\n\nevent: stream.complete\ndata\n\n")}, seldom, []string{"a", "b"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, tt.steps...)
			d := &diary{save: fullAt2}
			disconnects := 0
			data, err := collect(t.Context(), s, Resume(d), tt.opt, OnDisconnect(func(error) { disconnects++ }))
			e, ok := errors.AsType[*PositionError](err)
			if !ok || e.Op != "save" || e.ID != "2" || !errors.Is(err, errFull) || err.Error() != `client: position: save "2": disk full` {
				t.Errorf("%s: error %v, want a *PositionError of save", tt.name, err)
			}
			if n := len(s.sofar()); !slices.Equal(data, tt.want) || n != 1 || disconnects != 1 {
				t.Errorf("%s: %q from %d requests, %d times disconnected; want %q, once each", tt.name, data, n, disconnects, tt.want)
			}
			if n := len(d.lines); d.lines[n-1] != "save 2" || n > 1 && d.lines[n-2] == "save 2" {
				t.Errorf("%s: it went %q, want one attempt to save 2", tt.name, d.lines)
			}
		})
	}
}

// seldom saves the first position at once, and no other while the stream runs.
var seldom = SaveEvery(0, time.Hour)

var errFull = errors.New("disk full")

func fullAt2(_ context.Context, id string) error {
	if id == "2" {
		return errFull
	}
	return nil
}

func TestResumeLastSaveContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var deadline time.Duration
		var value any
		d := &diary{save: func(ctx context.Context, _ string) error {
			value = ctx.Value(key{})
			if at, ok := ctx.Deadline(); ok {
				deadline = time.Until(at)
			}
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Second)
		defer cancel()
		s := newScript(t, open("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"))
		_, err := collect(ctx, s, Resume(d), seldom)
		if err != context.DeadlineExceeded || d.id != "2" || deadline != 5*time.Second || value != "v" {
			t.Errorf("error %v, saved %q with %v left and value %v; want the context's, 2, 5s and v", err, d.id, deadline, value)
		}
	})
}

// A Save that ctx has cancelled is made again when the stream is over.
func TestResumeRetriesCancelledSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := &diary{save: func(ctx context.Context, _ string) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * time.Second):
				return nil
			}
		}}
		s := newScript(t, open("id: 1\ndata: a\n\n"))
		if _, err := collect(ctx, s, Resume(d), each); err != context.DeadlineExceeded || d.id != "1" {
			t.Errorf("error %v, saved %q; want the context's, and 1", err, d.id)
		}
		d.want(t, "save 1", "save 1")
	})
}

// The error of the last Save is joined, or logged.
func TestResumeFailedLastSave(t *testing.T) {
	const failed = `client: position: save "2": disk full`
	for _, tt := range []struct {
		name string
		end  func(s *script, opts ...Option) error
		want string // in the error
		log  string
	}{
		{"it joins the error of the stream", func(s *script, opts ...Option) error {
			_, err := collect(context.Background(), s, append(opts, IdleLimit(10*time.Second), NoReconnect())...)
			return err
		}, "client: the server was silent for 10s\n" + failed, ""},
		{"it joins the context's cause", func(s *script, opts ...Option) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := collect(ctx, s, opts...)
			if !errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		}, "context deadline exceeded\n" + failed, ""},
		{"it joins what Wait says after Cancel", func(s *script, opts ...Option) error {
			sub := Subscribe(context.Background(), host, func(sse.ServerSentEvent[string]) {}, nil, nil, append(opts, HTTPClient(s.HTTP))...)
			time.Sleep(time.Second)
			sub.Cancel()
			return sub.Wait()
		}, "context canceled\n" + failed, ""},
		{"it is logged when the loop is left", func(s *script, opts ...Option) error {
			for ev := range Follow[string](context.Background(), host, append(opts, HTTPClient(s.HTTP))...) {
				if ev.Data == "c" {
					break
				}
			}
			return nil
		}, "", `level=ERROR msg="position of the event stream not saved" url=http://host.test error="client: position: save \"2\": disk full"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))
			s := newScript(t, open("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", time.Second/2, "data: c\n\n", time.Minute))
			err := tt.end(s, Resume(&diary{save: fullAt2}), seldom, Logger(logger))
			if errText(err) != tt.want || strings.TrimSpace(log.String()) != tt.log {
				t.Errorf("%s: error %q, log %q; want %q, %q", tt.name, errText(err), &log, tt.want, tt.log)
			}
		})
	}
}

func TestOnceAndExchangeIgnoreResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(200, "1"), answer(200, "1"))
		d := &diary{id: "7"}
		if _, err := Once[int](t.Context(), host, HTTPClient(s.HTTP), Resume(d)); err != nil {
			t.Error(err)
		}
		res, err := Exchange(t.Context(), host, HTTPClient(s.HTTP), Resume(d))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := s.header("Last-Event-ID"); !slices.Equal(got, []string{"", ""}) {
			t.Errorf("Last-Event-ID was %q, want none", got)
		}
		d.want(t)
	})
}

func TestResumeOptionErrors(t *testing.T) {
	for _, tt := range []struct {
		opt  Option
		want string
	}{
		{Resume(nil), "client: option Resume: <nil> is not a valid value"},
		{SaveEvery(-1, time.Second), "client: option SaveEvery: -1 events, 1s: the number must be 0 or more, the time more than 0"},
		{SaveEvery(1, 0), "client: option SaveEvery: 1 events, 0s: the number must be 0 or more, the time more than 0"},
	} {
		for _, err := range Follow[string](t.Context(), host, tt.opt) {
			if errText(err) != tt.want {
				t.Errorf("error %q, want %q", errText(err), tt.want)
			}
		}
	}
}

func TestPositionErrorIsWrappedOnce(t *testing.T) {
	inner := &PositionError{"save", "1", errors.New("x")}
	if got := positionError("load", "", fmt.Errorf("wrapped: %w", inner)); !reflect.DeepEqual(got, inner) {
		t.Errorf("positionError = %v, want %v", got, inner)
	}
}
