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
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

func routes(srv *handlers.Server, orders *hub.Topic[order]) *echo.Echo {
	e := echo.New()
	e.Use(middleware.Recover())
	e.POST("/orders", func(c echo.Context) error {
		var o order
		if err := c.Bind(&o); err != nil {
			return err
		}
		if _, err := orders.Append(c.Request().Context(), sse.Named("order", o)); err != nil { // its source
			return err
		}
		return c.JSON(http.StatusCreated, o)
	})
	e.Any("/orders/live", echov4.Handler(handlers.Topic(srv, orders))) // its route
	return e
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	orders, err := hub.New[order](hub.Config{Name: "orders"}) // the stream
	if err != nil {
		log.Fatal(err)
	}
	srv, err := handlers.New(handlers.Config{}) // owns the connections
	if err != nil {
		log.Fatal(err)
	}
	e := routes(srv, orders)

	var stopping sync.WaitGroup
	stopping.Go(func() {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(within) // first: Echo waits for open streams, and they would stay open
		e.Shutdown(within)
		orders.Close()
	})
	if err := e.Start(":8080"); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	stopping.Wait()
}
