//go:build unix

package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/client"
	"github.com/fluxwire-go/fluxwire/internal/nginx"
	"github.com/fluxwire-go/fluxwire/internal/require"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An nchan is an nginx with the module nchan. A POST to /pub publishes to the channel of
// its id; /sub streams the messages that the channel has kept, and new ones.
type nchan struct {
	t    *testing.T
	addr string
}

func startNchan(t *testing.T) *nchan {
	t.Helper()
	require.Program(t, "nginx", "/usr/sbin/nginx") // report a missing nginx before a missing module
	module := require.File(t, "/usr/lib/nginx/modules/ngx_nchan_module.so", "libnginx-mod-nchan")
	url := nginx.Start(t, module, func(addr string) string {
		return fmt.Sprintf(`
	nchan_shared_memory_size 16m;
	server {
		listen %s;
		location = /pub {
			nchan_publisher;
			nchan_channel_id $arg_id;
			nchan_message_buffer_length 1000;
			nchan_message_timeout 1h;
		}
		location = /sub {
			nchan_subscriber eventsource;
			nchan_channel_id $arg_id;
			nchan_subscriber_first_message oldest;
		}
		location = /pinged {
			nchan_subscriber eventsource;
			nchan_channel_id $arg_id;
			nchan_eventsource_ping_interval 1;
			nchan_eventsource_ping_comment alive;
		}
	}
`, addr)
	})
	return &nchan{t, strings.TrimPrefix(url, "http://")}
}

// publish publishes one message. Its name may be empty.
func (n *nchan) publish(channel, name, message string) {
	n.t.Helper()
	header := http.Header{"Content-Type": {"text/plain"}}
	if name != "" {
		header.Set("X-EventSource-Event", name)
	}
	n.do("POST", channel, header, message)
}

func (n *nchan) do(method, channel string, header http.Header, body string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), testkit.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.addr+"/pub?id="+channel, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		n.t.Fatalf("%s %s: %s", method, channel, res.Status)
	}
}

// A followed stream is one whose events the test pulls: only while next runs does the
// client read or call hooks.
type followed struct {
	t    *testing.T
	pull func() (sse.ServerSentEvent[string], error, bool)

	comments []string
	lost     []error // why each connection ended
}

func followNchan(t *testing.T, url string, opts ...client.Option) *followed {
	f := &followed{t: t}
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Patience)
	opts = append([]client.Option{
		client.HTTPClient(testkit.Client(t, nil)),
		client.Retry(client.RetryPolicy{Delay: time.Millisecond}),
		client.OnComment(func(text string) { f.comments = append(f.comments, text) }),
		client.OnDisconnect(func(err error) { f.lost = append(f.lost, err) }),
	}, opts...)
	next, stop := iter.Pull2(client.Follow[string](ctx, url, opts...))
	f.pull = next
	t.Cleanup(func() {
		stop()
		cancel()
	})
	return f
}

// want checks the data of the next event and returns the event.
func (f *followed) want(data string) sse.ServerSentEvent[string] {
	f.t.Helper()
	ev, err, ok := f.pull()
	if !ok || err != nil || ev.Data != data {
		f.t.Fatalf("next event: %+v, %v, %v; want %q", ev, err, ok, data)
	}
	return ev
}

func TestNchanEvents(t *testing.T) {
	n := startNchan(t)
	for channel, opts := range map[string][]client.Option{"easy": nil, "strict": {client.Strict()}} {
		t.Run(channel, func(t *testing.T) {
			n.publish(channel, "", "plain")
			n.publish(channel, "price", "two\nlines\n")
			n.publish(channel, "", "")
			n.publish(channel, "", strings.Repeat("ü€😀 ", 20_000))
			f := followNchan(t, "http://"+n.addr+"/sub?id="+channel, opts...)
			ids := []string{
				f.want("plain").ID,
				f.want("two\nlines\n").ID,
				f.want("").ID,
				f.want(strings.Repeat("ü€😀 ", 20_000)).ID,
			}
			for i, id := range ids {
				var second, tag int
				if _, err := fmt.Sscanf(id, "%d:%d", &second, &tag); err != nil || slices.Index(ids, id) != i {
					t.Errorf("ids %q: want time:tag, all different", ids)
				}
			}
			n.publish(channel, "price", "live")
			if ev := f.want("live"); ev.Event != "price" {
				t.Errorf("name = %q, want price", ev.Event)
			}
			if !slices.Equal(f.comments, []string{"hi"}) {
				t.Errorf("comments = %q, want the hi with which nchan begins", f.comments)
			}
		})
	}
}

// The test cuts the connections, possibly in the middle of a message.
func TestNchanResumes(t *testing.T) {
	n := startNchan(t)
	way := newCutter(t, n.addr)
	easy := followNchan(t, "http://"+way.addr+"/sub?id=cut")
	strict := followNchan(t, "http://"+way.addr+"/sub?id=cut", client.Strict())
	message := func(i int) string { return fmt.Sprint("message ", i, strings.Repeat(".", 5000)) }
	published := 0
	for i := range 200 {
		for ; published < min(i+20, 200); published++ {
			n.publish("cut", "", message(published))
		}
		easy.want(message(i))
		strict.want(message(i))
		if i%10 == 5 {
			way.cut()
		}
	}
	n.publish("cut", "", "last")
	for _, f := range []*followed{easy, strict} {
		f.want("last")
		// A cut looks the same when everything has arrived.
		if len(f.lost) < 2 {
			t.Errorf("lost %d connections: %v; want more of them", len(f.lost), f.lost)
		}
	}
}

