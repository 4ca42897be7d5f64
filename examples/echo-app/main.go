// A typical Echo application with one event stream: the lines that the stream
// needs are marked.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/handlers/echov4"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

func routes(srv *handlers.Server) *echo.Echo {
	orders := streams.NewSubject[sse.ServerSentEvent[order]](streams.SubjectConfig{}) // the stream

	e := echo.New()
	e.Use(middleware.Recover())
	e.POST("/orders", func(c echo.Context) error {
		var o order
		if err := c.Bind(&o); err != nil {
			return err
		}
		if err := orders.Next(sse.ServerSentEvent[order]{Event: "order", Data: o}); err != nil { // its source
			return err
		}
		return c.JSON(http.StatusCreated, o)
	})
	e.GET("/orders/live", echov4.Handler(handlers.Subject(srv, orders))) // its route
	return e
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	srv, err := handlers.New(handlers.Config{}) // owns the open streams
	if err != nil {
		log.Fatal(err)
	}
	e := routes(srv)

	var stopping sync.WaitGroup
	stopping.Go(func() {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(within) // first: Echo waits for open streams, and they would stay open
		e.Shutdown(within)
	})
	if err := e.Start(":8080"); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	stopping.Wait()
}
