package metrics

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxwire-go/fluxwire/internal/buildinfo"
)

// NewBuildCollector returns a collector of fluxwire_build_info, a gauge that is
// always 1. Its labels say which build of Fluxwire the program contains: version
// is that of the module, revision that of its repository, if the program was built
// there, and goversion that of Go. A label that is not known is "unknown".
func NewBuildCollector() prometheus.Collector {
	build := buildinfo.Read()
	known := func(s string) string { return cmp.Or(s, "unknown") }
	revision := known(build.Revision)
	if build.Modified {
		revision += "+modified"
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "fluxwire_build_info",
		Help:        "Always 1. The labels say which build of Fluxwire this is.",
		ConstLabels: prometheus.Labels{"version": known(build.Version), "revision": revision, "goversion": build.Go},
	}, func() float64 { return 1 })
}
