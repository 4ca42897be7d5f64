// Fluxwire serves typed, reactive event streams over HTTP.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

func main() {
	e := echo.New()
	e.GET("/stream-sse", func(c echo.Context) error {
		w := c.Response()
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w.Unwrap())
		ticks := streams.Map(streams.Interval(time.Second), func(i int) sse.ServerSentEvent[string] {
			return sse.ServerSentEvent[string]{ID: fmt.Sprint(i), Event: "periodic-event", Data: "SSE - " + time.Now().Format(time.TimeOnly)}
		})
		return ticks.Run(c.Request().Context(), func(ev sse.ServerSentEvent[string]) bool {
			b, err := sse.Append(nil, ev)
			if err != nil {
				return false
			}
			_, err = w.Write(b)
			return err == nil && rc.Flush() == nil
		})
	})
	if err := e.Start(":8080"); err != nil {
		fmt.Fprintln(os.Stderr, "fluxwire:", err)
		os.Exit(1)
	}
}
