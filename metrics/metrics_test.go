package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
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
		whileOpen = gather(t, registry)["fluxwire_streams_open{numbers,portable}"]
		return nil
	})
	h := handlers.Values(srv, source, handlers.Name("numbers"))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))

	check(t, registry, map[string]float64{
		"fluxwire_streams_open{numbers,fast}":                  0,
		"fluxwire_streams_open{numbers,portable}":              0,
		"fluxwire_streams_opened_total{numbers}":               1,
		"fluxwire_streams_resumed_total{numbers}":              0,
		"fluxwire_streams_ended_total{complete,numbers}":       1,
		"fluxwire_stream_age_seconds{complete,numbers}":        1,
		"fluxwire_stream_age_seconds{complete,numbers} to 1":   1,
		"fluxwire_stream_age_seconds{complete,numbers} to day": 1,
		"fluxwire_events_sent_total{numbers}":                  2,
		"fluxwire_events_replayed_total{numbers}":              0,
		"fluxwire_events_missed_total{numbers}":                0,
		"fluxwire_lag_events{numbers}":                         0,
		"fluxwire_heartbeats_sent_total{numbers}":              0,
		"fluxwire_body_bytes_sent_total{numbers}":              float64(rec.Body.Len()),
	})
	if whileOpen != 1 {
		t.Errorf("streams_open was %v while one was, want 1", whileOpen)
	}
}

// A topic's readers that resume, that lag behind and that are told of a gap are
// counted, and the topic itself is.
func TestCollectorsTellOfTopics(t *testing.T) {
	srv, err := handlers.New(handlers.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := hub.New[string](hub.Config{Name: "prices", Events: 3, MaxEvent: 100, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	var first string
	for n := range 5 {
		pos, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: strconv.Itoa(n)})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = pos.String()
		}
	}
	if _, err := topic.Append(t.Context(), sse.ServerSentEvent[string]{Data: strings.Repeat("x", 200)}); err == nil {
		t.Fatal("the topic took an event that is too large")
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(srv), NewTopicCollector(topic))
	if err := registry.Register(NewTopicCollector(topic)); err == nil {
		t.Error("a second topic of the same name is taken; each scrape would fail")
	}

	h := handlers.Topic(srv, topic, handlers.Name("prices"))
	req := httptest.NewRequest("GET", "/?take=2", nil)
	req.Header.Set("Last-Event-ID", first)
	w := &looking{ResponseRecorder: httptest.NewRecorder()}
	var lags []float64
	w.look = func() { lags = append(lags, gather(t, registry)["fluxwire_lag_events{prices}"]) }
	h.ServeHTTP(w, req)
	// One missed and three kept: the gap is written, then what is wanted of them, then
	// the end.
	if want := []float64{4, 3, 0}; !slices.Equal(lags, want) {
		t.Errorf("at each write the lag was %v, want %v", lags, want)
	}

	check(t, registry, map[string]float64{
		"fluxwire_streams_open{prices,fast}":                  0,
		"fluxwire_streams_open{prices,portable}":              0,
		"fluxwire_streams_opened_total{prices}":               1,
		"fluxwire_streams_resumed_total{prices}":              1,
		"fluxwire_streams_ended_total{complete,prices}":       1,
		"fluxwire_stream_age_seconds{complete,prices}":        1,
		"fluxwire_stream_age_seconds{complete,prices} to 1":   1,
		"fluxwire_stream_age_seconds{complete,prices} to day": 1,
		"fluxwire_events_sent_total{prices}":                  2,
		"fluxwire_events_replayed_total{prices}":              2,
		"fluxwire_events_missed_total{prices}":                1,
		"fluxwire_gaps_total{retention,prices}":               1,
		"fluxwire_lag_events{prices}":                         0,
		"fluxwire_heartbeats_sent_total{prices}":              0,
		"fluxwire_body_bytes_sent_total{prices}":              float64(w.Body.Len()),

		"fluxwire_topic_events_appended_total{prices}":   5,
		"fluxwire_topic_bytes_appended_total{prices}":    45, // "data: n" and a blank line, five times
		"fluxwire_topic_events_refused_total{prices}":    1,
		"fluxwire_topic_pipeline_failures_total{prices}": 0,
		"fluxwire_topic_pipeline_restarts_total{prices}": 0,
		"fluxwire_topic_first_event{prices}":             3,
		"fluxwire_topic_next_event{prices}":              6,
		"fluxwire_topic_events_retained{prices}":         3,
		"fluxwire_topic_events_duplicate_total{prices}":  0,
		"fluxwire_topic_append_retries_total{prices}":    0,
		"fluxwire_topic_gaps_total{prices}":              1,
		"fluxwire_topic_events_missed_total{prices}":     1,
		"fluxwire_topic_cuts_total{prices}":              0,
		"fluxwire_topic_tail_restarts_total{prices}":     0,
		"fluxwire_topic_subscribers{prices}":             0,
		"fluxwire_topic_ended{prices}":                   0,
		"fluxwire_topic_failed{prices}":                  0,
	})
}

