//go:build unix

package page

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/web"
)

// soon is how long a test waits for what the page should do at once.
const soon = 30 * time.Second

// A fake is a service whose streams the test writes itself. The page is under a
// prefix, as behind a proxy.
type fake struct {
	*httptest.Server
	t       *testing.T
	streams chan *stream
	pings   chan string                      // bodies
	answer  atomic.Pointer[http.HandlerFunc] // to a ping
}

// prefix is the path of the page.
const prefix = "/some/where/"

func newFake(t *testing.T) *fake {
	f := &fake{t: t, streams: make(chan *stream, 16), pings: make(chan string, 16)}
	f.answerWith(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "sent ping!") })
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	t.Cleanup(f.CloseClientConnections)
	return f
}

func (f *fake) page() string { return f.URL + prefix }

// answerWith sets the answer to later pings.
func (f *fake) answerWith(answer http.HandlerFunc) { f.answer.Store(&answer) }

// ping waits for a ping and returns its media type and body.
func (f *fake) ping() string {
	f.t.Helper()
	select {
	case s := <-f.pings:
		return s
	case <-time.After(soon):
		f.t.Fatal("no ping came")
		return ""
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch {
	case !ok:
		http.NotFound(w, r)
	case path == "ping" && r.Method == http.MethodPost:
		b, _ := io.ReadAll(r.Body)
		f.pings <- r.Header.Get("Content-Type") + " " + string(b)
		(*f.answer.Load())(w, r)
	case path == "stream-sse" || path == "stream-flux" || path == "stream-sse-mvc" || path == "events":
		s := &stream{t: f.t, path: path, query: r.URL.Query().Get("lastEventId"), header: r.Header.Get("Last-Event-ID"), do: make(chan func(http.ResponseWriter) bool), gone: make(chan struct{})}
		f.streams <- s
		defer close(s.gone)
		for {
			select {
			case <-r.Context().Done():
				return
			case do := <-s.do:
				if !do(w) {
					return
				}
			}
		}
	default:
		http.StripPrefix(strings.TrimSuffix(prefix, "/"), web.Handler()).ServeHTTP(w, r)
	}
}

// next waits for the page to ask for a stream.
func (f *fake) next() *stream {
	f.t.Helper()
	select {
	case s := <-f.streams:
		return s
	case <-time.After(soon):
		f.t.Fatal("the page does not ask for a stream")
		return nil
	}
}

// noRequest fails the test if the page has asked for another stream.
func (f *fake) noRequest() {
	f.t.Helper()
	select {
	case s := <-f.streams:
		f.t.Fatalf("the page asked for %s, want nothing", s.path)
	default:
	}
}

// A stream is one request for a stream.
type stream struct {
	t                   *testing.T
	path, query, header string // of the request; query and header may have the last event id
	do                  chan func(http.ResponseWriter) bool
	gone                chan struct{} // closed when the request has ended
}

func (s *stream) run(do func(http.ResponseWriter) bool) {
	s.t.Helper()
	select {
	case s.do <- do:
	case <-s.gone:
		s.t.Fatalf("%s: the page has closed the stream", s.path)
	}
}

// send opens the stream if it is not open, and sends text.
func (s *stream) send(text string) *stream {
	s.t.Helper()
	s.run(func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		return true
	})
	return s
}

// refuse answers with a status instead of a stream.
func (s *stream) refuse(status int) {
	s.t.Helper()
	s.run(func(w http.ResponseWriter) bool { w.WriteHeader(status); return false })
}

// end ends the stream.
func (s *stream) end() {
	s.t.Helper()
	s.run(func(http.ResponseWriter) bool { return false })
}

// closed waits until the page has closed the stream.
func (s *stream) closed() {
	s.t.Helper()
	select {
	case <-s.gone:
	case <-time.After(soon):
		s.t.Fatalf("%s: the page does not close the stream", s.path)
	}
}

// listenAgain listens at an address that was in use until now.
func listenAgain(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
