package metrics_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/metrics"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Two streams end, and Prometheus reads how many and why.
func ExampleNewCollector() {
	srv, err := handlers.New(handlers.Config{})
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewCollector(srv))

	mux := http.NewServeMux()
	mux.Handle("/numbers", handlers.Values(srv, streams.Of(1, 2, 3)))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	for range 2 {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/numbers", nil))
	}
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "fluxwire_streams_ended_total") || strings.HasPrefix(line, "fluxwire_events_sent_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// fluxwire_events_sent_total{route="/numbers"} 6
	// fluxwire_streams_ended_total{reason="complete",route="/numbers"} 2
}
