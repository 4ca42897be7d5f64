package load

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/event"
	"github.com/fluxwire-go/fluxwire/bench/internal/tally"
)

const patience = 20 * time.Second

// serve answers each connection with what answer returns for its request, a byte at a
// time, and then closes it, unless hold is set.
func serve(t *testing.T, hold bool, answer func(r *http.Request) string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	release := make(chan struct{})
	t.Cleanup(func() {
		close(release)
		ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return // the load has closed it; a test that needs the answer notices
				}
				for rest := []byte(answer(r)); len(rest) > 0; rest = rest[min(61, len(rest)):] {
					if _, err := c.Write(rest[:min(61, len(rest))]); err != nil {
						return
					}
				}
				if hold {
					<-release
				}
			})
		}
	})
	return ln.Addr().String()
}

const untilClose = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: x\n\n"

// block is the wire form of event seq, sent a second ago.
func block(seq int) string {
	data := event.Append(nil, uint64(seq), time.Now().Add(-time.Second).UnixNano(), 100)
	return fmt.Sprintf("id: %d.x\ndata: %s\n\n", seq, data)
}

func blocks(seqs ...int) string {
	var b strings.Builder
	for _, seq := range seqs {
		b.WriteString(block(seq))
	}
	return b.String()
}

func control(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }

