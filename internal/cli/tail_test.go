package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestExitCodes(t *testing.T) {
	problem := answers(404, "application/problem+json", `{"title":"No such stream","status":404,"detail":"there is\nno \u001b[2J\u009bprices"}`)
	const two = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n"
	for _, tt := range []struct {
		name   string
		server http.HandlerFunc
		args   []string
		code   int
		stdout string
		says   []string // the lines of the standard error but for connected
	}{
		{"a complete stream", sends(two + complete), nil, 0, "1 message a\n2 message b\n", []string{"the stream is complete"}},
		{"an answer that says there is no more", answers(204, "", ""), nil, 0, "", []string{"the stream is complete"}},
		{"as many as were asked for", sends(two), []string{"--take=1"}, 0, "1 message a\n", []string{"resume with --last-event-id 1"}},
		{"one connection, closed", sends(two), []string{"--no-reconnect"}, 0, "1 message a\n2 message b\n",
			[]string{"the server closed the connection", "resume with --last-event-id 2"}},
		{"an id that a shell would read otherwise", sends("id: a'b c\ndata: x\n\n"), []string{"--no-reconnect"}, 0, "\"a'b c\" message x\n",
			[]string{"the server closed the connection", `resume with --last-event-id 'a'\''b c'`}},
		{"an id that looks like a flag", sends("id: -5\ndata: x\n\n"), []string{"--no-reconnect"}, 0, "-5 message x\n",
			[]string{"the server closed the connection", "resume with --last-event-id=-5"}},
		{"an id that cannot be shown", sends("id: \u202e\ndata: x\n\n"), []string{"--no-reconnect"}, 0, "\"\\u202e\" message x\n",
			[]string{"the server closed the connection"}},
		{"one connection, cut", cuts(two), []string{"--no-reconnect"}, 1, "1 message a\n2 message b\n",
			[]string{"the connection was cut", "resume with --last-event-id 2"}},
		{"one connection, a goodbye", sends("event: stream.bye\ndata: {\"reason\":\"shutdown\"}\n\n"), []string{"--no-reconnect"}, 1, "",
			[]string{"the server said goodbye: shutdown"}},
		{"a status that refuses, with a problem", problem, nil, 3, "",
			[]string{`the server answered 404 Not Found: No such stream: there is; no \x1b[2J\u009bprices`}},
		{"a status that refuses, without", answers(500, "text/html", "<h1>broken</h1>"), nil, 3, "",
			[]string{"the server answered 500 Internal Server Error: <h1>broken</h1>"}},
		{"no event stream", answers(200, "text/html", "<h1>hello</h1>"), nil, 3, "",
			[]string{`content type: the server answered "text/html", not text/event-stream: <h1>hello</h1>`}},
		{"a source that failed", sends(two + "event: stream.error\ndata: {\"title\":\"Broken\",\"detail\":\"the sensor is off\"}\n\n"), nil, 4, "1 message a\n2 message b\n",
			[]string{"the server ended the stream: Broken: the sensor is off", "resume with --last-event-id 2"}},
		{"control events, to the letter", sends("event: stream.error\ndata: x\n\n"), []string{"--strict", "--no-reconnect"}, 0, "- stream.error x\n",
			[]string{"the server closed the connection"}},
		{"an event that is too large", sends("id: 1\ndata: a\n\ndata: " + strings.Repeat("x", 100) + "\n\n"), []string{"--max-event=50"}, 1, "1 message a\n",
			[]string{"an event is larger than 50 bytes: raise --max-event", "resume with --last-event-id 1"}},
		{"quiet", sends(two), []string{"--take=1", "--quiet"}, 0, "1 message a\n", nil},
		{"quiet, a failure", problem, []string{"--quiet"}, 3, "",
			[]string{`the server answered 404 Not Found: No such stream: there is; no \x1b[2J\u009bprices`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, tt.server, "tail", append(tt.args, base)...)
			if r.code != tt.code || r.stdout != tt.stdout {
				t.Errorf("exit code %d, standard output %q; want %d, %q", r.code, r.stdout, tt.code, tt.stdout)
			}
			got := strings.ReplaceAll(r.stderr, "fluxwire: connected to http://stream.test\n", "")
			var want strings.Builder
			for _, line := range tt.says {
				want.WriteString("fluxwire: " + line + "\n")
			}
			if got != want.String() {
				t.Errorf("standard error\n%swant\n%s", got, want.String())
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr strings.Builder
		refuses := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, syscall.ECONNREFUSED }}}
		code := Run(t.Context(), Env{Stdout: io.Discard, Stderr: &stderr, Client: refuses}, []string{"tail", base + "/x?token=secret"})
		if got := stderr.String(); code != 1 || !oneLineOf(got) || !strings.Contains(got, "connection refused") || strings.Contains(got, "secret") {
			t.Errorf("exit code %d, standard error %q; want 1, one line with the reason and without the query", code, got)
		}
	})
}

