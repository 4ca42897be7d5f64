// Package metrics exports the counts of servers and topics to Prometheus.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/handlers"
)

// A Collector reads a [handlers.Server]'s [handlers.Stats] at each scrape.
// Register it with a [prometheus.Registerer].
//
// Its labels have few values: the names of routes, of which the Server counts at most
// 1,000, and reasons, which are constants.
type Collector struct {
	srv *handlers.Server
}

// NewCollector returns a Collector of srv's counters.
func NewCollector(srv *handlers.Server) *Collector { return &Collector{srv} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fluxwire_"+name, help, append([]string{"route"}, labels...), nil)
}

var (
	streamsOpen    = desc("streams_open", "Streams open now, by transport.", "transport")
	streamsOpened  = desc("streams_opened_total", "Streams that were opened.")
	streamsResumed = desc("streams_resumed_total", "Streams of a topic that began after an event the client had.")
	streamsEnded   = desc("streams_ended_total", "Streams that have ended, by reason.", "reason")
	streamAge      = desc("stream_age_seconds", "Age of streams when they ended, by reason.", "reason")
	events         = desc("events_sent_total", "Events written to clients, control events not counted.")
	replayed       = desc("events_replayed_total", "Events of a topic written that were there before their stream.")
	missed         = desc("events_missed_total", "Events that clients missed and were told of, as far as they can be counted.")
	gaps           = desc("gaps_total", "Times that clients were told of missing events, by reason.", "reason")
	lag            = desc("lag_events", "Events of its topic that the open stream furthest behind has not written.")
	heartbeats     = desc("heartbeats_sent_total", "Heartbeats written to clients.")
	bytes          = desc("body_bytes_sent_total", "Bytes of stream bodies written to clients.")
)

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		streamsOpen, streamsOpened, streamsResumed, streamsEnded, streamAge,
		events, replayed, missed, gaps, lag, heartbeats, bytes,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for name, r := range c.srv.Stats().Routes {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{name}, labels...)...)
		}
		counter := func(d *prometheus.Desc, v uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{name}, labels...)...)
		}
		gauge(streamsOpen, float64(r.Open-r.Fast), handlers.TransportPortable.String())
		gauge(streamsOpen, float64(r.Fast), handlers.TransportFast.String())
		gauge(lag, float64(r.Lag))
		counter(streamsOpened, r.Opened)
		counter(streamsResumed, r.Resumed)
		counter(events, r.Events)
		counter(replayed, r.Replayed)
		counter(missed, r.Missed)
		counter(heartbeats, r.Heartbeats)
		counter(bytes, r.Bytes)
		for reason, n := range r.Gaps {
			counter(gaps, n, string(reason))
		}
		for reason, n := range r.Ended {
			counter(streamsEnded, n, string(reason))
		}
		for reason, ages := range r.Ages {
			buckets := make(map[float64]uint64, len(ages.UpTo))
			for age, n := range ages.UpTo {
				buckets[age.Seconds()] = n
			}
			ch <- prometheus.MustNewConstHistogram(streamAge, ages.Count, ages.Sum.Seconds(), buckets, name, string(reason))
		}
	}
}
