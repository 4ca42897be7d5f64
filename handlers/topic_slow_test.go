package handlers

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// If one client in a hundred never reads, all others get each event when it is
// published, publishing takes no time, and the process keeps no more than the topic's
// bounds.
func TestTopic_oneStalledClient(t *testing.T) {
	const clients, events, size, kept = 1000, 12, 10_000, 64 << 10
	topical(t, Config{Grace: Off, WriteTimeout: time.Hour}, hub.Config{Bytes: kept, MaxEvent: 1 << 15}, func(h *harness, topic *hub.Topic[string]) {
		var readers []*reply
		for i := range clients {
			if i%100 == 0 {
				conn, err := h.ln.Dial(h.t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: mem\r\n\r\n")
				continue
			}
			a := h.get("/")
			a.primed()
			readers = append(readers, a)
		}
		before := heap()
		for n := range events {
			time.Sleep(time.Second)
			published := time.Now()
			data := fmt.Sprintf("%0*d", size, n)
			id := add(h.t, topic, data)[0]
			if took := time.Since(published); took != 0 {
				t.Fatalf("Append took %v", took)
			}
			for _, a := range readers {
				a.expect("id: "+id, "data: "+data, "")
			}
			if late := time.Since(published); late != 0 {
				t.Fatalf("event %d reached the last reader %v after it was published", n, late)
			}
		}
		// A stuck client pins the one segment it is writing from. The rest is
		// slack for what the readers' side keeps, which is in this process too.
		if grown := heap() - before; grown > kept+clients/100*(64<<10)+8<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		for _, a := range readers {
			a.cancel()
		}
	})
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A client stops reading in the middle of an event, and the window is replaced more than
// twice. It gets that event whole, and those that were written together with it, then one
// gap with the right number, then the events that are kept.
func TestTopic_clientStopsInsideAnEvent(t *testing.T) {
	const kept = 64 << 10
	topical(t, Config{WriteTimeout: time.Hour, Heartbeat: Off}, hub.Config{Bytes: kept, MaxEvent: 8 << 10}, func(h *harness, topic *hub.Topic[string]) {
		conn, err := h.ln.Dial(h.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.0\r\nHost: mem\r\n\r\n")
		time.Sleep(time.Second)
		var ids []string
		data := func(n int) string { return strings.Repeat(fmt.Sprintf("%04d ", n), 200) }
		publish := func(n int) { ids = append(ids, add(h.t, topic, data(n))...) }

		got := make([]byte, 0, 1<<20)
		read := func(n int) {
			b := make([]byte, n)
			if _, err := io.ReadFull(conn, b); err != nil {
				t.Fatal(err)
			}
			got = append(got, b...)
		}
		for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
			read(1)
		}
		got = got[:0]
		publish(0)
		for !bytes.Contains(got, []byte("0000 0000")) {
			read(1) // the middle of the first event
		}
		total := 1
		for ; total*1000 < 3*kept; total++ {
			publish(total)
		}
		topic.Complete()
		rest, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rest...)

		next, gaps, last := 0, 0, ""
		take := func(ev sse.Event, err error) (complete bool) {
			if err != nil {
				t.Fatal(err)
			}
			last = ev.LastEventID
			switch ev.Event {
			case "stream.gap":
				gaps++
				var missed int
				i := bytes.Index(ev.Data, []byte(`"missed":`))
				fmt.Sscanf(string(ev.Data[i:]), `"missed":%d`, &missed)
				next += missed
				if ev.ID != ids[next-1] {
					t.Errorf("the gap's id is %s, want %s: that of the last event missed", ev.ID, ids[next-1])
				}
			case "stream.complete":
				return true
			default:
				if string(ev.Data) != data(next) || ev.ID != ids[next] {
					t.Fatalf("event %s %.30q…, want %s %.30q… whole", ev.ID, ev.Data, ids[next], data(next))
				}
				next++
			}
			return false
		}
		complete := false
		for ev, err := range sse.NewDecoder(bytes.NewReader(got)).Events() {
			complete = take(ev, err)
		}
		if h.memory != nil && !complete {
			// The fast transport holds no event for a client: the half that it had
			// was not kept, and it was cut. What it had whole is where it resumes.
			h.ended("s", map[Reason]uint64{ReasonSlow: 1})
			for ev, err := range sse.NewDecoder(h.get("/", "Last-Event-ID", last).Body).Events() {
				complete = take(ev, err)
			}
		}
		// The fast transport may be writing while the test publishes, and fall
		// behind more than once.
		if next != total || gaps < 1 || gaps > 1 && h.memory == nil || !complete {
			t.Errorf("%d of %d events accounted for, %d gaps, complete: %t; want all, one and true", next, total, gaps, complete)
		}
	})
}

// A client that accepts the last line, and not the end of the body after it, does not
// hold its connection forever.
func TestTopic_deadlineOfBodyEnd(t *testing.T) {
	transported(t, Config{}, hub.Config{}, func(h *harness, topic *hub.Topic[string]) {
		conn, err := h.ln.Dial(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: mem\r\nAccept: application/x-ndjson\r\n\r\n")
		topic.Complete()
		var got []byte
		for b := make([]byte, 1); !bytes.HasSuffix(got, []byte("stream.complete\",\"data\":{}}\n\r\n")); {
			if _, err := conn.Read(b); err != nil {
				h.t.Fatalf("%q, %v", got, err)
			}
			got = append(got, b...)
		}
		time.Sleep(11 * time.Second) // the deadline is 10 s
		if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
			h.t.Errorf("after the deadline the client reads %q, %v; want the connection closed", rest, err)
		}
	})
}