func dial(t *testing.T, addr string) *Load {
	t.Helper()
	l, err := New(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func ended(t *testing.T, l *Load) {
	t.Helper()
	if ok, err := l.Ended(patience); !ok || err != nil {
		t.Fatalf("Ended() = %v, %v", ok, err)
	}
}

func TestReport(t *testing.T) {
	bye := control("stream.bye", `{"reason":"shutdown","retry":1}`)
	for _, tt := range []struct {
		name string
		give string
		want Report
	}{
		{"nothing", blocks(1, 2, 3) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 3}}},
		{"loses one", blocks(1, 3) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 2, Lost: 1}}},
		{"loses the first", blocks(2, 3) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 2, Lost: 1}}},
		{"loses the last", blocks(1, 2) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 2, Lost: 1}}},
		{"repeats one", blocks(1, 2, 2, 3) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 4, Twice: 1}}},
		{"changes the order", blocks(1, 3, 2) + bye, Report{Bye: 1, Counts: tally.Counts{Events: 3, Misordered: 1}}},
		{
			"leaves one out and says so",
			blocks(1) + control("stream.gap", `{"reason":"slow","missed":1}`) + blocks(3) + bye,
			Report{Bye: 1, Counts: tally.Counts{Events: 2, Gaps: 1, Told: 1}},
		},
		{
			"leaves one out and says that none is missing",
			blocks(1) + control("stream.gap", `{"reason":"slow","missed":0}`) + blocks(3) + bye,
			Report{Bye: 1, Counts: tally.Counts{Events: 2, Gaps: 1, Lost: 1}},
		},
		{"says nothing at the end", blocks(1, 2, 3), Report{Cut: 1, Counts: tally.Counts{Events: 3}}},
		{"is complete", blocks(1, 2, 3) + control("stream.complete", "{}"), Report{Complete: 1, Counts: tally.Counts{Events: 3}}},
		{"sends what is no event of ours", blocks(1, 2, 3) + "data: x\n\n" + bye, Report{Bye: 1, Malformed: 1, Counts: tally.Counts{Events: 3}}},
		{"cuts an event in two", strings.TrimSuffix(blocks(1, 2, 3), "\n"), Report{Cut: 1, Counts: tally.Counts{Events: 2, Lost: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const conns = 20
			l := dial(t, serve(t, false, func(*http.Request) string { return untilClose + tt.give }))
			if err := l.Open(Group{Name: "g", N: conns, Path: "/", Next: 1}, patience); err != nil {
				t.Fatal(err)
			}
			ended(t, l)
			got := l.Report(3)["g"]
			want := tt.want
			want.Counts = tally.Counts{}
			for range conns {
				want.Counts.Add(tt.want.Counts)
			}
			want.Conns, want.Broken = conns, conns
			want.Bye *= conns
			want.Complete *= conns
			want.Cut *= conns
			want.Malformed *= conns
			if got != want {
				t.Errorf("Report() = %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestReport_chunkedAnswers(t *testing.T) {
	body := blocks(1, 2)
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		name, answer string
		cut          int
	}{
		{"whole", fmt.Sprintf("%s%x\r\n%s\r\n0\r\n\r\n", head, len(body), body), 0},
		{"cut", fmt.Sprintf("%s%x\r\n%s\r\n", head, len(body), body), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := dial(t, serve(t, false, func(*http.Request) string { return tt.answer }))
			if err := l.Open(Group{Name: "g", N: 1, Path: "/", Next: 1}, patience); err != nil {
				t.Fatal(err)
			}
			ended(t, l)
			want := Report{Conns: 1, Broken: 1, Cut: tt.cut, Counts: tally.Counts{Events: 2}}
			if got := l.Report(2)["g"]; got != want {
				t.Errorf("Report() = %+v, want %+v", got, want)
			}
		})
	}
}

func TestReport_refusedConnections(t *testing.T) {
	l := dial(t, serve(t, false, func(*http.Request) string { return "HTTP/1.1 503 No\r\n\r\n" }))
	if err := l.Open(Group{Name: "g", N: 5, Path: "/"}, patience); err != nil {
		t.Fatal(err)
	}
	if got := l.Report(0)["g"]; got.Failed != 5 || got.Open != 0 {
		t.Errorf("Report() = %+v, want 5 failed and none open", got)
	}
}

func TestLatency(t *testing.T) {
	l := dial(t, serve(t, true, func(*http.Request) string { return untilClose + blocks(1) }))
	if err := l.Open(Group{Name: "g", N: 3, Path: "/"}, patience); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Settle(1, patience); !ok || err != nil {
		t.Fatalf("Settle() = %v, %v", ok, err)
	}
	if got, _ := l.Latency(); got.Count != 3 || got.P50 < 1000 {
		t.Errorf("Latency() = %+v of events that are a second old", got)
	}
}

func TestGroup_spread(t *testing.T) {
	addr := serve(t, true, func(r *http.Request) string {
		first := 1
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			if n, err := fmt.Sscanf(id, "%d.x", &first); n != 1 || err != nil {
				return "HTTP/1.1 400 No\r\n\r\n"
			}
			first++
		}
		if first == 4 {
			first++ // the client that resumes after event 3 does not get event 4
		}
		var all []int
		for seq := first; seq <= 10; seq++ {
			all = append(all, seq)
		}
		return untilClose + blocks(all...)
	})
	l := dial(t, addr)
	if err := l.Learn("/", 10, patience); err != nil {
		t.Fatal(err)
	}
	if err := l.Open(Group{Name: "storm", N: 5, Path: "/", Spread: 2}, patience); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Settle(10, patience); !ok || err != nil {
		t.Fatalf("Settle() = %v, %v", ok, err)
	}
	// After 2, 3, 4, 5 and 6 come 8, 7-1, 6, 5 and 4 events.
	want := tally.Counts{Events: 29, Lost: 1}
	if got := l.Report(10)["storm"].Counts; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestChurn_resumes(t *testing.T) {
	var mu sync.Mutex
	came := make(map[string]int)
	addr := serve(t, true, func(r *http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("Last-Event-ID")
		came[id]++
		if id == "" {
			return untilClose + blocks(1)
		}
		return untilClose + blocks(2)
	})
	l := dial(t, addr)
	if err := l.Open(Group{Name: "g", N: 4, Path: "/", Resume: true, Next: 1}, patience); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Settle(1, patience); !ok || err != nil {
		t.Fatalf("Settle() = %v, %v", ok, err)
	}
	if err := l.Churn("g", 40, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Settle(2, patience); !ok || err != nil {
		t.Fatalf("Settle() = %v, %v", ok, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if came[""] != 4 || came["1.x"] < 4 {
		t.Errorf("requests by Last-Event-ID: %v, want 4 without and at least 4 with 1.x", came)
	}
	if got := l.Report(2)["g"]; got.Lost != 0 || got.Reopened < 4 {
		t.Errorf("Report() = %+v, want none lost and at least 4 reopened", got)
	}
}

func TestLoop_inFlight(t *testing.T) {
	var mu sync.Mutex
	var writers []net.Conn
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	const conns = 3
	wg.Go(func() {
		for range conns {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				t.Error(err)
			}
			mu.Lock()
			writers = append(writers, c)
			mu.Unlock()
			c.Write([]byte(untilClose))
		}
	})
	l := dial(t, ln.Addr().String())
	if err := l.Open(Group{Name: "g", N: conns, Path: "/", Next: 1}, patience); err != nil {
		t.Fatal(err)
	}
	seq, most := 0, 0
	trigger := func(n int) error {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, n)
		for range n {
			seq++
			for i, w := range writers {
				if i == 0 && seq == 2 { // announced by a gap, which counts as received
					w.Write([]byte(control("stream.gap", `{"missed":1}`)))
					continue
				}
				w.Write([]byte(block(seq)))
			}
		}
		return nil
	}
	published, err := l.Loop(1, 4, 200*time.Millisecond, trigger)
	if err != nil {
		t.Fatal(err)
	}
	if int(published) != seq || most != 4 || seq <= 4 {
		t.Errorf("Loop() = %d, of %d published, at most %d at once; want all, more than 4, and 4 at once", published, seq, most)
	}
	want := tally.Counts{Events: 3*published - 1, Gaps: 1, Told: 1}
	if got := l.Report(published)["g"].Counts; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, w := range writers {
		w.Close()
	}
}