func TestTail_reconnects(t *testing.T) {
	s := &script{handlers: []http.HandlerFunc{
		sends("retry: 5000\nid: 1\ndata: a\n\n"),
		sends("id: 2\ndata: b\n\nevent: stream.bye\ndata: {\"reason\":\"max-age\",\"retry\":1000}\n\n"),
		answers(503, "application/problem+json", `{"title":"Busy"}`),
		cuts("event: stream.gap\nid: 9\ndata: {\"reason\":\"slow\",\"from\":\"2\",\"to\":\"9\",\"missed\":6}\n\n"),
	}}
	r := play(t, s.serve, "tail", base+"/x?token=secret")
	if want := "1 message a\n2 message b\n"; r.code != 0 || r.stdout != want {
		t.Errorf("exit code %d, standard output %q; want 0, %q", r.code, r.stdout, want)
	}
	want := `fluxwire: connected to http://stream.test/x
fluxwire: the server closed the connection; connecting again in (\S+)
fluxwire: connected to http://stream.test/x
fluxwire: the server said goodbye: max-age; connecting again in (\S+)
fluxwire: the server answered 503 Service Unavailable: Busy; connecting again in (\S+)
fluxwire: connected to http://stream.test/x
fluxwire: gap: 6 events are missing after 2: slow
fluxwire: the connection was cut; connecting again in (\S+)
fluxwire: the stream is complete
`
	m := regexp.MustCompile("^" + want + "$").FindStringSubmatch(r.stderr)
	if m == nil {
		t.Fatalf("standard error\n%swant\n%s", r.stderr, want)
	}
	for i, least := range []time.Duration{5 * time.Second, time.Second, 5 * time.Second, 5 * time.Second} {
		if d, err := time.ParseDuration(m[i+1]); err != nil || d < least {
			t.Errorf("wait %d was said to be %q, want %v or more", i+1, m[i+1], least)
		}
	}
	var ids []string
	for _, req := range s.requests {
		ids = append(ids, req.Header.Get("Last-Event-ID"))
	}
	if want := []string{"", "1", "2", "2", "9"}; !slices.Equal(ids, want) {
		t.Errorf("asked to resume after %q, want %q", ids, want)
	}
}

// Events that are not printed, and gaps, move the position too.
func TestPosition(t *testing.T) {
	const wire = "id: 1\nevent: a\ndata: x\n\nid: 2\nevent: b\ndata: y\n\n"
	const gap = "event: stream.gap\nid: 9\ndata: {\"reason\":\"restart\",\"from\":\"2\",\"to\":\"9\",\"missed\":null}\n\n"
	for _, tt := range []struct {
		name, wire string
		args       []string
		want       string
	}{
		{"the last event printed", wire, nil, "2"},
		{"one that was not", wire, []string{"--event=a"}, "2"},
		{"one without an id", wire + "data: z\n\n", nil, "2"},
		{"none since the start", "data: z\n\n", []string{"--last-event-id=5"}, ""},
		{"a gap", wire + gap, nil, "9"},
		{"no more than was asked for", wire, []string{"--take=1"}, "1"},
		{"a block before the first event", "id: prime\n\n", nil, "prime"},
		{"a block between events", "id: 1\ndata: x\n\nid: 2\n\ndata: y\n\n", []string{"--take=2"}, "2"},
		{"a block after the last event", wire + "id: 3\n\n", nil, "3"},
		{"not that of a block behind the last event asked for", wire + "id: 3\n\n", []string{"--take=2"}, "2"},
		{"a reset", wire + "id\n\n", nil, ""},
		{"a reset to where it began", wire + "id: 5\n\n", []string{"--last-event-id=5"}, ""},
		{"a reset, and another", wire + "id\n\nid: 1\ndata: x\n\n", nil, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, sends(tt.wire), "tail", append(tt.args, "--no-reconnect", base)...)
			_, got, _ := strings.Cut(r.stderr, "resume with --last-event-id ")
			if got = strings.TrimSpace(got); got != tt.want || r.code != 0 {
				t.Errorf("resume with %q, exit code %d; want %q, 0", got, r.code, tt.want)
			}
		})
	}
}

