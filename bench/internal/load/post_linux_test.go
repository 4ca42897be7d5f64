package load

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// publisher answers each request with answer, and counts the requests and their
// connections.
func publisher(t *testing.T, answer http.HandlerFunc) (addr string, came, conns *atomic.Int32) {
	came, conns = new(atomic.Int32), new(atomic.Int32)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.String() != "/publish?n=1" {
			t.Errorf("%s %s, want POST /publish?n=1", r.Method, r.URL)
		}
		came.Add(1)
		answer(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), came, conns
}

// until runs l until done.
func until(t *testing.T, l *Load, done func() bool) {
	t.Helper()
	if ok, err := l.run(patience, func() (bool, error) { return done(), nil }); !ok || err != nil {
		t.Fatalf("run() = %v, %v", ok, err)
	}
}

func TestPost_reusesConnections(t *testing.T) {
	addr, came, conns := publisher(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}\n")) })
	l := dial(t, addr)
	publish, err := l.Post(addr, "/publish?n=1", 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 20} { // more than there are connections: the rest waits for answers
		if err := publish(n); err != nil {
			t.Fatal(err)
		}
	}
	until(t, l, func() bool { return came.Load() == 21 && len(l.posts[0].idle) == 3 })
	if err := l.For(10 * time.Millisecond); err != nil || came.Load() != 21 || conns.Load() != 3 {
		t.Errorf("%d requests over %d connections, %v, want 21 over 3", came.Load(), conns.Load(), err)
	}
}

func TestPost_doesNotWait(t *testing.T) {
	var under atomic.Int32
	all := make(chan struct{})
	addr, _, _ := publisher(t, func(http.ResponseWriter, *http.Request) {
		if under.Add(1) == 4 {
			close(all)
		}
		<-all
	})
	l := dial(t, addr)
	publish, err := l.Post(addr, "/publish?n=1", 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(4); err != nil { // it returns, though nothing is answered
		t.Fatal(err)
	}
	until(t, l, func() bool { return len(l.posts[0].idle) == 4 })
}

func TestPost_failure(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"another status": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"no length":      func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() },
		"no answer":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			addr, _, _ := publisher(t, answer)
			l := dial(t, addr)
			publish, err := l.Post(addr, "/publish?n=1", 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := publish(1); err != nil {
				t.Fatal(err)
			}
			if err := l.For(patience); err == nil || !strings.HasPrefix(err.Error(), "load: post: ") {
				t.Errorf("For() = %v, want what is wrong with the answer", err)
			}
		})
	}
}

func TestAnswered(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nDate: x\r\n\r\n{\"last\":12}"
	for n := range len(whole) {
		if is, err := answered([]byte(whole[:n])); is || err != nil {
			t.Errorf("answered(%q) = %v, %v", whole[:n], is, err)
		}
	}
	if is, err := answered([]byte(whole)); !is || err != nil {
		t.Errorf("answered(all of it) = %v, %v", is, err)
	}
	if is, err := answered([]byte(whole + "H")); is || err == nil {
		t.Errorf("answered(more) = %v, %v", is, err)
	}
}
