package metrics

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A pedantic registry checks what is collected against what is described.
func TestCollectorTellsWhatTheServerCounted(t *testing.T) {
	srv, err := handlers.New(handlers.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(srv))

	var whileOpen float64
	source := streams.Create(func(ctx context.Context, emit func(int) bool) error {
		emit(1)
		emit(2)
		whileOpen = gather(t, registry)["fluxwire_streams_open{numbers}"]
		return nil
	})
	h := handlers.Values(srv, source, handlers.Name("numbers"))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))

	got := gather(t, registry)
	for name, want := range map[string]float64{
		"fluxwire_streams_open{numbers}":                 0,
		"fluxwire_streams_opened_total{numbers}":         1,
		"fluxwire_streams_ended_total{complete,numbers}": 1,
		"fluxwire_events_sent_total{numbers}":            2,
		"fluxwire_events_missed_total{numbers}":          0,
		"fluxwire_heartbeats_sent_total{numbers}":        0,
		"fluxwire_body_bytes_sent_total{numbers}":        float64(rec.Body.Len()),
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("metrics that no test knows: %v", got)
	}
	if whileOpen != 1 {
		t.Errorf("streams_open was %v while one was, want 1", whileOpen)
	}
}

// gather returns the value of each metric by its name and labels.
func gather(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				if labels != "" {
					labels += ","
				}
				labels += l.GetValue()
			}
			values[f.GetName()+"{"+labels+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
