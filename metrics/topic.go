package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/hub"
)

// A TopicCollector reads the [hub.Stats] of one topic at each scrape. Register it
// with a [prometheus.Registerer], which refuses a second one for a topic of the same
// name.
type TopicCollector struct {
	topic   Topic
	metrics []topicMetric
}

// A Topic is what a [TopicCollector] reads: a [*hub.Topic] of any type, or a [*hub.Feed].
type Topic interface {
	Name() string
	Stats() hub.Stats
}

type topicMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(hub.Stats) float64
}

// NewTopicCollector returns a TopicCollector of topic's counts. The label topic is the
// topic's name.
func NewTopicCollector(topic Topic) *TopicCollector {
	c := &TopicCollector{topic: topic}
	add := func(kind prometheus.ValueType, name, help string, value func(hub.Stats) float64) {
		desc := prometheus.NewDesc("fluxwire_topic_"+name, help, nil, prometheus.Labels{"topic": topic.Name()})
		c.metrics = append(c.metrics, topicMetric{desc, kind, value})
	}
	counter := func(name, help string, value func(hub.Stats) uint64) {
		add(prometheus.CounterValue, name, help, func(s hub.Stats) float64 { return float64(value(s)) })
	}
	gauge := func(name, help string, value func(hub.Stats) float64) { add(prometheus.GaugeValue, name, help, value) }

	counter("events_appended_total", "Events stored.", func(s hub.Stats) uint64 { return s.Appended })
	counter("bytes_appended_total", "Bytes of the events stored, as they go out but for their ids.", func(s hub.Stats) uint64 { return s.Bytes })
	counter("events_duplicate_total", "Events not stored, since one with their message id was stored before.", func(s hub.Stats) uint64 { return s.Duplicates })
	counter("events_refused_total", "Events not stored, since the topic cannot carry them.", func(s hub.Stats) uint64 { return s.Refused })
	counter("append_retries_total", "Attempts of a pipeline to store an event again after the log had failed.", func(s hub.Stats) uint64 { return s.Retries })
	counter("pipeline_failures_total", "Runs of a pipeline that ended with an error or a panic.", func(s hub.Stats) uint64 { return s.Failures })
	counter("pipeline_restarts_total", "Runs of a pipeline that were begun after a failure.", func(s hub.Stats) uint64 { return s.Restarts })
	counter("gaps_total", "Gaps that subscribers were told of.", func(s hub.Stats) uint64 { return s.Gaps })
	counter("events_missed_total", "Events missing in these gaps, as far as they can be counted.", func(s hub.Stats) uint64 { return s.Missed })
	counter("cuts_total", "Subscribers cut since their position was no longer in the window.", func(s hub.Stats) uint64 { return s.Cuts })
	counter("tail_restarts_total", "Times that the tail of the log ended and was begun again.", func(s hub.Stats) uint64 { return s.TailRestarts })

	gauge("first_event", "Number of the oldest event in the window.", func(s hub.Stats) float64 { return float64(s.First) })
	gauge("next_event", "Number of the event that comes next.", func(s hub.Stats) float64 { return float64(s.Next) })
	gauge("events_retained", "Events in the window.", func(s hub.Stats) float64 { return float64(s.Next - s.First) })
	gauge("subscribers", "Subscribers now.", func(s hub.Stats) float64 { return float64(s.Subscribers) })
	gauge("ended", "1 if the topic has ended, else 0.", func(s hub.Stats) float64 { return oneIf(s.Ended) })
	gauge("failed", "1 if the topic has ended with an error, else 0. A topic that was closed has not failed.",
		func(s hub.Stats) float64 { return oneIf(s.Err != nil && !errors.Is(s.Err, hub.ErrClosed)) })
	return c
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (c *TopicCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *TopicCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.topic.Stats()
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s))
	}
}
