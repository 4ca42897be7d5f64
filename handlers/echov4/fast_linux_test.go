package echov4_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/handlers/echov4"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/socket"
	"github.com/fluxwire-go/fluxwire/sse"
)

// Echo's own Response does not keep a topic's stream from the fast transport,
// whether a connection is hijacked or known by ConnContext.
func TestHandlerFastTransport(t *testing.T) {
	if !socket.Supported {
		t.Skip("this system has no fast transport")
	}
	for _, tt := range []struct {
		name        string
		connContext bool
		middleware  []echo.MiddlewareFunc
		fast        int
	}{
		{"hijacked", false, nil, 1},
		{"by ConnContext", true, nil, 1},
		{"Gzip is bypassed", true, []echo.MiddlewareFunc{middleware.Gzip()}, 1},
		{"with middleware that wraps the response", true, []echo.MiddlewareFunc{wrap(func(w http.ResponseWriter) http.ResponseWriter { return openWriter{deafWriter{w}} })}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, handlers.Config{})
			topic, err := hub.New[string](hub.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer topic.Close()
			e := echo.New()
			e.GET("/:name", echov4.Handler(handlers.Topic(srv, topic)), tt.middleware...)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: e}
			if tt.connContext {
				server.ConnContext = handlers.ConnContext
			}
			var serving sync.WaitGroup
			serving.Go(func() { server.Serve(ln) })
			defer serving.Wait()
			defer server.Close()

			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute)) // for a test that would hang
			io.WriteString(conn, "GET /topic HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
			in := bufio.NewReader(conn)
			until(t, in, ": /:name")

			if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: "x"}); err != nil {
				t.Fatal(err)
			}
			until(t, in, "data: x") // written by the transport that the stream stays with
			if got := srv.Stats().Routes["/:name"].Fast; got != tt.fast {
				t.Errorf("%d streams are fast, want %d", got, tt.fast)
			}
			topic.Complete()
			if rest := read(t, in); !strings.Contains(rest, "event: stream.complete\n") {
				t.Errorf("the stream ends with %q", rest)
			}
			if err := srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