func TestMaxAttempts(t *testing.T) {
	busy := answers(503, "text/plain", "busy")
	s := &script{handlers: []http.HandlerFunc{sends("id: 1\ndata: a\n\n"), busy, busy, busy}}
	synctest.Test(t, func(t *testing.T) {
		var stderr strings.Builder
		start := time.Now()
		code := inMemory(t, t.Context(), s.serve, Env{Stdout: io.Discard, Stderr: &stderr}, "tail", "--max-attempts=2", "--retry=1m", base)
		if got := stderr.String(); code != 3 || !strings.Contains(got, "fluxwire: gave up after 2 attempts to reconnect: the server answered 503 Service Unavailable: busy\n") {
			t.Errorf("exit code %d, standard error %q; want 3 and that it gave up", code, got)
		}
		if got := len(s.requests); got != 3 {
			t.Errorf("%d requests, want 3", got)
		}
		if got := time.Since(start); got < time.Minute {
			t.Errorf("gave up after %v, want two waits of half a minute or more", got)
		}
	})
}

func TestEventFilter(t *testing.T) {
	const wire = "data: 1\n\nevent: a\ndata: 2\n\nevent: message\ndata: 3\n\nevent: b\ndata: 4\n\nevent: a\ndata: 5\n\n"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--event=a"}, "- a 2\n- a 5\n"},
		{[]string{"--event=a", "--event", "b"}, "- a 2\n- b 4\n- a 5\n"},
		{[]string{"--event=message"}, "- message 1\n- message 3\n"},
		{[]string{"--event=c"}, ""},
		{[]string{"--event=a", "--take=2"}, "- a 2\n- a 5\n"},
		{[]string{"--event=a", "--take=1"}, "- a 2\n"},
	} {
		r := play(t, sends(wire+complete), "tail", append(tt.args, base)...)
		if r.stdout != tt.want || r.code != 0 {
			t.Errorf("tail %q prints %q, exit code %d; want %q, 0", tt.args, r.stdout, r.code, tt.want)
		}
	}
}

// tail prints each event at once, while the stream is open, and closes the connection
// after the last event of --take.
func TestTail_printsEachEventAtOnce(t *testing.T) {
	for _, output := range []string{"text", "ndjson"} {
		synctest.Test(t, func(t *testing.T) {
			next, left := make(chan string), false
			server := func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for data := range next {
					fmt.Fprintf(w, "data: %s\n\n", data)
					http.NewResponseController(w).Flush()
				}
				<-r.Context().Done() // no more events, but the stream stays open
				left = true
			}
			out, stdout := io.Pipe()
			done := make(chan int, 1)
			go func() {
				done <- inMemory(t, t.Context(), server, Env{Stdout: stdout, Stderr: io.Discard}, "tail", "--take=3", "-o", output, base)
			}()
			lines := bufio.NewReader(out)
			for _, data := range []string{"a", "b", "c"} {
				next <- data
				if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, data) {
					t.Fatalf("after %q was sent: %q, %v", data, line, err)
				}
			}
			close(next)
			if code := <-done; code != 0 || !left {
				t.Errorf("exit code %d, the connection is closed: %v; want 0, true", code, left)
			}
		})
	}
}

func TestComments(t *testing.T) {
	const wire = ": hello\n\n:\n\n: \x1b[2J\ndata: x\n\n: bye\n\n"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "- message x\n"},
		{[]string{"--comments"}, ": hello\n:\n: \\x1b[2J\n- message x\n: bye\n"},
		{[]string{"--comments", "--take=1"}, ": hello\n:\n: \\x1b[2J\n- message x\n"},
	} {
		if r := play(t, sends(wire+complete), "tail", append(tt.args, base)...); r.stdout != tt.want || r.code != 0 {
			t.Errorf("tail %q prints %q, exit code %d; want %q, 0", tt.args, r.stdout, r.code, tt.want)
		}
	}
}

