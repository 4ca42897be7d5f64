package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

type Order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

// A whole program: a stream, its server, and how to stop both.
func ExampleNew() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/count", handlers.Values(srv, streams.Range(0, 3)))
	server := httptest.NewServer(mux) // in a program: an http.Server and ListenAndServe

	req, err := http.NewRequest(http.MethodGet, server.URL+"/count", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(body))

	// First end the streams, for which the http.Server would wait.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	server.Close()
	// Output:
	// 0
	// 1
	// 2
}

// A topic keeps its events for a while. A client that was away sends the id of the last
// event it got, and gets what came after it.
func ExampleTopic() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	orders, err := hub.New[Order](hub.Config{Name: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	defer orders.Close()
	handler := handlers.Topic(srv, orders)

	seen, err := orders.Append(context.Background(), sse.Named("order", Order{"tea", 1}))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.Append(context.Background(), sse.Named("order", Order{"milk", 2})); err != nil {
		log.Fatal(err)
	}

	req := httptest.NewRequest(http.MethodGet, "/orders?take=1", nil)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Last-Event-ID", seen.String())
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)

	var missed []sse.ServerSentEvent[Order]
	if err := json.Unmarshal(rec.Body.Bytes(), &missed); err != nil {
		log.Fatal(err)
	}
	for _, ev := range missed {
		fmt.Println(ev.Event, ev.Data)
	}
	// Output: order {milk 2}
}

// Each request runs the source for itself.
func ExampleEvents() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	orders := streams.Of(Order{"tea", 1}, Order{"milk", 2})
	handler := handlers.Events(srv, streams.Map(orders, sse.As[Order]("order")))

	req := httptest.NewRequest(http.MethodGet, "/orders", nil)
	req.Header.Set("Accept", "application/x-ndjson")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)
	fmt.Print(rec.Body)
	// Output:
	// {"event":"order","data":{"item":"tea","count":1}}
	// {"event":"order","data":{"item":"milk","count":2}}
	// {"id":"end","event":"stream.complete","data":{}}
}

// The source can depend on the request. Its error is a problem document.
func ExampleEventsFunc() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/orders/{item}", handlers.EventsFunc(srv,
		func(r *http.Request) (streams.Observable[sse.ServerSentEvent[Order]], error) {
			item := r.PathValue("item")
			if item != "tea" {
				return streams.Observable[sse.ServerSentEvent[Order]]{}, &handlers.Problem{
					Status: http.StatusNotFound,
					Detail: "nobody sells " + item,
				}
			}
			return streams.Of(sse.Named("order", Order{item, 1})), nil
		}, handlers.Finite()))

	for _, path := range []string{"/orders/tea", "/orders/fog"} {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Accept", "application/json")
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, req)
		fmt.Print(rec.Code, " ", rec.Body)
	}
	// Output:
	// 200 [{"event":"order","data":{"item":"tea","count":1}}]
	// 404 {"title":"Not Found","status":404,"detail":"nobody sells fog"}
}

// Values serves data without names and ids. The source says that it has an end, so that
// it can be asked for as a JSON array.
func ExampleValues() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	handler := handlers.Values(srv, streams.Range(1, 3), handlers.Finite())

	req := httptest.NewRequest(http.MethodGet, "/numbers", nil)
	req.Header.Set("Accept", "application/json")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)
	fmt.Print(rec.Body)
	// Output: [1,2,3]
}

// Send returns when the event has been written, or with an error when the client has
// left.
func ExampleEmit() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	handler := handlers.Emit(srv, func(_ context.Context, e *handlers.Emitter[int]) error {
		for percent := 50; percent <= 100; percent += 50 {
			if err := e.Send(sse.Named("progress", percent)); err != nil {
				return err
			}
		}
		return nil // the stream completes
	})

	req := httptest.NewRequest(http.MethodGet, "/progress", nil)
	req.Header.Set("Accept", "application/x-ndjson")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)
	fmt.Print(rec.Body)
	// Output:
	// {"event":"progress","data":50}
	// {"event":"progress","data":100}
	// {"id":"end","event":"stream.complete","data":{}}
}

// Each client chooses the events it gets by a query parameter.
func ExampleFilter() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	topic, err := hub.New[Order](hub.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer topic.Close()
	for _, name := range []string{"placed", "paid", "sent"} {
		if _, err := topic.Append(context.Background(), sse.Named(name, Order{"tea", 1})); err != nil {
			log.Fatal(err)
		}
	}
	handler := handlers.Topic(srv, topic, handlers.Filter(func(r *http.Request) (hub.Filter, error) {
		names := r.URL.Query()["name"]
		if len(names) == 0 {
			return hub.Filter{}, nil // everything
		}
		return hub.Named(names...), nil
	}))

	req := httptest.NewRequest(http.MethodGet, "/orders?earliest&take=2&name=placed&name=sent", nil)
	req.Header.Set("Accept", "application/json")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, req)

	var chosen []sse.ServerSentEvent[Order]
	if err := json.Unmarshal(rec.Body.Bytes(), &chosen); err != nil {
		log.Fatal(err)
	}
	for _, ev := range chosen {
		fmt.Println(ev.Event, ev.Data)
	}
	// Output:
	// placed {tea 1}
	// sent {tea 1}
}

// Authorize says who may open a stream, and for how long.
func ExampleConfig_Authorize() {
	users := map[string]string{"Bearer 123": "ann"}
	srv, err := handlers.New(handlers.Config{
		Authorize: func(r *http.Request, access handlers.Access) (handlers.Grant, error) {
			user, ok := users[r.Header.Get("Authorization")]
			if !ok {
				return handlers.Grant{}, &handlers.Problem{
					Status: http.StatusUnauthorized,
					Detail: "log in to " + string(access.Action) + " to " + access.Route,
				}
			}
			return handlers.Grant{Subject: user, Expires: time.Now().Add(time.Hour)}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := handlers.Values(srv, streams.Of("hello"), handlers.Name("greetings"), handlers.Finite())

	for _, token := range []string{"Bearer 123", "Bearer 456"} {
		req := httptest.NewRequest(http.MethodGet, "/greetings", nil)
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Authorization", token)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		fmt.Print(rec.Code, " ", rec.Body)
	}
	// When ann may no longer read, end what she has open.
	delete(users, "Bearer 123")
	fmt.Println(srv.End("ann"), "streams were open")
	// Output:
	// 200 ["hello"]
	// 401 {"title":"Unauthorized","status":401,"detail":"log in to subscribe to greetings"}
	// 0 streams were open
}