// nchan reports a deleted channel in a comment and closes the connection. The client
// reconnects, as to any server, and so creates the channel again. It gets what is
// published from then on.
func TestNchanChannelIsDeleted(t *testing.T) {
	n := startNchan(t)
	f := followNchan(t, "http://"+n.addr+"/sub?id=gone")
	n.publish("gone", "", "old")
	id := f.want("old").ID

	n.do("DELETE", "gone", nil, "")
	// The new channel counts from 0 in each second. Within the second of the old message
	// the new one would have the same id, and nchan would take it for the old one.
	second, _, _ := strings.Cut(id, ":")
	testkit.Eventually(t, "the clock is past the id "+id, func() bool { return fmt.Sprint(time.Now().Unix()) != second })
	n.publish("gone", "", "new")
	if ev := f.want("new"); ev.ID == id {
		t.Errorf("the new message has the id of the old: %q", id)
	}
	if want := []string{"hi", "410: 410 Gone", "hi"}; !slices.Equal(f.comments, want) {
		t.Errorf("comments = %q, want %q", f.comments, want)
	}
	if len(f.lost) != 1 || f.lost[0] != io.EOF {
		t.Errorf("lost by %v, want once, by io.EOF", f.lost)
	}

	// A program can treat the close as the end.
	once := followNchan(t, "http://"+n.addr+"/sub?id=gone", client.NoReconnect())
	once.want("new")
	n.do("DELETE", "gone", nil, "")
	if ev, err, ok := once.pull(); ok {
		t.Errorf("after the deletion, with NoReconnect: %+v, %v; want the end", ev, err)
	}
}

// nchan treats an unknown id like a missing one, and does not report the gap.
func TestNchanUnknownID(t *testing.T) {
	n := startNchan(t)
	n.publish("ids", "", "first")
	n.publish("ids", "", "second")
	for _, id := range []string{"17:0", "no id of nchan's"} {
		f := followNchan(t, "http://"+n.addr+"/sub?id=ids", client.LastEventID(id))
		f.want("first")
		f.want("second")
	}
}

// nchan breaks data into lines at LF alone. A CR ends a line as well (HTML
// standard, section 9.2.6), so every client loses the data after it.
func TestNchanLosesDataAfterCR(t *testing.T) {
	n := startNchan(t)
	n.publish("cr", "", "before\rafter\r\nend")
	followNchan(t, "http://"+n.addr+"/sub?id=cr").want("before\nend")
}

func TestNchanWantsTheAcceptHeader(t *testing.T) {
	n := startNchan(t)
	f := followNchan(t, "http://"+n.addr+"/sub?id=accept", client.Header("Accept", "application/json"))
	_, err, _ := f.pull()
	if e, ok := errors.AsType[*client.StatusError](err); !ok || e.StatusCode != http.StatusForbidden {
		t.Errorf("without Accept: %v, want a StatusError of 403", err)
	}
}

// A ping of nchan is a name without data, which is not an event, and a comment if one is
// configured. Real time: nginx has no other clock.
func TestNchanPings(t *testing.T) {
	n := startNchan(t)
	pings := 0
	f := followNchan(t, "http://"+n.addr+"/pinged?id=pings", client.OnComment(func(text string) {
		if text != "alive" {
			return
		}
		if pings++; pings == 2 {
			n.publish("pings", "", "after two pings")
		}
	}))
	if ev := f.want("after two pings"); ev.Event != "" || pings < 2 {
		t.Errorf("after %d pings: %+v; want two and no name", pings, ev)
	}
}

func TestNchanManyClients(t *testing.T) {
	const clients, messages = 50, 50
	n := startNchan(t)
	n.publish("many", "", "first")
	var all []*followed
	for range clients {
		f := followNchan(t, "http://"+n.addr+"/sub?id=many")
		f.want("first")
		all = append(all, f)
	}
	for i := range messages {
		n.publish("many", "", fmt.Sprint("message ", i))
	}
	for _, f := range all {
		for i := range messages {
			f.want(fmt.Sprint("message ", i))
		}
	}
}

// A cutter is a proxy in front of a server, which can cut all connections at once.
type cutter struct {
	addr string

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: ln.Addr().String(), conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.pass(t, &running, from, to) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		c.cut()
		running.Wait()
	})
	return c
}

// pass forwards one connection until either side, or the cutter, ends it.
func (c *cutter) pass(t *testing.T, running *sync.WaitGroup, from net.Conn, to string) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		t.Error(err)
		from.Close()
		return
	}
	c.mu.Lock()
	c.conns[from], c.conns[server] = true, true
	c.mu.Unlock()
	running.Go(func() {
		io.Copy(server, from)
		server.Close()
	})
	io.Copy(from, server)
	from.Close()
	server.Close()
	c.mu.Lock()
	delete(c.conns, from)
	delete(c.conns, server)
	c.mu.Unlock()
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}
