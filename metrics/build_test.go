package metrics

import (
	"cmp"
	"maps"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/internal/buildinfo"
)

func TestBuildCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewBuildCollector())
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "fluxwire_build_info" || len(families[0].Metric) != 1 {
		t.Fatalf("gathered %v, %v; want fluxwire_build_info alone", families, err)
	}
	m := families[0].Metric[0]
	got := make(map[string]string)
	for _, l := range m.Label {
		got[l.GetName()] = l.GetValue()
	}
	// A test is built without a revision.
	want := map[string]string{"version": cmp.Or(buildinfo.Read().Version, "unknown"), "revision": "unknown", "goversion": runtime.Version()}
	if m.GetGauge().GetValue() != 1 || !maps.Equal(got, want) {
		t.Errorf("fluxwire_build_info%v = %v, want %v = 1", got, m.GetGauge().GetValue(), want)
	}
}