// A topic's stream over a socket is one of the fast transport, where there is that.
func TestOpenStreamsAreCountedByTransport(t *testing.T) {
	served := handlers.TransportFast.String()
	if _, err := handlers.New(handlers.Config{Transport: handlers.TransportFast}); err != nil {
		served = handlers.TransportPortable.String()
	}
	srv, err := handlers.New(handlers.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := hub.New[string](hub.Config{Name: "prices", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	web := httptest.NewServer(handlers.Topic(srv, topic, handlers.Name("prices")))
	defer web.Close()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(srv))
	opened := func(accept string) io.Closer {
		req, err := http.NewRequestWithContext(t.Context(), "GET", web.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res.Body
	}
	defer srv.Shutdown(t.Context())
	defer opened("text/event-stream").Close()
	defer opened("application/x-ndjson").Close()

	want := map[string]float64{"fast": 0, "portable": 1}
	want[served]++
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		all := gather(t, registry)
		got := map[string]float64{"fast": all["fluxwire_streams_open{prices,fast}"], "portable": all["fluxwire_streams_open{prices,portable}"]}
		if maps.Equal(got, want) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("open by transport: %v, want %v", got, want)
		}
	}
}

func TestPipelinesOfATopicAreCounted(t *testing.T) {
	topic, err := hub.New[string](hub.Config{
		Name: "prices", Logger: slog.New(slog.DiscardHandler),
		Backoff: hub.Backoff{Min: time.Nanosecond, Max: time.Nanosecond, Healthy: time.Hour, MaxRestarts: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer topic.Close()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewTopicCollector(topic))
	broken := errors.New("broken")
	if err := topic.Publish(t.Context(), streams.Throw[sse.ServerSentEvent[string]](broken)); !errors.Is(err, broken) {
		t.Fatalf("Publish = %v, want %v", err, broken)
	}
	got := gather(t, registry)
	failures, restarts := got["fluxwire_topic_pipeline_failures_total{prices}"], got["fluxwire_topic_pipeline_restarts_total{prices}"]
	if failures != 3 || restarts != 2 {
		t.Errorf("%v failures, %v restarts; want 3, 2", failures, restarts)
	}
}

// A looking recorder looks at something before each write.
type looking struct {
	*httptest.ResponseRecorder
	look func()
}

func (w *looking) Write(b []byte) (int, error) {
	w.look()
	return w.ResponseRecorder.Write(b)
}

// check checks that g has these metrics and no others.
func check(t *testing.T, g prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := gather(t, g)
	for name, want := range want {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("metrics that no test knows: %v", got)
	}
}

// gather returns the value of each metric by its name and labels: of a histogram how
// many there were, in all, in a second and in a day.
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
			name := f.GetName() + "{" + labels + "}"
			if h := m.GetHistogram(); h != nil {
				values[name] = float64(h.GetSampleCount())
				for _, b := range h.GetBucket() {
					switch b.GetUpperBound() {
					case 1:
						values[name+" to 1"] = float64(b.GetCumulativeCount())
					case 24 * 60 * 60:
						values[name+" to day"] = float64(b.GetCumulativeCount())
					}
				}
				continue
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
