package handlers

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/hub"
)

// seedOf is the value of FLUXWIRE_TEST_SEED, or another one each time.
func seedOf(t *testing.T) uint64 {
	v := os.Getenv("FLUXWIRE_TEST_SEED")
	if v == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatal("FLUXWIRE_TEST_SEED: ", err)
	}
	return seed
}

// payload is the data of event number seq, of which there is no other.
func payload(seq uint64) string {
	return fmt.Sprintf("%d %s", seq, strings.Repeat("x", int(seq*7919%1500)))
}

// A ledger is what one client has got of a topic whose events are payloads, over
// all its connections.
type ledger struct {
	id   string // of the last whole block that had one
	last uint64 // its number, if there is one

	events, missed, gaps, beats uint64
	complete                    bool
	bye                         string // reason of the last one
}

// read accounts for what comes on one connection, until it ends. between is called
// before each block. Its error is what does not add up, for good.
func (l *ledger) read(in *bufio.Reader, between func()) (ended, wrong error) {
	for {
		between()
		var id, event, data string
		for lines := 0; ; lines++ {
			line, err := in.ReadString('\n')
			if err != nil {
				return err, nil // half a block does not count
			}
			line = line[:len(line)-1]
			if line == "" {
				break
			}
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "id":
				id = value
			case "event":
				event = value
			case "data":
				data = value
			case "retry":
			case "":
				if value == "" {
					l.beats++
				}
			default:
				return nil, fmt.Errorf("a line %.40q", line)
			}
		}
		var pos eventlog.Pos
		if id != "" {
			var err error
			if pos, err = eventlog.ParsePos(id); err != nil {
				return nil, err
			}
		}
		switch {
		case event == "stream.complete":
			l.complete = true
		case event == "stream.bye":
			l.bye = data
		case event == "stream.gap":
			var n uint64
			if i := strings.Index(data, `"missed":`); i < 0 {
				return nil, fmt.Errorf("a gap without a number: %s", data)
			} else if fmt.Sscanf(data[i:], `"missed":%d`, &n); l.id == "" || pos.Seq != l.last+n || n == 0 {
				return nil, fmt.Errorf("a gap after %s: %s", l.id, data)
			}
			l.missed += n
			l.gaps++
		case data != "":
			switch {
			case event != "":
				return nil, fmt.Errorf("event %s: %s", event, data)
			case l.id != "" && pos.Seq != l.last+1:
				return nil, fmt.Errorf("event %d comes after %d", pos.Seq, l.last)
			case data != payload(pos.Seq):
				return nil, fmt.Errorf("event %d is %.60q", pos.Seq, data)
			}
			l.events++
		case id != "" && l.id != "" && id != l.id:
			return nil, fmt.Errorf("primed with %s after %s", id, l.id)
		}
		if id != "" {
			l.id, l.last = id, pos.Seq
		}
	}
}

