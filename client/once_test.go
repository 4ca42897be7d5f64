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

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			answer(200, `{"n":7,"tags":["a"]}`, "Content-Type", "application/json"),
			answer(201, `"text"`),
			answer(200, "bytes"),
			answer(204, ""), answer(205, ""), answer(200, ""))
		v, err := Once[tick](t.Context(), host+"/ticks?n=7", HTTPClient(s.HTTP), Method("PUT"), JSONBody("x"))
		if err != nil || v.N != 7 || !slices.Equal(v.Tags, []string{"a"}) {
			t.Errorf("Once = %+v, %v", v, err)
		}
		r := s.requests[0]
		if r.Method != "PUT" || r.URL.RequestURI() != "/ticks?n=7" || r.Header.Get("Accept") != "application/json, */*;q=0.5" || s.bodies[0] != `"x"` {
			t.Errorf("request %s %s, Accept %q, body %q", r.Method, r.URL, r.Header.Get("Accept"), s.bodies[0])
		}
		if v, err := Once[string](t.Context(), host, HTTPClient(s.HTTP)); v != `"text"` || err != nil {
			t.Errorf("Once[string] = %q, %v", v, err)
		}
		if v, err := Once[[]byte](t.Context(), host, HTTPClient(s.HTTP)); string(v) != "bytes" || err != nil {
			t.Errorf("Once[[]byte] = %q, %v", v, err)
		}
		for range 2 {
			if v, err := Once[tick](t.Context(), host, HTTPClient(s.HTTP)); v.N != 0 || err != nil {
				t.Errorf("no content: %+v, %v; want a zero value", v, err)
			}
		}
		if _, err := Once[tick](t.Context(), host, HTTPClient(s.HTTP), Method("HEAD")); err != nil {
			t.Errorf("HEAD: %v", err)
		}
	})
}

func TestOnceErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(200, `{"n":"seven"}`), answer(200, "<html>"), answer(200, ""),
			answer(200, "12345678"), answer(200, "123456789"),
			sends("data: x\n\n"), nil,
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "100")
				io.WriteString(w, "half")
			})
		once := func() (tick, error) { return Once[tick](t.Context(), host, HTTPClient(s.HTTP)) }
		for _, body := range []string{`{"n":"seven"}`, "<html>", ""} {
			v, err := once()
			e, ok := errors.AsType[*DecodeError](err)
			if !ok || string(e.Data) != body || e.Err == nil || v.N != 0 || !strings.HasPrefix(err.Error(), "client: decode: the answer: ") {
				t.Errorf("answer %q: %+v, %v; want a *DecodeError", body, v, err)
			}
		}
		if v, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), MaxBody(8)); v != "12345678" || err != nil {
			t.Errorf("a body as large as the limit: %q, %v", v, err)
		}
		_, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), MaxBody(8))
		if e, ok := errors.AsType[*BodyTooLargeError](err); !ok || e.Limit != 8 || err.Error() != "client: body: the answer is larger than 8 bytes: raise the limit with the option MaxBody" {
			t.Errorf("a larger body: %v, want a *BodyTooLargeError", err)
		}
		if _, err := once(); !strings.Contains(errText(err), "use Follow or Values") {
			t.Errorf("an event stream: %v", err)
		}
		if _, err := once(); !errors.Is(err, errRefused) || len(s.sofar()) != 7 {
			t.Errorf("a refused connection: %v after %d requests, want no retry", err, len(s.sofar()))
		}
		if _, err := once(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("half a body: %v", err)
		}
	})
}

func TestOnceCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(w http.ResponseWriter, r *http.Request) { play(w, r, "begun"); <-r.Context().Done() })
		for range 2 {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errChanged) })
			start := time.Now()
			if _, err := Once[string](ctx, host, HTTPClient(s.HTTP)); err != errChanged || time.Since(start) != time.Second {
				t.Errorf("Once ended after %v with %v, want the cause after 1s", time.Since(start), err)
			}
		}
	})
}

func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(418, "short", "X-A", "b"), answer(200, ""))
		res, err := Exchange(t.Context(), host, HTTPClient(s.HTTP), Method("BREW"), LastEventID("7"),
			OnStatus(func(*http.Response) error { t.Error("OnStatus was called"); return nil }))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if res.StatusCode != 418 || res.Header.Get("X-A") != "b" || string(body) != "short" || err != nil {
			t.Errorf("answer %s, %v, %q, %v", res.Status, res.Header, body, err)
		}
		if r := s.requests[0]; r.Method != "BREW" || r.Header.Get("Last-Event-ID") != "7" || r.Header.Get("Accept") != "" {
			t.Errorf("request %s with %v", r.Method, r.Header)
		}
		// Exchange accepts a client with a timeout, because answers end.
		timed := *s.HTTP
		timed.Timeout = time.Second
		if res, err := Exchange(t.Context(), host, HTTPClient(&timed)); err != nil {
			t.Error(err)
		} else {
			res.Body.Close()
		}
	})
}
