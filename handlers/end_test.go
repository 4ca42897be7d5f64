package handlers

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/streams"
)

// byUser admits everybody, as the user that a header names.
func byUser(r *http.Request, _ Access) (Grant, error) {
	return Grant{Subject: r.Header.Get("User")}, nil
}

func TestServerEnd(t *testing.T) {
	topical(t, Config{Authorize: byUser, Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		ann, ann2, bob := h.peer("/", "User", "ann"), h.peer("/", "User", "ann"), h.peer("/", "User", "bob")
		lines := h.get("/", "User", "ann", "Accept", "application/x-ndjson")
		after(ann.start, time.Minute)
		if n := h.srv.End("carl"); n != 0 {
			h.t.Errorf("End of a subject without streams = %d, want 0", n)
		}
		if n := h.srv.End("ann"); n != 3 {
			h.t.Errorf("End = %d, want 3", n)
		}
		add(h.t, topic, "x")
		for _, p := range []*peer{ann, ann2} {
			if got := p.took(); len(got) != 1 || got[0].at != time.Minute || !strings.Contains(got[0].text, `"reason":"grant"`) {
				h.t.Errorf("got %q, want stream.bye with reason grant at once", got)
			}
			if ended, err := p.over(); !ended {
				h.t.Errorf("the connection is still open: %v", err)
			}
		}
		if got := lines.line(); !strings.Contains(got, `"event":"stream.bye","data":{"reason":"grant"`) {
			h.t.Errorf("line %s, want stream.bye with reason grant", got)
		}
		bob.wants("another subject", "x@1m0s")
		bob.leave()
		h.ended("s", map[Reason]uint64{ReasonGrant: 3, ReasonLeft: 1})
		if n := h.srv.End("ann"); n != 0 {
			h.t.Errorf("End once they have ended = %d, want 0", n)
		}
	})
}

// Streams of a subject end in any order, and End finds those that are left.
func TestServerEnd_afterOthersLeft(t *testing.T) {
	topical(t, Config{Authorize: byUser}, hub.Config{}, func(h *harness, _ *hub.Topic[string]) {
		var peers []*peer
		for range 5 {
			peers = append(peers, h.peer("/", "User", "ann"))
		}
		for _, i := range []int{0, 4, 2} {
			peers[i].leave()
		}
		peers[0] = h.peer("/", "User", "ann")
		if n := h.srv.End("ann"); n != 3 {
			h.t.Errorf("End = %d, want 3", n)
		}
		for _, i := range []int{0, 1, 3} {
			peers[i].wants("the end", "stream.bye@0s")
		}
		h.ended("s", map[Reason]uint64{ReasonGrant: 3, ReasonLeft: 3})
	})
}

// A stalled client is given up one write timeout after its last progress, with or without
// End.
func TestServerEnd_stalledClient(t *testing.T) {
	topical(t, Config{Authorize: byUser, Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/", "User", "ann")
		after(a.start, 500*time.Millisecond) // it has the opening words
		a.stop()
		after(a.start, time.Second)
		add(h.t, topic, strings.Repeat("x", 1<<19))
		after(a.start, 6*time.Second)
		if n := h.srv.End("ann"); n != 1 {
			h.t.Errorf("End = %d, want 1", n)
		}
		after(a.start, 11*time.Second-1)
		h.ended("s", nil)
		after(a.start, 11*time.Second)
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
		a.leave()
	})
}

// End reaches a stream between two drivers.
func TestServerEnd_duringHandOver(t *testing.T) {
	quickly(t, Config{Authorize: byUser}, hub.Config{}, func(h *harness, _ *hub.Topic[string]) {
		between(h, func(net.Conn) {
			if n := h.srv.End("ann"); n != 1 {
				h.t.Errorf("End = %d, want 1", n)
			}
		})
		h.peer("/", "User", "ann").wants("the end", "stream.bye@0s")
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
	})
}

// A stream that End ends before its first event is answered with stream.bye.
func TestServerEnd_duringGrace(t *testing.T) {
	mount := func(s *Server) http.Handler { return Values(s, streams.Never[int](), Name("s")) }
	virtual(t, Config{Authorize: byUser, Grace: time.Second}, mount, func(h *harness) {
		a := h.peer("/", "User", "ann")
		after(a.start, 500*time.Millisecond)
		h.srv.End("ann")
		a.wants("the end", "stream.bye@500ms")
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
	})
}

// A request that is being authorized while its subject is ended gets no stream.
func TestServerEnd_duringAuthorize(t *testing.T) {
	cfg := Config{Authorize: func(r *http.Request, a Access) (Grant, error) {
		time.Sleep(time.Second)
		return byUser(r, a)
	}}
	mount := func(s *Server) http.Handler { return Values(s, streams.Never[int](), Name("s")) }
	virtual(t, cfg, mount, func(h *harness) {
		ann, bob := h.peer("/", "User", "ann"), h.peer("/", "User", "bob")
		if n := h.srv.End("ann"); n != 0 {
			t.Errorf("End = %d, want 0: no stream is open yet", n)
		}
		after(ann.start, time.Second)
		if got := ann.took(); len(got) != 1 || !strings.Contains(got[0].text, `"reason":"grant"`) {
			t.Errorf("got %q, want stream.bye with reason grant", got)
		}
		if open := h.srv.Stats().Open; open != 1 {
			t.Errorf("%d streams are open, want 1: the other subject's", open)
		}
		bob.leave()
		if n := len(h.srv.openings); n != 0 {
			t.Errorf("%d requests are remembered", n)
		}
	})
}

// A request for another form than an event stream is answered with a status.
func TestServerEnd_duringAuthorizeOfAnArray(t *testing.T) {
	var srv *Server
	cfg := Config{Authorize: func(r *http.Request, a Access) (Grant, error) {
		srv.End("ann")
		return byUser(r, a)
	}}
	mount := func(s *Server) http.Handler { srv = s; return Values(s, streams.Of(1), Finite()) }
	virtual(t, cfg, mount, func(h *harness) {
		h.get("/", "User", "ann", "Accept", "application/json").problem(http.StatusUnauthorized, "the grant was withdrawn")
	})
}

// A client that reads slowly gets one write timeout for the rest of an event and
// stream.bye.
func TestServerEnd_slowClient(t *testing.T) {
	topical(t, Config{Authorize: byUser, Heartbeat: Off}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		a := h.peer("/", "User", "ann")
		after(a.start, 500*time.Millisecond) // it has the opening words
		a.stop()
		add(h.t, topic, strings.Repeat("x", 1<<19))
		a.conn.SetReadDeadline(time.Time{})
		second := 1
		for ; h.srv.Stats().Open > 0 && second < 60; second++ {
			after(a.start, time.Duration(second)*time.Second)
			if second == 6 {
				h.srv.End("ann")
			}
			io.ReadFull(a.conn, make([]byte, 16<<10))
			synctest.Wait()
		}
		if second != 17 {
			h.t.Errorf("the stream ended in second %d, want 16: ten after End", second-1)
		}
		h.ended("s", map[Reason]uint64{ReasonGrant: 1})
		a.leave()
	})
}
