package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gone reports, by the clock of the bubble, when the server sees the client leave.
func gone(parts ...any) (step, <-chan time.Time) {
	left := make(chan time.Time, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		open(parts...)(w, r)
		left <- time.Now()
	}, left
}

func TestFollowBreakClosesConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, left := gone("data: a\n\n", time.Second, "data: b\n\ndata: c\n\n")
		s := newScript(t, st)
		start := time.Now()
		for ev, err := range Follow[string](t.Context(), host, HTTPClient(s.HTTP)) {
			if err != nil {
				t.Fatal(err)
			}
			if ev.Data == "b" {
				break
			}
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the loop was over after %v, want 1s", took)
		}
		if at := (<-left).Sub(start); at != time.Second {
			t.Errorf("the server saw the client leave after %v, want 1s", at)
		}
	})
}

// With any transport, the request is cancelled first and then its body closed, so that
// Close does not wait.
func TestFollowClosesEveryBody(t *testing.T) {
	for _, typ := range []string{"text/event-stream", "text/plain"} {
		body := &tracked{Reader: strings.NewReader("data: x\n\n")}
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body.ctx = r.Context()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {typ}}, Body: body}, nil
		})}
		for range Follow[string](t.Context(), host, HTTPClient(client)) {
			break
		}
		if !body.closed || !body.cancelled {
			t.Errorf("%s: closed %v, with the request cancelled before %v; want both", typ, body.closed, body.cancelled)
		}
	}
}

type tracked struct {
	io.Reader
	ctx               context.Context
	closed, cancelled bool
}

func (b *tracked) Close() error {
	b.closed, b.cancelled = true, b.ctx.Err() != nil
	return nil
}

var errChanged = errors.New("changed my mind")

func TestFollowReturnsAtOnceWhenCancelled(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"while the stream is silent", []step{open("data: x\n\n")}},
		{"while waiting for the first answer", []step{hang}},
		{"while waiting for a later answer", []step{sends("data: x\n\n"), hang}},
		{"while waiting to reconnect", []step{sends("retry: 3600000\ndata: x\n\n")}},
		{"between heartbeats", []step{open("data: x\n\n", time.Second, ":\n\n", time.Second, ":\n\n", 9*time.Second, ":\n\n")}},
		{"while reading the body of an error", []step{sends("data: x\n\n"), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(6 * time.Second)
			answer(http.StatusForbidden, "")(w, r)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, tt.steps...)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(10*time.Second, func() { cancel(errChanged) })
				start := time.Now()
				_, err := collect(ctx, s)
				if took := time.Since(start); err != errChanged || took != 10*time.Second {
					t.Errorf("the loop ended after %v with %v, want 10s and the cause", took, err)
				}
			})
		})
	}
}

func TestFollowYieldsNothingAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: a\n\ndata: b\n\ndata: c\n\n")) // all in the buffer at once
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var got []string
		for ev, err := range Follow[string](ctx, host, HTTPClient(s.HTTP)) {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, ev.Data)
			cancel(errChanged)
		}
		if want := []string{"a", errChanged.Error()}; !slices.Equal(got, want) {
			t.Errorf("the loop saw %q, want %q", got, want)
		}
	})
}

func TestCancelledContextSendsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errChanged)
		if _, err := collect(ctx, s); err != errChanged {
			t.Errorf("Follow: %v, want the cause", err)
		}
		if _, err := Once[string](ctx, host, HTTPClient(s.HTTP)); err != errChanged {
			t.Errorf("Once: %v, want the cause", err)
		}
		if _, err := Exchange(ctx, host, HTTPClient(s.HTTP)); err != errChanged {
			t.Errorf("Exchange: %v, want the cause", err)
		}
		if n := len(s.sofar()); n != 0 {
			t.Errorf("%d requests were made", n)
		}
	})
}

func TestFollowDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, open("data: x\n\n"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := collect(ctx, s); err != context.DeadlineExceeded {
			t.Errorf("the loop ended with %v, want the deadline", err)
		}
	})
}
