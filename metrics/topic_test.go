package metrics

import (
	"errors"
	"maps"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/hub"
)

type fakeTopic struct{ stats hub.Stats }

func (f *fakeTopic) Name() string     { return "fake" }
func (f *fakeTopic) Stats() hub.Stats { return f.stats }

var (
	_ Topic = (*hub.Topic[int])(nil)
	_ Topic = (*hub.Feed)(nil)
)

// Every field of hub.Stats is exported: a metric changes with it.
func TestTopicCollectorExportsAllStats(t *testing.T) {
	topic := new(fakeTopic)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewTopicCollector(topic))
	zero := gather(t, registry)
	changed := make(map[string]string) // the field by the metric
	for field := range reflect.TypeFor[hub.Stats]().Fields() {
		topic.stats = hub.Stats{}
		v := reflect.ValueOf(&topic.stats).Elem().FieldByIndex(field.Index)
		switch {
		case field.Name == "Name": // the label
			continue
		case v.CanUint():
			v.SetUint(7)
		case v.CanInt():
			v.SetInt(7)
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		case field.Type == reflect.TypeFor[error]():
			v.Set(reflect.ValueOf(errors.New("broken")))
		default:
			t.Fatalf("%s has the type %v, which this test does not know", field.Name, field.Type)
		}
		n := 0
		for name, value := range gather(t, registry) {
			if value != zero[name] {
				n++
				changed[name] = field.Name
			}
		}
		if n == 0 {
			t.Errorf("hub.Stats.%s is not exported: no metric changes with it", field.Name)
		}
	}
	for name := range maps.Keys(zero) {
		if changed[name] == "" {
			t.Errorf("%s changes with no field of hub.Stats", name)
		}
	}
}

func TestTopicCollectorFailed(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want float64
	}{{nil, 0}, {hub.ErrClosed, 0}, {errors.New("broken"), 1}} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(NewTopicCollector(&fakeTopic{hub.Stats{Ended: true, Err: tt.err}}))
		got := gather(t, registry)
		if got["fluxwire_topic_failed{fake}"] != tt.want || got["fluxwire_topic_ended{fake}"] != 1 {
			t.Errorf("a topic that ended with %v: %v; want failed = %v, ended = 1", tt.err, got, tt.want)
		}
	}
}
