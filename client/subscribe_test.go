package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A record lists the calls of the three functions of a subscription.
type record []string

func (r *record) next(ev sse.ServerSentEvent[int]) { *r = append(*r, fmt.Sprint("next ", ev.Data)) }
func (r *record) onError(err error)                { *r = append(*r, "error "+err.Error()) }
func (r *record) complete()                        { *r = append(*r, "complete") }

func TestSubscribe(t *testing.T) {
	for _, tt := range []struct {
		name string
		step step
		opts []Option
		want record
		wait string
	}{
		{"a stream that is complete", sends("data: 1\n\ndata: 2\n\nevent: stream.complete\ndata\n\n"), nil,
			record{"next 1", "next 2", "complete"}, ""},
		{"a stream that fails", sends("data: 1\n\nevent: stream.error\ndata: dry\n\n"), nil,
			record{"next 1", "error client: the server ended the stream: dry"}, "client: the server ended the stream: dry"},
		{"a status", answer(404, ""), nil,
			record{"error client: the server answered 404 Not Found"}, "client: the server answered 404 Not Found"},
		{"errors that surface", sends("data: 1\n\nid: 2\ndata: x\n\ndata: 3\n\n"), []Option{DecodeErrors(ReactionSurface), NoReconnect()},
			record{"next 1", `error client: decode: event (id "2", name ""): sse: data: invalid character 'x' looking for beginning of value: x`, "next 3", "complete"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, tt.step)
			var got record
			sub := Subscribe(t.Context(), host, got.next, got.onError, got.complete, append(tt.opts, HTTPClient(s.HTTP))...)
			err := sub.Wait()
			if !slices.Equal(got, tt.want) || errText(err) != tt.wait {
				t.Errorf("%s: %q and %q, want %q and %q", tt.name, got, errText(err), tt.want, tt.wait)
			}
			<-sub.Done()
			sub.Cancel() // too late: no effect
			if again := sub.Wait(); again != err {
				t.Errorf("%s: Wait says %v and then %v", tt.name, err, again)
			}
		})
	}
}

func TestSubscriptionCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, left := gone("data: 1\n\n")
		s := newScript(t, st)
		var got record
		start := time.Now()
		sub := Subscribe(t.Context(), host, got.next, got.onError, got.complete, HTTPClient(s.HTTP))
		time.Sleep(time.Second)
		sub.Cancel()
		if err := sub.Wait(); err != context.Canceled || !slices.Equal(got, record{"next 1"}) {
			t.Errorf("%q and %v, want [next 1] and context.Canceled", got, err)
		}
		if at := (<-left).Sub(start); at != time.Second {
			t.Errorf("the server saw the client leave after %v, want 1s", at)
		}
	})
}

func TestSubscriptionCancelInNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, body := range []string{"data: 1\n\ndata: 2\n\n", "data: 1\n\nevent: stream.complete\ndata\n\n", "data: 1\n\ndata: x\n\n"} {
			s := newScript(t, sends(body))
			var got record
			var sub *Subscription
			ready := make(chan struct{})
			sub = Subscribe(t.Context(), host, func(ev sse.ServerSentEvent[int]) {
				got.next(ev)
				<-ready
				sub.Cancel()
			}, got.onError, got.complete, HTTPClient(s.HTTP))
			close(ready)
			if err := sub.Wait(); err != context.Canceled || !slices.Equal(got, record{"next 1"}) {
				t.Errorf("%q and %v, want [next 1] and context.Canceled", got, err)
			}
		}
	})
}

func TestSubscribeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: 1\n\n"), open("data: 1\n\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		var got, cancelled record
		sub := Subscribe(ctx, host, got.next, got.onError, got.complete, HTTPClient(s.HTTP))
		synctest.Wait()
		late := Subscribe(ctx, host, func(ev sse.ServerSentEvent[int]) {
			cancelled.next(ev)
			time.Sleep(time.Second) // meanwhile the context ends, and then Cancel is called
		}, cancelled.onError, cancelled.complete, HTTPClient(s.HTTP))
		synctest.Wait()
		cancel(errChanged)
		late.Cancel()
		if err := sub.Wait(); err != errChanged || !slices.Equal(got, record{"next 1", "error " + errChanged.Error()}) {
			t.Errorf("%q and %v, want the cause in both", got, err)
		}
		if err := late.Wait(); err != context.Canceled || !slices.Equal(cancelled, record{"next 1"}) {
			t.Errorf("%q and %v: nothing is called after Cancel", cancelled, err)
		}
	})
}

func TestSubscribeNilFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: 1\n\nevent: stream.complete\ndata\n\n"), answer(404, ""))
		var got record
		if err := Subscribe(t.Context(), host, got.next, nil, nil, HTTPClient(s.HTTP)).Wait(); err != nil || !slices.Equal(got, record{"next 1"}) {
			t.Errorf("%q, %v", got, err)
		}
		if err := Subscribe(t.Context(), host, got.next, nil, nil, HTTPClient(s.HTTP)).Wait(); err == nil {
			t.Error("Wait does not return the error that was given to no function")
		}
		got = nil
		err := Subscribe[int](t.Context(), host, nil, got.onError, got.complete, HTTPClient(s.HTTP)).Wait()
		if want := "client: Subscribe: next is nil"; errText(err) != want || !slices.Equal(got, record{"error " + want}) {
			t.Errorf("a nil next: %q, %v", got, err)
		}
	})
}

func TestObserveIsCold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\ndata: 1\n\n"), open("data: 2\n\ndata: 3\n\n"), open("data: 4\n\ndata: 5\n\n"))
		values := streams.Map(Observe[int](host, HTTPClient(s.HTTP), Retry(exact)), func(ev sse.ServerSentEvent[int]) int { return ev.Data })
		time.Sleep(time.Hour)
		if n := len(s.sofar()); n != 0 {
			t.Fatalf("%d requests before anybody runs it", n)
		}
		for _, want := range [][]int{{1, 2}, {4, 5}} {
			var got []int
			err := values.Take(2).Run(t.Context(), func(n int) bool { got = append(got, n); return true })
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("a run gives %v, %v; want %v", got, err, want)
			}
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "1", ""}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q: a run reconnects, the next starts afresh", got, want)
		}
	})
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("data: 1\n\nevent: stream.complete\ndata\n\n"), sends("data: x\n\n"), sends("data: x\n\ndata: 2\n\n"), open("data: 1\n\n"))
		run := func(ctx context.Context, opts ...Option) (got []int, err error) {
			err = Observe[int](host, append(opts, HTTPClient(s.HTTP))...).Run(ctx, func(ev sse.ServerSentEvent[int]) bool {
				got = append(got, ev.Data)
				return true
			})
			return got, err
		}
		if got, err := run(t.Context()); err != nil || !slices.Equal(got, []int{1}) {
			t.Errorf("a complete stream: %v, %v", got, err)
		}
		if _, err := run(t.Context()); !isDecodeError(err) {
			t.Errorf("an event that does not decode: %v", err)
		}
		if got, err := run(t.Context(), DecodeErrors(ReactionSurface), NoReconnect()); err != nil || !slices.Equal(got, []int{2}) {
			t.Errorf("events that cannot surface: %v, %v; want [2], nil", got, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errChanged) })
		if _, err := run(ctx); err != errChanged {
			t.Errorf("a cancelled run: %v, want the cause", err)
		}
	})
}

func isDecodeError(err error) bool {
	_, ok := errors.AsType[*DecodeError](err)
	return ok
}
