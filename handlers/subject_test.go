package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type news = streams.Subject[sse.ServerSentEvent[string]]

func newNews(window int) *news {
	return streams.NewSubject[sse.ServerSentEvent[string]](streams.SubjectConfig{Window: window})
}

func TestSubject(t *testing.T) {
	var subject *news
	mount := func(s *Server) http.Handler { subject = newNews(0); return Subject(s, subject, Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		a, b := h.get("/"), h.get("/", "Accept", "application/x-ndjson")
		a.preamble("s")
		subject.Next(sse.ServerSentEvent[string]{ID: "1", Event: "pong", Data: "pong!"})
		a.expect("id: 1", "event: pong", "data: pong!", "")
		b.expect(`{"id":"1","event":"pong","data":"pong!"}`)

		a.leave()
		subject.Next(text("again"))
		b.expect(`{"data":"again"}`)
		subject.Complete()
		b.expect(`{"id":"end","event":"stream.complete","data":{}}`)
		h.ended("s", map[Reason]uint64{ReasonLeft: 1, ReasonComplete: 1})
	})
}

func TestSubject_fails(t *testing.T) {
	var subject *news
	mount := func(s *Server) http.Handler { subject = newNews(0); return Subject(s, subject, Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/")
		a.preamble("s")
		subject.Error(&Problem{Status: 502, Detail: "source lost"})
		a.expect("event: stream.error", `data: {"title":"Bad Gateway","status":502,"detail":"source lost"}`, "")
		a.rest()
		h.get("/").problem(502, "source lost")
	})
}

// A slow client is told how many events it missed, once, and no other client
// notices.
func TestSubject_slowClient(t *testing.T) {
	const published, window = 10_000, 16
	var subject *news
	mount := func(s *Server) http.Handler { subject = newNews(window); return Subject(s, subject, Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		slow, quick := h.get("/", "Accept", "application/x-ndjson"), h.get("/", "Accept", "application/x-ndjson")
		start := time.Now()
		for n := range published {
			subject.Next(text(fmt.Sprint(n)))
			quick.expect(fmt.Sprintf(`{"data":"%d"}`, n))
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("publishing and reading took %v of virtual time: somebody waited for the slow client", got)
		}
		subject.Complete()
		quick.expect(`{"id":"end","event":"stream.complete","data":{}}`)

		next, missed, gaps := 0, 0, 0
		for {
			line := slow.line()
			var n int
			if _, err := fmt.Sscanf(line, `{"data":"%d"}`, &n); err == nil {
				if n != next {
					t.Fatalf("event %d, want %d", n, next)
				}
				next++
				continue
			}
			if _, err := fmt.Sscanf(line, `{"event":"stream.gap","data":{"reason":"slow","from":"","to":"","missed":%d}}`, &n); err == nil {
				next += n
				missed += n
				gaps++
				continue
			}
			if want := `{"id":"end","event":"stream.complete","data":{}}`; line != want {
				t.Fatalf("line %q", line)
			}
			break
		}
		if next != published || gaps == 0 {
			t.Errorf("accounted for %d of %d events in %d gaps, want all, and a gap", next, published, gaps)
		}
		if got := h.srv.Stats().Routes["s"].Missed; got != uint64(missed) || missed == 0 {
			t.Errorf("%d missed events counted, %d told", got, missed)
		}
	})
}

func TestSubject_resume(t *testing.T) {
	var subject *news
	mount := func(s *Server) http.Handler { subject = newNews(0); return Subject(s, subject, Name("s")) }
	virtual(t, Config{}, mount, func(h *harness) {
		a := h.get("/", "Last-Event-ID", "41")
		a.preamble("s")
		a.expect("event: stream.gap", `data: {"reason":"retention","from":"","to":"","missed":null}`, "")
		subject.Error(errors.New("end"))
		a.rest()
	})
}
