package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/handlers"
)

// A JSON answer of two values is a test's shortest client. In a bubble
// [synctest.Wait] returns once the stream is open and waits for an order.
func TestLiveOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := handlers.New(handlers.Config{})
		if err != nil {
			t.Fatal(err)
		}
		e := routes(srv)

		live := httptest.NewRecorder()
		var following sync.WaitGroup
		following.Go(func() {
			req := httptest.NewRequest(http.MethodGet, "/orders/live?take=2", nil)
			req.Header.Set("Accept", "application/json")
			e.ServeHTTP(live, req)
		})
		synctest.Wait()

		for _, body := range []string{`{"item":"tea","count":1}`, `{"item":"milk","count":2}`} {
			req := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			if e.ServeHTTP(rec, req); rec.Code != http.StatusCreated {
				t.Fatalf("POST /orders = %d %s, want 201", rec.Code, rec.Body)
			}
		}
		following.Wait()

		want := `[{"event":"order","data":{"item":"tea","count":1}},{"event":"order","data":{"item":"milk","count":2}}]` + "\n"
		if got := live.Body.String(); live.Code != http.StatusOK || got != want {
			t.Errorf("GET /orders/live?take=2 = %d %s, want 200 %s", live.Code, got, want)
		}
	})
}
