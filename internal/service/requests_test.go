package service_test

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/internal/memnet"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// TestUnfinishedRequestIsCut: a client that sends a part of a request, and then
// nothing, does not keep its connection for long.
func TestUnfinishedRequestIsCut(t *testing.T) {
	const form = "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n"
	for _, tt := range []struct {
		what    string
		request string
		status  int // 0: no answer
		after   time.Duration
	}{
		{"nothing", "", 0, 10 * time.Second},
		{"half a head", "GET /stream-flux HTTP/1.1\r\nHost:", 0, 10 * time.Second},
		{"half a form", form + "\r\nmessage=", http.StatusRequestTimeout, 10 * time.Second},
		{"half a form on demand", form + "Expect: 100-continue\r\n\r\n", http.StatusRequestTimeout, 10 * time.Second},
		{"a stream without the body that was announced", "GET /stream-flux HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", http.StatusRequestTimeout, 10 * time.Second},
		{
			"an array without the body that was announced",
			"GET /stream-flux?take=1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
			http.StatusRequestTimeout, 10 * time.Second,
		},
		{"half a body to nowhere", "PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", http.StatusNotFound, 10 * time.Second},
		{"a whole request and no other", "GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusOK, 2 * time.Minute},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln, _ := servicetest.ServeMem(t, service.Config{})
				conn, err := ln.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Hour))
				start := time.Now()
				go io.WriteString(conn, tt.request)
				answer, err := io.ReadAll(conn)
				if took := time.Since(start); err != nil || took != tt.after {
					t.Errorf("cut after %v, %v; want %v", took, err, tt.after)
				}
				status := 0
				text := strings.TrimPrefix(string(answer), "HTTP/1.1 100 Continue\r\n\r\n")
				if res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil); err == nil {
					status = res.StatusCode
				}
				if status != tt.status {
					t.Errorf("answer %.200q, want status %d", answer, tt.status)
				}
			})
		})
	}
}

// A client that asks for much and reads nothing does not keep its connection for long.
func TestAnswer_unread(t *testing.T) {
	for _, path := range []string{"/metrics", "/app.js", "/ping", "/nowhere"} {
		synctest.Test(t, func(t *testing.T) {
			ln, _ := servicetest.ServeMem(t, service.Config{})
			conn, err := ln.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			time.Sleep(20*time.Second + time.Millisecond)
			if b, err := io.ReadAll(conn); len(b) > 0 || err != nil {
				t.Errorf("%s: after 20s the connection has %q, %v; want it closed", path, b, err)
			}
		})
	}
}

// The body of a request for a stream changes nothing: the service still notices when
// the client leaves.
func TestStream_requestBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, _ := servicetest.ServeMem(t, service.Config{Heartbeat: handlers.Off})
		conn, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n"+strings.Repeat("body ", 8000))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("answer %+v, %v; want a stream", res, err)
		}
		client := memClient(t, ln)
		if got := testkit.Metric(t, client, servicetest.MemURL, "fluxwire_streams_open"); got != 1 {
			t.Fatalf("%d streams open, want 1", got)
		}
		conn.Close()
		synctest.Wait()
		if got := testkit.Metric(t, client, servicetest.MemURL, "fluxwire_streams_open"); got != 0 {
			t.Errorf("%d streams open after the client left, want 0", got)
		}

		for _, request := range []string{
			"Content-Length: 65537\r\n\r\n" + strings.Repeat("b", 65537),
			"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + strings.Repeat("b", 65537) + "\r\n0\r\n\r\n",
		} {
			wantAnswer(t, ln, "GET /events HTTP/1.1\r\nHost: x\r\n"+request, http.StatusRequestEntityTooLarge, "the request's body is longer than 65536 bytes")
		}
		wantAnswer(t, ln, "GET /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nthis is no chunk\r\n", http.StatusBadRequest, "the request's body cannot be read")
	})
}

// A ping that cannot be read is refused, and not published as pong!.
func TestPing_invalid(t *testing.T) {
	form := func(body string) string {
		return "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
	}
	multipart := func(body string) string {
		return "POST /ping HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=cut\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
	}
	part := "--cut\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n"
	synctest.Test(t, func(t *testing.T) {
		ln, _ := servicetest.ServeMem(t, service.Config{})
		stream := testkit.Open(t, memClient(t, ln), servicetest.MemURL+"/events")
		for _, tt := range []struct {
			request string
			status  int
			says    string
		}{
			{"GET /ping?message=%zz HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest, "invalid URL escape"},
			{"GET /ping?message=%ff HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest, "not valid UTF-8"},
			{"GET /ping?message=" + strings.Repeat("x", 65537) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestEntityTooLarge, "65536 bytes"},
			{form("message=%zz"), http.StatusBadRequest, "invalid URL escape"},
			{form("message=" + strings.Repeat("x", 65537)), http.StatusRequestEntityTooLarge, "65536 bytes"},
			{form("message=" + strings.Repeat("x", 300_000)), http.StatusRequestEntityTooLarge, "65536 bytes"},
			{multipart(part + "no end"), http.StatusBadRequest, "cannot be read"},
			{multipart(part + strings.Repeat("x", 65537) + "\r\n--cut--\r\n"), http.StatusRequestEntityTooLarge, "65536 bytes"},
			{multipart(part + strings.Repeat("x", 300_000) + "\r\n--cut--\r\n"), http.StatusRequestEntityTooLarge, "65536 bytes"},
		} {
			wantAnswer(t, ln, tt.request, tt.status, tt.says)
		}
		for _, tt := range []struct{ request, message string }{
			{"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", "pong!"},
			{"GET /ping?message=" + strings.Repeat("%C3%A4", 32768) + " HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("ä", 32768)},
			{form("message=" + strings.Repeat("%20", 65536)), strings.Repeat(" ", 65536)},
			{multipart(part + "a\nb\r\n--cut--\r\n"), "a\nb"},
		} {
			wantAnswer(t, ln, tt.request, http.StatusOK, "sent ping!")
			stream.Want("", tt.message)
		}
	})
}

func memClient(t *testing.T, ln *memnet.Listener) *http.Client {
	return testkit.Client(t, ln.Transport())
}

// chunked is body in the chunked transfer coding.
func chunked(body string) string {
	return strings.Join([]string{strconv.FormatInt(int64(len(body)), 16), body, "0", "", ""}, "\r\n")
}

// wantAnswer sends request on a connection of its own and checks the answer.
func wantAnswer(t *testing.T, ln *memnet.Listener, request string, status int, says string) {
	t.Helper()
	conn, err := ln.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != status || !strings.Contains(string(body), says) || err != nil {
		t.Errorf("%.60q: %s %.200q, %v; want %d and %q", request, res.Status, body, err, status, says)
	}
}
