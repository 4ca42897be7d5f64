package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A JSON answer of a fixed number of events is a test's shortest client.
func TestLiveOrders(t *testing.T) {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		t.Fatal(err)
	}
	orders, err := hub.New[order](hub.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer orders.Close()
	e := routes(srv, orders)

	for _, body := range []string{`{"item":"tea","count":1}`, `{"item":"milk","count":2}`} {
		req := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		if e.ServeHTTP(rec, req); rec.Code != http.StatusCreated {
			t.Fatalf("POST /orders = %d %s, want 201", rec.Code, rec.Body)
		}
	}

	get := func(query, lastID string) (events []sse.ServerSentEvent[order]) {
		req := httptest.NewRequest(http.MethodGet, "/orders/live"+query, nil)
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Last-Event-ID", lastID)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		if err := json.Unmarshal(rec.Body.Bytes(), &events); err != nil {
			t.Fatalf("GET /orders/live%s = %d %s", query, rec.Code, rec.Body)
		}
		return events
	}
	first := get("?earliest&take=1", "")
	if len(first) != 1 || first[0].Event != "order" || first[0].Data != (order{"tea", 1}) {
		t.Fatalf("the oldest order is %+v, want the tea", first)
	}
	next := get("?take=1", first[0].ID) // as after a lost connection
	if len(next) != 1 || next[0].Data != (order{"milk", 2}) {
		t.Errorf("the order after %s is %+v, want the milk", first[0].ID, next)
	}
}