func TestRequest(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(secrets, []byte("Authorization: Bearer x\n\nX-Two: c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &script{handlers: []http.HandlerFunc{sends("data: a\n\n"), sends("data: b\n\n" + complete)}}
	r := play(t, s.serve, "tail", "--last-event-id", "7", "--header", "X-One:a", "-H", "X-Two: b", "-H", "@"+secrets, "-d", "q=1", "--method=PUT", base+"/s?x=1")
	if r.code != 0 || len(s.requests) != 2 {
		t.Fatalf("exit code %d, standard error %q, %d requests; want 0, 2 requests", r.code, r.stderr, len(s.requests))
	}
	for i, req := range s.requests {
		got := []any{req.Method, req.RequestURI, req.Header.Get("Last-Event-ID"), req.Header.Values("X-One"), req.Header.Values("X-Two"),
			req.Header.Get("Authorization"), req.Header.Get("Content-Type"), req.Header.Get("Accept"), s.bodies[i]}
		want := []any{"PUT", "/s?x=1", "7", []string{"a"}, []string{"b", "c"}, "Bearer x", formType, "text/event-stream", "q=1"}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("request %d was\n%q\nwant\n%q", i+1, got, want)
		}
	}

	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, []byte("{\n}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = &script{}
	r = play(t, s.serve, "tail", "--data=@"+file, "-H", "Content-Type: application/json", "stream.test")
	if r.code != 0 || len(s.requests) != 1 || s.requests[0].Method != "POST" || s.bodies[0] != "{\n}" || s.requests[0].Header.Get("Content-Type") != "application/json" {
		t.Errorf("exit code %d, standard error %q, requests %+v %q; want a POST with the file", r.code, r.stderr, s.requests, s.bodies)
	}
}

func TestWrongUsage(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct {
		command string
		args    []string
		says    string
	}{
		{"tail", nil, "the argument <url> is missing"},
		{"tail", []string{base, "extra"}, `"extra"`},
		{"tail", []string{"--nope", base}, "-nope"},
		{"tail", []string{base, "--nope"}, "-nope"},
		{"tail", []string{base, "--take"}, "-take"},
		{"tail", []string{base, "--take=0"}, "more than 0"},
		{"tail", []string{base, "--take=x"}, `"x"`},
		{"tail", []string{base, "--retry=-1s"}, "more than 0"},
		{"tail", []string{base, "--retry=5"}, `"5"`},
		{"tail", []string{base, "--max-attempts=0"}, "more than 0"},
		{"tail", []string{base, "--max-event=-1"}, "more than 0"},
		{"tail", []string{base, "-o", "xml"}, `"xml"`},
		{"tail", []string{base, "-o", "ndjson", "--comments"}, "--comments"},
		{"tail", []string{base, "-H", "Authorization"}, "Key: value"},
		{"tail", []string{base, "-H", "a b: c"}, `"a b"`},
		{"tail", []string{base, "-H", ": c"}, "not a name"},
		{"tail", []string{base, "-H", "a: b\r\nc: d"}, "control character"},
		{"tail", []string{base, "-H", "last-event-id: 1"}, "--last-event-id"},
		{"tail", []string{base, "-H", "@" + missing}, "no such file"},
		{"tail", []string{base, "-d", "@" + missing}, "no such file"},
		{"tail", []string{base, "--position-file="}, "empty"},
		{"tail", []string{base, "--method=a b"}, "a b"},
		{"tail", []string{base, "--last-event-id=a\nb"}, "holds a control character, which no header can carry (fluxwire"},
		{"tail", []string{"ftp://stream.test"}, `"ftp"`},
		{"tail", []string{"http://"}, "host is missing"},
		{"tail", []string{"http://[::1"}, "url"},
		{"ping", []string{base, "extra"}, `"extra"`},
		{"ping", []string{"--nope"}, "-nope"},
		{"ping", []string{"--timeout=0"}, "-timeout"},
		{"ping", []string{"ftp://stream.test"}, `"ftp"`},
		{"ping", []string{"http://[::1"}, "missing ']'"},
		{"ping", []string{"-H", "x"}, "Key: value"},
	} {
		s := &script{}
		r := play(t, s.serve, tt.command, tt.args...)
		if r.code != 2 || r.stdout != "" || len(s.requests) != 0 {
			t.Errorf("%s %q: exit code %d, standard output %q, %d requests; want 2, nothing, none", tt.command, tt.args, r.code, r.stdout, len(s.requests))
		}
		if !oneLineOf(r.stderr) || !strings.HasPrefix(r.stderr, "fluxwire: "+tt.command+": ") ||
			!strings.HasSuffix(r.stderr, "(fluxwire "+tt.command+" --help lists the flags)\n") || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("%s %q: standard error %q, want one line that says %q", tt.command, tt.args, r.stderr, tt.says)
		}
	}
}

// A fault of a header or a body does not show its value.
func TestWrongUsage_secrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("X-Key: a\nAuthorization s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"Authorization s3cret", "Authorization: s3cret\x00", "@" + file} {
		r := play(t, nil, "tail", "--header", header, "--data=s3cret", "--nope", base)
		if r.code != 2 || strings.Contains(r.stderr, "s3cret") || !strings.Contains(r.stderr, "--header: ") {
			t.Errorf("--header %q: %+v; want exit code 2, and a fault of --header without its value", header, r)
		}
	}
}

