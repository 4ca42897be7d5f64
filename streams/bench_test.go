package streams_test

import (
	"context"
	"testing"

	"github.com/fluxwire-go/fluxwire/streams"
)

const items = 100_000

func double(n int) int   { return 2 * n }
func third(n int) bool   { return n%3 != 0 }
func add(acc, n int) int { return acc + n }

// pipelines are computations written twice: as streams, and as calls written by hand.
// The calls go through function values, so that the compiler cannot inline them, just
// as it cannot inline the functions given to operators.
var pipelines = []struct {
	name   string
	stream streams.Observable[int]
	calls  func(emit func(int) bool)
}{
	{
		"1 operator",
		streams.Map(streams.Range(0, items), double),
		func(emit func(int) bool) {
			f := opaque(double)
			for n := range items {
				if !emit(f(n)) {
					return
				}
			}
		},
	},
	{
		"3 operators",
		streams.Scan(streams.Map(streams.Range(0, items), double).Filter(third), 0, add),
		func(emit func(int) bool) {
			f, keep, acc := opaque(double), opaque(third), opaque(add)
			sum := 0
			for n := range items {
				if n = f(n); keep(n) {
					sum = acc(sum, n)
					if !emit(sum) {
						return
					}
				}
			}
		},
	},
	{
		"5 operators",
		streams.Scan(streams.Map(streams.Map(streams.Range(0, items), double).Filter(third), double).Filter(third), 0, add),
		func(emit func(int) bool) {
			f, keep, acc := opaque(double), opaque(third), opaque(add)
			sum := 0
			for n := range items {
				if n = f(n); !keep(n) {
					continue
				}
				if n = f(n); keep(n) {
					sum = acc(sum, n)
					if !emit(sum) {
						return
					}
				}
			}
		},
	},
}

//go:noinline
func opaque[F any](f F) F { return f }

func BenchmarkPipeline(b *testing.B) {
	for _, p := range pipelines {
		sum := 0
		emit := func(v int) bool { sum += v; return true }
		perItem := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
		}
		b.Run(p.name+"/streams", func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if err := p.stream.Run(ctx, emit); err != nil {
					b.Fatal(err)
				}
			}
			perItem(b)
		})
		b.Run(p.name+"/calls", func(b *testing.B) {
			emit := opaque(emit)
			b.ReportAllocs()
			for b.Loop() {
				p.calls(emit)
			}
			perItem(b)
		})
	}
}
