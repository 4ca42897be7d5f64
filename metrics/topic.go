package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/hub"
)

// A TopicCollector reads the [hub.Stats] of one topic at each scrape. Register it
// with a [prometheus.Registerer], which refuses a second one for a topic of the same
// name.
type TopicCollector struct {
	feed     *hub.Feed
	counters map[*prometheus.Desc]func(hub.Stats) uint64
	gauges   map[*prometheus.Desc]func(hub.Stats) uint64
}

// NewTopicCollector returns a TopicCollector of the counts of feed's topic, see
// [hub.Topic.Feed]. The label topic is the topic's name.
func NewTopicCollector(feed *hub.Feed) *TopicCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("fluxwire_topic_"+name, help, nil, prometheus.Labels{"topic": feed.Name()})
	}
	return &TopicCollector{
		feed: feed,
		counters: map[*prometheus.Desc]func(hub.Stats) uint64{
			desc("events_appended_total", "Events stored."):                                               func(s hub.Stats) uint64 { return s.Appended },
			desc("bytes_appended_total", "Bytes of the events stored, as they go out but for their ids."): func(s hub.Stats) uint64 { return s.Bytes },
			desc("events_refused_total", "Events not stored, since the topic cannot carry them."):         func(s hub.Stats) uint64 { return s.Refused },
			desc("pipeline_failures_total", "Runs of a pipeline that ended with an error or a panic."):    func(s hub.Stats) uint64 { return s.Failures },
			desc("pipeline_restarts_total", "Runs of a pipeline that were begun after a failure."):        func(s hub.Stats) uint64 { return s.Restarts },
		},
		gauges: map[*prometheus.Desc]func(hub.Stats) uint64{
			desc("first_event", "Number of the oldest event in the window."): func(s hub.Stats) uint64 { return s.First },
			desc("next_event", "Number of the event that comes next."):       func(s hub.Stats) uint64 { return s.Next },
			desc("events_retained", "Events in the window."):                 func(s hub.Stats) uint64 { return s.Next - s.First },
		},
	}
}

// Describe implements [prometheus.Collector].
func (c *TopicCollector) Describe(ch chan<- *prometheus.Desc) {
	for d := range c.counters {
		ch <- d
	}
	for d := range c.gauges {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *TopicCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.feed.Stats()
	for d, value := range c.counters {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value(s)))
	}
	for d, value := range c.gauges {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value(s)))
	}
}
