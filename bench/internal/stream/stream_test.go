package stream

import (
	"fmt"
	"strings"
	"testing"
)

const events = ": hello\n\nid: 0.a\n\nid: 1.a\ndata: x\n\nid: 2.a\r\nevent: stream.gap\r\ndata: y\r\ndata:z\r\n\r\ndata\n\nid: 3\n\ndata: cut"

const wanted = "message=x stream.gap=y\nz message= id=3"

// chunks frames body in chunks of n bytes.
func chunks(body string, n int) string {
	var b strings.Builder
	for len(body) > 0 {
		c := body[:min(n, len(body))]
		fmt.Fprintf(&b, "%x;ext=1\r\n%s\r\n", len(c), c)
		body = body[len(c):]
	}
	return b.String() + "0\r\nTrailer: x\r\n\r\n"
}

func TestFeed(t *testing.T) {
	responses := map[string]string{"until close": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events}
	for _, n := range []int{1, 2, 7, 1000} {
		responses[fmt.Sprintf("chunks of %d", n)] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks(events, n)
	}
	for name, response := range responses {
		for _, step := range []int{1, 2, 3, 5, 1000} {
			t.Run(fmt.Sprintf("%s, %d bytes at a time", name, step), func(t *testing.T) {
				var p Parser
				var got []string
				for rest := []byte(response); len(rest) > 0; rest = rest[min(step, len(rest)):] {
					err := p.Feed(rest[:min(step, len(rest))], func(ev Event) {
						name := string(ev.Name)
						if name == "" {
							name = "message"
						}
						got = append(got, name+"="+string(ev.Data))
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, "id="+string(p.LastEventID()))
				if s := strings.Join(got, " "); s != wanted {
					t.Errorf("got %q, want %q", s, wanted)
				}
				if p.Status() != 200 || p.Ended() != p.Chunked() {
					t.Errorf("Status() = %d, Chunked() = %v, Ended() = %v", p.Status(), p.Chunked(), p.Ended())
				}
			})
		}
	}
}

func TestFeed_invalid(t *testing.T) {
	for _, response := range []string{
		"SSH-2.0-x\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
		"HTTP/1.1 200 OK\r\n\r\ndata: " + strings.Repeat("x", maxLine),
	} {
		var p Parser
		if err := p.Feed([]byte(response), func(Event) {}); err == nil {
			t.Errorf("Feed(%.80q) = nil error", response)
		}
	}
}