func TestMaxEvent(t *testing.T) {
	r := play(t, sends("data: "+strings.Repeat("x", 1048576-16)+"\n\n"+complete), "tail", base)
	if r.code != 0 {
		t.Errorf("an event just below 1048576 bytes: exit code %d, %s", r.code, r.stderr)
	}
	if r = play(t, sends("data: "+strings.Repeat("x", 1048577)+"\n\n"+complete), "tail", base); r.code != 1 || !strings.Contains(r.stderr, "1048576") {
		t.Errorf("an event above 1048576 bytes: exit code %d, %s", r.code, r.stderr)
	}
}

// A signal ends the context, and so tail, in the middle of a stream or of a wait.
func TestInterrupt(t *testing.T) {
	open := func(w http.ResponseWriter, r *http.Request) {
		sends("id: 1\ndata: a\n\n")(w, r)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	silent := func(w http.ResponseWriter, r *http.Request) {
		sends("id: 1\n\n")(w, r)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for _, tt := range []struct {
		name   string
		server http.HandlerFunc
		stdout string
	}{
		{"reading", open, "1 message a\n"},
		{"waiting", sends("id: 1\ndata: a\n\n"), "1 message a\n"},
		{"before the first event", silent, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				var stdout, stderr strings.Builder
				start := time.Now()
				code := inMemory(t, ctx, tt.server, Env{Stdout: &stdout, Stderr: &stderr}, "tail", "--retry=1h", base)
				// The rest, below 100 ms, is Shutdown, which polls for open connections.
				if code != 130 || time.Since(start).Truncate(100*time.Millisecond) != time.Second/2 || stdout.String() != tt.stdout {
					t.Errorf("exit code %d after %v, standard output %q; want 130, at once, %q", code, time.Since(start), &stdout, tt.stdout)
				}
				if !strings.HasSuffix(stderr.String(), "fluxwire: resume with --last-event-id 1\n") || strings.Contains(stderr.String(), "context") {
					t.Errorf("standard error %q, want it to end with how to resume", &stderr)
				}
			})
		})
	}
}

// A brokenPipe accepts n writes and then fails.
type brokenPipe struct {
	n   int
	err error
}

func (w *brokenPipe) Write(p []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, w.err
	}
	return len(p), nil
}

func TestTail_outputFails(t *testing.T) {
	noSpace := &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
	gone := &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	for _, tt := range []struct {
		name, command string
		args          []string
		err           error
		code          int
		says          string
	}{
		{"the reader has gone", "tail", nil, gone, 0, ""},
		{"the reader has gone, before a comment", "tail", []string{"--comments"}, gone, 0, ""},
		{"the disk is full", "tail", nil, noSpace, 1, "fluxwire: standard output: write /dev/stdout: no space left on device\nfluxwire: resume with --last-event-id 1\n"},
		{"the disk is full, before a comment", "tail", []string{"--comments"}, noSpace, 1, "fluxwire: standard output: write /dev/stdout: no space left on device\nfluxwire: resume with --last-event-id 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := false
				server := func(w http.ResponseWriter, r *http.Request) {
					sends("id: 1\ndata: a\n\n: x\n\nid: 2\ndata: b\n\n")(w, r)
					http.NewResponseController(w).Flush()
					<-r.Context().Done()
					left = true
				}
				var stderr strings.Builder
				code := inMemory(t, t.Context(), server, Env{Stdout: &brokenPipe{1, tt.err}, Stderr: &stderr}, tt.command, append(tt.args, base)...)
				got := strings.ReplaceAll(stderr.String(), "fluxwire: connected to http://stream.test\n", "")
				if code != tt.code || got != tt.says || !left {
					t.Errorf("exit code %d, standard error %q, connection closed %v; want %d, %q, true", code, got, left, tt.code, tt.says)
				}
			})
		})
	}
	for _, tt := range []struct {
		err  error
		code int
	}{{gone, 0}, {noSpace, 1}} {
		for _, args := range [][]string{{"tail", "--help"}, {"ping", "--help"}, {"ping"}} {
			synctest.Test(t, func(t *testing.T) {
				env := Env{Stdout: &brokenPipe{0, tt.err}, Stderr: io.Discard}
				if code := inMemory(t, t.Context(), answers(200, "text/plain", "x"), env, args[0], args[1:]...); code != tt.code {
					t.Errorf("%q with %v: exit code %d, want %d", args, tt.err, code, tt.code)
				}
			})
		}
	}
}