// head sends a request, and reads the head of its answer.
func (l *ledger) head(conn net.Conn, path string) (*bufio.Reader, error) {
	resume := ""
	if l.id != "" {
		resume = "Last-Event-ID: " + l.id + "\r\n"
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: mem\r\n"+resume+"\r\n"); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(conn, 256)
	status, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if strings.Contains(status, " 204 ") {
		l.complete = true
		return nil, io.EOF
	}
	for line := status; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// For a day thousands of clients come and go, stop reading and continue or do not,
// while a topic is published to at all rates. Each client gets every event once, over
// all its connections, or is told how many it missed. No stream and no socket is left.
func TestChurn(t *testing.T) {
	const seats, day = 36, 24 * time.Hour
	seed := seedOf(t)
	defer func() {
		if t.Failed() {
			t.Logf("FLUXWIRE_TEST_SEED=%d", seed)
		}
	}()
	policies := []hub.Policy{hub.PolicyToOldest, hub.PolicyToLatest, hub.PolicyCut}
	var topic *hub.Topic[string]
	mount := func(s *Server) http.Handler {
		var err error
		if topic, err = hub.New[string](hub.Config{Events: 200, Bytes: 64 << 10, Age: time.Hour}); err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		for _, p := range policies {
			mux.Handle("/"+p.String(), Topic(s, topic, Policy(p), Name(p.String())))
		}
		return mux
	}
	virtual(t, Config{Transport: TransportFast, Heartbeat: 5 * time.Minute}, mount, func(h *harness) {
		t := h.t
		defer topic.Close()
		var spread sync.Mutex
		random := rand.New(rand.NewPCG(seed, 0))
		h.srv.random = func() float64 {
			spread.Lock()
			defer spread.Unlock()
			return random.Float64()
		}
		start := time.Now()
		published := uint64(0)
		var publishing, work sync.WaitGroup
		publishing.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			for time.Since(start) < day {
				n := 1
				if rng.IntN(40) == 0 {
					n = rng.IntN(300) // more than is kept
				}
				for range n {
					published++
					add(t, topic, payload(published))
				}
				time.Sleep(time.Duration(rng.ExpFloat64() * float64(time.Minute)))
			}
		})
		var over atomic.Bool
		var mu sync.Mutex
		var total ledger
		clients, connections := 0, 0
		for seat := range seats {
			path := "/" + policies[seat%len(policies)].String()
			work.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(2+seat)))
				for !over.Load() {
					l, conns := new(ledger), 0
					// The last one of each seat stays to the end.
					for !l.complete && (conns == 0 || over.Load() || rng.IntN(8) > 0) {
						conns++
						conn, err := h.ln.Dial(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						if !over.Load() {
							conn.SetDeadline(time.Now().Add(time.Duration(rng.ExpFloat64() * float64(40*time.Minute))))
						}
						in, err := l.head(conn, path)
						if err == nil {
							var wrong error
							_, wrong = l.read(in, func() {
								switch {
								case over.Load():
								case rng.IntN(100) == 0:
									time.Sleep(time.Duration(rng.Int64N(int64(30 * time.Second))))
								case rng.IntN(500) == 0:
									time.Sleep(time.Duration(rng.Int64N(int64(time.Hour))))
								}
							})
							if wrong != nil {
								t.Errorf("a client of %s, at its connection %d: %v", path, conns, wrong)
								conn.Close()
								return
							}
						}
						conn.Close()
						time.Sleep(time.Duration(rng.ExpFloat64() * float64(time.Minute)))
					}
					if over.Load() && (!l.complete || l.id != "" && l.last != published) {
						t.Errorf("a client of %s ends with event %d of %d, complete: %t", path, l.last, published, l.complete)
					}
					mu.Lock()
					clients++
					connections += conns
					total.events += l.events
					total.missed += l.missed
					total.gaps += l.gaps
					total.beats += l.beats
					mu.Unlock()
				}
			})
		}
		publishing.Wait()
		over.Store(true)
		topic.Complete()
		work.Wait()
		synctest.Wait()

		ended := map[Reason]uint64{}
		opened := uint64(0)
		for _, r := range h.srv.Stats().Routes {
			opened += r.Opened
			for why, n := range r.Ended {
				ended[why] += n
				opened -= n
			}
		}
		t.Logf("%d clients, %d connections, %d events published, %d received, %d missed in %d gaps, %d heartbeats; ended: %v",
			clients, connections, published, total.events, total.missed, total.gaps, total.beats, ended)
		if opened != 0 {
			t.Errorf("%d streams have not ended, or more than once", int64(opened))
		}
		for _, r := range []Reason{ReasonLeft, ReasonStalled, ReasonMaxAge, ReasonSlow, ReasonComplete} {
			if ended[r] == 0 {
				t.Errorf("no stream has ended by %s: nothing is shown of it", r)
			}
		}
		if connections < 1000 || total.gaps == 0 || total.beats == 0 {
			t.Error("this was no day")
		}
		for _, s := range h.srv.fast.shards {
			if held := s.Inspect(); held != (carry.Holding{}) {
				t.Errorf("a shard holds %+v", held)
			}
		}
		if n := h.log.count("ERROR"); n > 0 {
			t.Errorf("%d errors in the log", n)
		}
	})
}
