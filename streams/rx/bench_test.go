package rx

import (
	"context"
	"testing"

	"github.com/fluxwire-go/fluxwire/streams"
	"github.com/reactivex/rxgo/v2"
)

// items is how many ints run through a pipeline of Map, Filter and Scan in one
// run. Half of them pass the Filter and are received.
const items = 100_000

func triple(v int) int { return 3 * v }

func even(v int) bool { return v%2 == 0 }

func add(acc, v int) int { return acc + v }

// rxOperators is the pipeline in RxGo, with functions that are not wrapped. The options
// of the last operator apply to the whole pipeline.
func rxOperators(in rxgo.Observable, opts ...rxgo.Option) rxgo.Observable {
	return in.
		Map(func(_ context.Context, v any) (any, error) { return triple(v.(int)), nil }).
		Filter(func(v any) bool { return even(v.(int)) }).
		Scan(func(_ context.Context, acc, v any) (any, error) {
			if acc == nil {
				return v, nil
			}
			return add(acc.(int), v.(int)), nil
		}, opts...)
}

// guardedOperators is rxOperators with wrapped functions.
func guardedOperators(ctx context.Context, in rxgo.Observable) rxgo.Observable {
	return in.
		Map(Func(func(_ context.Context, v int) (int, error) { return triple(v), nil })).
		Filter(Predicate(ctx, even)).
		Scan(Func2(func(_ context.Context, acc, v int) (int, error) { return add(acc, v), nil }))
}

// typedOperators is the pipeline in streams.
func typedOperators(in streams.Observable[int]) streams.Observable[int] {
	return streams.Scan(streams.Map(in, triple).Filter(even), 0, add)
}

// calls is the pipeline written without a library. It is not inlined, because the
// functions of a pipeline are values.
//
//go:noinline
func calls(f func(int) int, keep func(int) bool, scan func(acc, v int) int, receive func(int)) {
	acc := 0
	for v := range items {
		if v = f(v); keep(v) {
			acc = scan(acc, v)
			receive(acc)
		}
	}
}

// BenchmarkPipeline measures the cost of one int of the source in a pipeline of three
// operators.
func BenchmarkPipeline(b *testing.B) {
	observe := func(build func() rxgo.Observable, opts ...rxgo.Option) func(*testing.B) int {
		return func(b *testing.B) int {
			n := 0
			for item := range build().Observe(append(opts, rxgo.WithContext(b.Context()))...) {
				if item.E != nil {
					b.Fatal(item.E)
				}
				n++
			}
			return n
		}
	}
	run := func(build func() streams.Observable[int]) func(*testing.B) int {
		return func(b *testing.B) int {
			n := 0
			if err := build().Run(b.Context(), func(int) bool { n++; return true }); err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	rxSource := func(context.Context) rxgo.Observable { return rxgo.Range(0, items) }
	buffered := rxgo.WithBufferedChannel(128)

	for _, bm := range []struct {
		name string
		run  func(b *testing.B) int // returns how many values were received
	}{
		{"plain calls", func(*testing.B) int {
			n := 0
			calls(triple, even, add, func(int) { n++ })
			return n
		}},
		{"streams", run(func() streams.Observable[int] { return typedOperators(streams.Range(0, items)) })},
		{"RxGo", observe(func() rxgo.Observable { return rxOperators(rxgo.Range(0, items)) })},
		{"RxGo, buffer of 128", observe(func() rxgo.Observable { return rxOperators(rxgo.Range(0, items)) }, buffered)},
		{"From source, operators of streams", run(func() streams.Observable[int] {
			return typedOperators(From[int](rxSource))
		})},
		{"From source, operators of streams, buffer of 128", run(func() streams.Observable[int] {
			return typedOperators(From[int](func(context.Context) rxgo.Observable { return rxgo.Range(0, items, buffered) }))
		})},
		{"From pipeline", run(func() streams.Observable[int] {
			return From[int](func(ctx context.Context) rxgo.Observable { return rxOperators(rxSource(ctx)) })
		})},
		{"From pipeline, buffer of 128", run(func() streams.Observable[int] {
			return From[int](func(ctx context.Context) rxgo.Observable { return rxOperators(rxSource(ctx), buffered) })
		})},
		{"From pipeline, wrapped functions", run(func() streams.Observable[int] {
			return From[int](func(ctx context.Context) rxgo.Observable { return guardedOperators(ctx, rxSource(ctx)) })
		})},
		{"Via", run(func() streams.Observable[int] {
			return Via[int, int](streams.Range(0, items), func(_ context.Context, in rxgo.Observable) rxgo.Observable { return rxOperators(in) })
		})},
		{"To", observe(func() rxgo.Observable { return To(typedOperators(streams.Range(0, items))) })},
		{"To, buffer of 128", observe(func() rxgo.Observable { return To(typedOperators(streams.Range(0, items))) }, buffered)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n := bm.run(b); n != items/2 {
					b.Fatalf("received %d values, want %d", n, items/2)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*items), "ns/item")
		})
	}
}

// BenchmarkOpenTakeOneLeave measures a subscriber that opens a pipeline of three
// operators, takes one value and stops, until the last operator has ended.
func BenchmarkOpenTakeOneLeave(b *testing.B) {
	takeOne := func(o streams.Observable[int]) func(*testing.B) {
		return func(b *testing.B) {
			n := 0
			if err := o.Run(b.Context(), func(int) bool { n++; return false }); err != nil || n != 1 {
				b.Fatalf("got %d values, %v; want 1, nil", n, err)
			}
		}
	}
	observeOne := func(build func(ctx context.Context) rxgo.Observable) func(*testing.B) {
		return func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			in := build(ctx).Observe(rxgo.WithContext(ctx))
			if item := <-in; item.E != nil {
				b.Fatal(item.E)
			}
			cancel()
			for range in {
			}
		}
	}
	for _, bm := range []struct {
		name string
		run  func(b *testing.B)
	}{
		{"streams", takeOne(typedOperators(streams.Range(0, items)))},
		{"RxGo", observeOne(func(context.Context) rxgo.Observable { return rxOperators(rxgo.Range(0, items)) })},
		{"From", takeOne(From[int](func(context.Context) rxgo.Observable { return rxOperators(rxgo.Range(0, items)) }))},
		{"Via", takeOne(Via[int, int](streams.Range(0, items), func(_ context.Context, in rxgo.Observable) rxgo.Observable { return rxOperators(in) }))},
		{"To", observeOne(func(context.Context) rxgo.Observable { return To(typedOperators(streams.Range(0, items))) })},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bm.run(b)
			}
		})
	}
}
