// Package metrics gives Prometheus the counters that the other rooms keep.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/handlers"
)

// A Collector reads a [handlers.Server]'s [handlers.Stats] at each scrape.
// Register it with a [prometheus.Registerer].
type Collector struct {
	srv *handlers.Server
}

// NewCollector returns a Collector of srv's counters.
func NewCollector(srv *handlers.Server) *Collector { return &Collector{srv} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fluxwire_"+name, help, append([]string{"route"}, labels...), nil)
}

var (
	streamsOpen   = desc("streams_open", "Streams open now.")
	streamsOpened = desc("streams_opened_total", "Streams that were opened.")
	streamsEnded  = desc("streams_ended_total", "Streams that have ended, by reason.", "reason")
	events        = desc("events_sent_total", "Events written to clients, control events not counted.")
	missed        = desc("events_missed_total", "Events that clients missed by reading too slowly, and were told of.")
	heartbeats    = desc("heartbeats_sent_total", "Heartbeats written to clients.")
	bytes         = desc("body_bytes_sent_total", "Bytes of stream bodies written to clients.")
)

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{streamsOpen, streamsOpened, streamsEnded, events, missed, heartbeats, bytes} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for name, r := range c.srv.Stats().Routes {
		gauge := func(d *prometheus.Desc, v int) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), name)
		}
		counter := func(d *prometheus.Desc, v uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{name}, labels...)...)
		}
		gauge(streamsOpen, r.Open)
		counter(streamsOpened, r.Opened)
		counter(events, r.Events)
		counter(missed, r.Missed)
		counter(heartbeats, r.Heartbeats)
		counter(bytes, r.Bytes)
		for reason, n := range r.Ended {
			counter(streamsEnded, n, string(reason))
		}
	}
}
