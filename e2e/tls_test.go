package e2e_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

func TestTLSOverSockets(t *testing.T) {
	cert, key, trusting := testkit.Certificate(t)
	s := servicetest.Serve(t, service.Config{TLSCert: cert, TLSKey: key})
	client := testkit.Client(t, &http.Transport{TLSClientConfig: trusting, ForceAttemptHTTP2: true})
	stream := testkit.Open(t, client, s.URL+"/events")
	if got := stream.Res.Proto; got != "HTTP/2.0" {
		t.Errorf("protocol = %s, want HTTP/2.0", got)
	}
	if got := stream.Res.Header.Get("Connection"); got != "" {
		t.Errorf("Connection: %s, which HTTP/2 forbids (RFC 9113, section 8.2.2)", got)
	}
	testkit.Ping(t, client, s.URL, "through TLS")
	stream.Want("", "through TLS")

	// Clients that fail leave no line in the log.
	if _, err := testkit.Client(t, nil).Get(s.URL); err == nil {
		t.Error("a client that does not trust the certificate was served")
	}
	if conn, err := net.Dial("tcp", s.Addr); err != nil {
		t.Error(err)
	} else {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer, _ := io.ReadAll(conn); !strings.Contains(string(answer), "400 Bad Request") {
			t.Errorf("plain HTTP was answered with %q, want status 400", answer)
		}
		conn.Close()
	}

	if err := s.Stop(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if ev, err := stream.Next(); err != nil || ev.Event != "stream.bye" {
		t.Errorf("at the end of the service: %q, %v; want stream.bye", ev.Event, err)
	}
	if got := s.Log.String(); got != "" {
		t.Errorf("the log says\n%s\nwant nothing", got)
	}
}

// An HTTP/1.0 answer ends with its connection. One that is cut must not look whole, so
// TLS must not send close_notify either.
func TestHTTP10_linesAreCut(t *testing.T) {
	cert, key, trusting := testkit.Certificate(t)
	s := servicetest.Serve(t, service.Config{TLSCert: cert, TLSKey: key})
	conn, err := tls.Dial("tcp", s.Addr, trusting)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(testkit.Patience))
	io.WriteString(conn, "GET /stream-flux HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n")
	answer := bufio.NewReader(conn)
	for {
		line, err := answer.ReadString('\n')
		if err != nil {
			t.Fatalf("the answer ends with %q, %v; want a line of the stream", line, err)
		}
		if strings.HasPrefix(line, `"Flux - `) {
			break
		}
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if rest, err := io.ReadAll(answer); err == nil {
		t.Errorf("at the end of the service the lines end with %q and without an error, want them to be cut", rest)
	}
}
